"""The resolved grid: written out in full, read back with the same identities, whoever reads it."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import python_calls

from sweeper import launch, load_grid
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.resolved import differences, extends, read_resolved, resolved_grid
from sweeper.grid.yaml import read_yaml
from sweeper.plan.cut import make_plan
from w2s.contract.identity import cell_ids

WORDS = [
    "1e3",
    "1.5",
    "yes",
    "on",
    "null",
    "~",
    "true",
    "0o7",
    "12:30:00",
    "1_000",
    "=",
    "<<",
    "- a",
    "a: b",
    "#",
    "",
    " ",
    "é",
    "\n",
    "\t",
    "0x1F",
    ".5",
    "1.",
]
number = st.floats(allow_nan=False, allow_infinity=False, max_value=1000).map(lambda v: v + 0.0)
word = st.one_of(st.sampled_from(WORDS), st.text(max_size=4))


def axis(values):
    return st.lists(values, min_size=1, max_size=4, unique=True)


@st.composite
def documents(draw):
    document = {"study": "toy.py:Toy", "axes": {"x": draw(axis(number))}, "fixed": {}}
    document["seeds"] = draw(st.one_of(st.integers(1, 4), axis(st.integers(0, 2**63 - 1))))
    if draw(st.booleans()):
        document["axes"]["label"] = draw(axis(word))
    else:
        labels = draw(axis(word))
        document["zip"] = {
            "label": labels,
            "n": draw(st.lists(st.integers(1, 10**9), min_size=len(labels), max_size=len(labels))),
        }
        if len(labels) < 1:
            del document["zip"]
    if draw(st.booleans()):
        document["axes"] |= {
            "kind": ["plain", "wave"],
            "shape": draw(st.permutations(["sine", "saw"])),
            "depth": draw(axis(number.map(abs))),
        }
    if draw(st.booleans()):
        document["fixed"]["tag"] = draw(st.one_of(st.none(), word))
    if draw(st.booleans()):
        document["fixed"]["flag"] = draw(st.booleans())
    x = document["axes"]["x"]
    if len(x) > 1 and draw(st.booleans()):
        document["exclude"] = [{"x": [draw(st.sampled_from(x))], "seed": draw(st.integers(0, 3))}, "seed == 1 and x > 0"]
    return document


def ids(grid):
    """Identities of the wanted cells in plan order."""
    found = []
    for block in make_plan(grid).blocks():
        all_ids = cell_ids(grid.study, block)
        found.append(all_ids if block.mask is None else all_ids[block.mask.reshape(-1)])
    return np.concatenate(found)


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents())
def test_a_resolved_grid_keeps_every_identity(bench, document):
    try:
        grid = load_grid(document, bench.folder)
    except Exception as error:
        assert re.search("leaves no cell|not so for|has no effect", str(error)), error  # noqa: PT017
        return
    run = bench.folder / "runs" / "it"
    folder = RunFolder(run)
    folder.write_grid(resolved_grid(grid, run))
    stored = read_resolved(folder.read_grid(), run)
    np.testing.assert_array_equal(ids(stored), ids(grid))
    document_again, _ = read_yaml(run / "grid.yaml")
    np.testing.assert_array_equal(ids(load_grid(document_again, run)), ids(grid))
    assert extends(grid, stored)
    assert extends(stored, grid)
    assert grid.cells == stored.cells
    again = resolved_grid(stored, run)
    assert again == resolved_grid(grid, run)
    assert yaml.safe_load(yaml.safe_dump(again)) == again


def toy(bench, **sections):
    return load_grid({"study": "toy.py:Toy"} | sections, bench.folder)


def test_extends_and_differences(bench):
    old = toy(bench, axes={"x": [1, 2], "n": [10, 20]}, seeds=2)
    assert extends(toy(bench, axes={"n": [20, 5, 10], "x": [0, 1, 2]}, seeds=[1, 0, 9]), old), "order does not matter"
    split = toy(bench, seeds=2, grids=[{"axes": {"x": [1], "n": [10, 20]}}, {"axes": {"x": [2], "n": [20, 10]}}])
    assert extends(split, old)
    assert extends(old, split)
    zipped = toy(bench, zip={"x": [1, 1, 2, 2], "n": [10, 20, 10, 20]}, seeds=2)
    assert extends(zipped, old)
    assert extends(old, zipped)
    corner = toy(bench, axes={"x": [1, 2], "n": [10, 20]}, seeds=2, exclude=["x == 2 and n == 20"])
    assert extends(old, corner)
    assert not extends(corner, old)
    assert differences(corner, old) == ["the combinations differ: 2 stored cells are not in this grid"]
    other = toy(bench, axes={"x": [1, 3], "n": [10, 20, 30]}, fixed={"label": "b"}, seeds=1)
    assert not extends(other, old)
    assert sorted(differences(other, old)) == ["label: a -> b", "n: + [30]", "seed: - [1]", "x: - [2] + [3]"]


def test_differences_of_long_axes_take_linear_work_and_are_short(bench):
    def shifted(count):
        first = toy(bench, fixed={"x": 1}, seeds=count)
        return toy(bench, fixed={"x": 1}, seeds=list(range(5, count + 5))), first

    short, long = shifted(1_000), shifted(10_000)
    few, many = python_calls(lambda: differences(*short)), python_calls(lambda: differences(*long))
    assert few < many < 10.1 * few
    (line,) = differences(*shifted(100_000))
    assert line.startswith("seed: - [0, 1, 2, 3, 4] + [100000, 100001")
    assert len(line) < 120


def test_data_files_are_stored_relative_to_the_run_and_known_by_content(bench):
    import shutil

    data = bench.folder / "data"
    data.mkdir()
    rows = "\n".join(f"{k % 7},{k % 5},{k % 3}" for k in range(200))
    for name in ("a.csv", "b.csv"):
        (data / name).write_text(f"u,v,y\n{rows}\n{'1,1,1' if name[0] == 'b' else '2,2,2'}\n")
    text = """\
study: probe.table
axes:
  data: [data/a.csv, data/b.csv]
  n_labeled: [20, 30]
fixed: {n_transfer: 50, n_test: 40, d_weak: 4, d_strong: 8, ridge: 0.01}
exclude:
  - {data: data/b.csv, n_labeled: 30}
"""
    outcome = launch(bench.grid(text), executor="inline", backend="numpy")
    assert outcome.computed == 3
    assert launch(bench.folder / "grid.yaml", executor="inline").computed == 0
    shutil.move(data, bench.folder / "moved")
    renamed = bench.grid(text.replace("data/", "moved/"))
    assert launch(renamed, executor="inline").computed == 0, "the content is the same, wherever it lies"
    (bench.folder / "moved" / "a.csv").write_text(f"u,v,y\n{rows}\n3,3,3\n")
    with pytest.raises(Exception, match=r"data: - \[.*a\.csv"):
        launch(renamed, executor="inline")


FILES = """\
study: probe.table
axes:
  data: [a.csv, b.csv]
fixed: {n_labeled: 20, n_transfer: 50, n_test: 40, d_weak: 4, d_strong: 8, ridge: 0.01}
seeds: 2
exclude: ["data == 'a.csv' and seed == 1"]
"""


def with_files(bench, text=FILES):
    for name in ("a.csv", "b.csv"):
        rows = "\n".join(f"{k % 7},{k % 5},{k % 3}" for k in range(200))
        (bench.folder / name).write_text(f"u,v,y\n{rows}\n{name == 'a.csv':d},1,1\n")
    return bench.grid(text)


def test_a_written_condition_on_a_file_means_the_same_for_every_reader(bench):
    study = bench.folder / "claimed.py"
    text = study.read_text().replace('"ratio", "coin", "wrong", "needy", "known", "broken"', '"ratio",')
    text = text.replace("    fails:", '    data: DataFile = field(description="a file")\n    fails:')
    study.write_text(text.replace("import Cell,", "import DataFile, Cell,"))
    grid = with_files(
        bench,
        "study: claimed.py:Claimed\naxes: {x: [1, 2], data: [a.csv, b.csv]}\nseeds: 8\n"
        "exclude: [\"data == 'a.csv' and seed == 1\"]\n",
    )
    for known in (0, 30):
        outcome = launch(grid, executor="inline", backend="numpy")
        assert (outcome.computed, outcome.cells) == (30 - known, 30)
    run = bench.folder / "runs" / "grid"
    assert "30 done (100.0 %), 0 failed, 0 pending" in bench.sweep("status", run).stdout
    verified = bench.sweep("verify", run)
    assert (verified.returncode, "1 of 1 claims" in verified.stdout) == (0, True), verified.stdout + verified.stderr
    (text,) = RunFolder(run).read_grid()["grids"][0]["exclude"]
    assert re.fullmatch("data == 'sha256:[0-9a-f]{64}' and seed == 1", text)
    assert launch(run / "grid.yaml", executor="inline", backend="numpy").computed == 0, "the stored grid is the same grid"


def test_files_in_conditions_are_compared_by_content_and_never_by_order(bench):
    with_files(bench)
    (bench.folder / "copy.csv").write_bytes((bench.folder / "a.csv").read_bytes())
    left = {"data == 'copy.csv'": 2, "data != './a.csv'": 2, "data in ['a.csv'] and seed == 0": 3, "data not in ['a.csv']": 2}
    for text, cells in left.items():
        grid = load_grid(bench.grid(FILES.replace("data == 'a.csv' and seed == 1", text)))
        assert grid.cells == read_resolved(resolved_grid(grid, bench.folder / "r"), bench.folder / "r").cells == cells, text
    wrong = {
        "data == 'c.csv'": "c.csv: no such file",
        "data < 'b.csv'": "files are compared by ==, != and in",
        "data == 3": "files with numbers: data is a file, 3 is a number; write the name of a file in quotes",
        "data == target": "files with words: data is a file, target is a word",
        f"data in [{', '.join(['a.csv'.__repr__()] * 150)}]": "longer than 10,000 characters",
    }
    for text, says in wrong.items():
        with pytest.raises(Exception, match=re.escape(says)):
            load_grid(bench.grid(FILES.replace("data == 'a.csv' and seed == 1", text)))


def test_conditions_that_earlier_releases_stored_are_read_and_written_anew(bench):
    """They name files as the grid file did, and hold what is refused today."""
    grid = with_files(bench)
    launch(grid, executor="inline", backend="numpy")
    folder = RunFolder(bench.folder / "runs" / "grid")
    today = folder.read_grid()
    stored = today["grids"][0] | {"exclude": ["data == 'a.csv' and seed == 1", "target == 7"]}
    folder.write_grid(today | {"grids": [stored]})
    assert read_resolved(folder.read_grid(), folder.base).cells == 3
    assert launch(grid, executor="inline", backend="numpy").computed == 0
    assert folder.read_grid() == today
