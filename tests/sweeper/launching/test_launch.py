"""Launching, and launching again: the table is the product of the axes, nothing is computed twice, nothing is listed twice."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner
from workbench import TOY_GRID, events, part_files, table, wait_until

from sweeper import GridError, RunError, launch, load_grid
from sweeper.cli import app
from sweeper.errors import Exit, StoreError

READ = "import pandas; print(len(pandas.read_parquet({!r})))"


def inline(grid, **options):
    return launch(grid, executor="inline", **options)


def key_rows(run, *names):
    return {tuple(row[n] for n in names): row for row in table(run).to_pylist()}


def assert_close(first, second):
    """Two tables with the same cells and the same numbers."""
    assert first.schema == second.schema
    assert first["cell_id"].to_pylist() == second["cell_id"].to_pylist()
    for name in first.column_names:
        a, b = first[name].to_pylist(), second[name].to_pylist()
        if "double" in str(first.schema.field(name).type):
            np.testing.assert_allclose(np.array(a, dtype=float), np.array(b, dtype=float), rtol=1e-9, atol=1e-9)
        else:
            assert a == b, name


def test_the_table_is_exactly_the_product_of_the_axes(bench):
    outcome = inline(bench.grid())
    assert (outcome.exit, outcome.cells, outcome.computed, outcome.found, outcome.pending) == (Exit.DONE, 16, 16, 0, 0)
    rows = table(outcome.run).to_pylist()
    wanted = set(itertools.product([1.0, 2.0, 3.0, 4.0], [10, 20], [0, 1]))
    assert len(rows) == 16
    assert {(r["x"], r["n"], r["seed"]) for r in rows} == wanted
    for row in rows:
        weak = 2.0 + np.cos(row["x"] + 0.1 * row["seed"])
        assert row["weak_error"] == pytest.approx(weak, rel=1e-15)
        assert row["student_error"] == pytest.approx(1 / row["n"] + 0.3 * weak, rel=1e-15)
        assert row["gain"] == pytest.approx(row["weak_error"] - row["student_error"])
        assert (row["status"], row["study"], row["shape"], row["depth"], row["label"]) == ("ok", "toy", None, None, "a")
    assert sum(bench.solved()) == 16
    assert [e["event"] for e in events(outcome.run, "launch") + events(outcome.run, "end")] == ["launch", "end"]


def test_a_second_launch_does_nothing_and_says_so(bench):
    run = inline(bench.grid()).run
    before = {p.name: p.stat().st_mtime_ns for p in (run / "results").iterdir()}
    bench.solved()
    done = bench.sweep("launch", "grid.yaml", "--executor", "inline")
    assert (done.returncode, done.stdout) == (0, "nothing to do: all 16 cells have a row in runs/grid\n")
    assert {p.name: p.stat().st_mtime_ns for p in (run / "results").iterdir()} == before
    assert bench.solved() == []


def test_the_table_can_be_read_from_the_first_second(bench):
    bench.steer(sleep=1)  # until the first look, however slow this machine is
    process = bench.start("launch", bench.grid(), "--executor", "inline")
    results = bench.folder / "runs" / "grid" / "results"
    wait_until(lambda: list(results.glob("part-*.parquet")))
    counts = []
    while process.poll() is None:
        done = subprocess.run([sys.executable, "-c", READ.format(str(results))], capture_output=True, text=True, check=True)
        counts.append(int(done.stdout))
        bench.steer(sleep=0.05)
    process.communicate()
    assert process.returncode == 0
    assert counts == sorted(counts)
    assert counts[0] < 16
    assert len(pq.read_table(results)) == 16
    assert pq.read_table(results / "part-0000-schema.parquet").schema.names == pq.read_table(results).schema.names


def test_longer_axes_compute_only_what_is_new(bench):
    run = inline(bench.grid()).run
    assert sum(bench.solved()) == 16
    first = part_files(run)
    bigger = (
        TOY_GRID.replace("[1, 2, 3, 4]", "[0.5, 1, 2, 3, 4, 5]")
        .replace("[10, 20]", "[10, 15, 20]")
        .replace("seeds: 2", "seeds: 5")
    )
    bigger += "zip:\n  label: [a, b]\n  flag: [false, true]\n"
    outcome = inline(bench.grid(bigger))
    assert (outcome.cells, outcome.found, outcome.computed) == (180, 16, 164)
    assert sum(bench.solved()) == 164
    assert first <= part_files(run)
    written = sum(event["rows"] for event in events(run, "block"))
    assert written == 180
    fresh = inline(bench.grid(bigger), out=bench.folder / "fresh")
    assert fresh.computed == 180
    assert_close(table(run), table(fresh.run))
    again = inline(bench.grid(bigger))
    assert (again.computed, again.found) == (0, 180)


def test_more_seeds_compute_only_new_seeds(bench):
    run = inline(bench.grid()).run
    before = table(run)
    bench.solved()
    outcome = inline(bench.grid(TOY_GRID.replace("seeds: 2", "seeds: [7, 1, 0, 3]")))
    assert (outcome.computed, outcome.found, sum(bench.solved())) == (16, 16, 16)
    assert key_rows(run, "x", "n", "seed").keys() == set(itertools.product([1.0, 2.0, 3.0, 4.0], [10, 20], [0, 1, 3, 7]))
    kept = {r["cell_id"]: r for r in table(run).to_pylist()}
    assert all(kept[r["cell_id"]] == r for r in before.to_pylist()), "rows that were there keep their bits"


def test_extended_again_and_again(bench):
    rng = np.random.default_rng(3)
    xs, seeds, total = [1.0], 1, 0
    for _ in range(6):
        if rng.random() < 0.5:
            xs.insert(int(rng.integers(len(xs) + 1)), float(len(xs) + 1))
        else:
            seeds += int(rng.integers(1, 4))
        exclude = "exclude: ['x == 3 and seed == 0']\n"
        text = f"study: toy.py:Toy\naxes:\n  x: {xs}\n  n: [10, 20]\nseeds: {seeds}\n{exclude}"
        outcome = inline(bench.grid(text))
        total += outcome.computed
        assert outcome.found + outcome.computed == outcome.cells == load_grid(bench.folder / "grid.yaml").cells == total
        ids = table(outcome.run)["cell_id"].to_pylist()
        assert len(ids) == len(set(ids)) == outcome.cells
    assert sum(bench.solved()) >= total
    fresh = inline(bench.folder / "grid.yaml", out=bench.folder / "fresh")
    assert_close(table(outcome.run), table(fresh.run))


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        ("[1, 2, 3, 4]", "[1, 2, 4, 9]", "x: - [3] + [9]"),
        ("[10, 20]", "[10]", "n: - [20]"),
        ("seeds: 2", "seeds: 1", "seed: - [1]"),
        ("seeds: 2\n", "seeds: 2\nfixed: {label: b}\n", "label: a -> b"),
        ("seeds: 2\n", "seeds: 2\nexclude: [x == 1]\n", "the combinations differ: 4 stored cells are not in this grid"),
    ],
)
def test_a_grid_that_shrank_or_changed_is_refused(bench, change, to, says):
    run = inline(bench.grid()).run
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    bench.solved()
    bench.grid(TOY_GRID.replace(change, to))
    with pytest.raises(RunError) as caught:
        inline(bench.folder / "grid.yaml")
    assert says in str(caught.value)
    assert caught.value.code == 2
    done = bench.sweep("launch", "grid.yaml", "--executor", "inline")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "--keep" in done.stderr
    assert "--fresh" in done.stderr
    assert "Traceback" not in done.stderr
    assert bench.solved() == []
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_keep_leaves_the_other_rows_there(bench):
    run = inline(bench.grid()).run
    changed = TOY_GRID.replace("[1, 2, 3, 4]", "[3, 4, 9]")
    outcome = inline(bench.grid(changed), keep=True)
    assert (outcome.run, outcome.cells, outcome.found, outcome.computed) == (run, 12, 8, 4)
    assert {row["x"] for row in table(run).to_pylist()} == {1, 2, 3, 4, 9}
    assert len(set(table(run)["cell_id"].to_pylist())) == table(run).num_rows == 20
    assert inline(bench.folder / "grid.yaml").computed == 0
    back = inline(bench.grid(TOY_GRID), keep=True)
    assert (back.found, back.computed) == (16, 0)


def test_fresh_starts_a_folder_of_its_own(bench):
    run = inline(bench.grid()).run
    changed = bench.grid(TOY_GRID.replace("[1, 2, 3, 4]", "[9]"))
    outcome = inline(changed, fresh=True)
    assert (outcome.run, outcome.computed) == (run.with_name("grid-2"), 4)
    assert inline(changed, fresh=True).computed == 0, "the second folder is found again"
    third = inline(bench.grid(TOY_GRID.replace("[1, 2, 3, 4]", "[8]")), fresh=True)
    assert third.run == run.with_name("grid-3")
    assert inline(bench.grid(TOY_GRID), fresh=True).run == run
    assert table(run).num_rows == 16


def test_rows_of_another_version_are_set_aside(bench):
    run = inline(bench.grid()).run
    old = part_files(run)
    study = bench.folder / "toy.py"
    study.write_text(study.read_text().replace("version = 1", "version = 2").replace("0.3 * weak", "0.4 * weak"))
    outcome = inline(bench.folder / "grid.yaml")
    assert (outcome.found, outcome.computed) == (0, 16)
    assert {p.name for p in (run / "superseded" / "version-1").iterdir()} == old
    assert set(table(run)["version"].to_pylist()) == {2}
    assert table(run).num_rows == 16
    assert inline(bench.folder / "grid.yaml").computed == 0


def test_a_field_that_the_next_version_does_not_know(bench):
    inline(bench.grid(TOY_GRID + "fixed: {label: b}\n"))
    study = bench.folder / "toy.py"
    study.write_text(study.read_text().replace("label", "word"))
    grid = bench.grid(TOY_GRID + "fixed: {word: b}\n")
    with pytest.raises(RunError, match=r"cannot be read by this version: 'label' is not a field"):
        inline(grid)
    assert inline(grid, fresh=True).run.name == "grid-2"


def test_another_study_in_the_folder(bench):
    inline(bench.grid())
    with pytest.raises(RunError, match="holds a run of toy, not of quick"):
        inline(bench.grid(TOY_GRID.replace(":Toy", ":Quick")), keep=True)


def test_the_resolved_grid_is_a_grid(bench):
    run = inline(
        bench.grid(TOY_GRID + "fixed: {tag: null, kind: wave}\nexclude:\n  - {x: [1], seed: 0}\n  - n > 15 and x == 2\n")
    ).run
    assert inline(run / "grid.yaml", out=run).computed == 0
    moved = run.parent / "moved"
    run.rename(moved)
    assert inline(moved / "grid.yaml").computed == 0, "its own folder is where it is"


def test_compute_settings_are_no_part_of_a_run(bench):
    run = inline(bench.grid()).run
    assert inline(bench.grid(TOY_GRID + "compute: {backend: numpy, cpus: 3, on_error: stop}\n")).computed == 0
    assert table(run).num_rows == 16
    with pytest.raises(GridError, match="executor"):
        launch(bench.folder / "grid.yaml", executor="cloud")


def test_sub_grids_share_a_table(bench):
    text = "study: toy.py:Toy\nseeds: 2\ngrids:\n  - axes: {x: [1, 2]}\n  - axes: {x: [3]}\n    fixed: {kind: wave}\n    seeds: [5]\n"
    outcome = inline(bench.grid(text))
    assert outcome.computed == 5
    assert {(r["x"], r["seed"], r["kind"]) for r in table(outcome.run).to_pylist()} == {
        (1, 0, "plain"),
        (1, 1, "plain"),
        (2, 0, "plain"),
        (2, 1, "plain"),
        (3, 5, "wave"),
    }


def test_a_large_block_has_a_bounded_table(bench):
    """A grid of cells that cost nothing is still cut by the rows it makes."""
    axes = {"x": {"linspace": [0, 1, 1200]}, "n": {"linspace": [1001, 2000, 1000]}}
    grid = load_grid({"study": "toy.py:Quick", "axes": axes}, bench.folder)
    outcome = inline(grid, out=bench.folder / "large")
    assert outcome.computed == 1_200_000
    assert max(event["rows"] for event in events(outcome.run, "block")) <= 2**20
    ids = pq.read_table(outcome.run / "results", columns=["cell_id"])["cell_id"]
    assert len(ids) == len(ids.unique()) == 1_200_000


def test_places_that_cannot_be_written(bench):
    grid = bench.grid()
    (bench.folder / "file").write_text("in the way")
    for place in ("/proc/w2s", bench.folder / "file", bench.folder / "file" / "run"):
        with pytest.raises(StoreError, match="cannot") as caught:
            inline(grid, out=place)
        assert caught.value.code == 1
        done = bench.sweep("launch", grid, "--executor", "inline", "--out", place)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["", "foo://bucket/run", "s3:/bucket/run"])
def test_an_empty_name_and_an_unknown_url_are_no_folders(bench, monkeypatch, name):
    bench.grid()
    monkeypatch.chdir(bench.folder)
    before = sorted(bench.folder.rglob("*"))
    for command in (
        ["launch", "grid.yaml", "--out", name],
        ["launch", "grid.yaml", "--store", name],
        ["status", name],
        ["verify", name],
    ):
        done = CliRunner().invoke(app, command)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
        assert f"{name!r} is no" in done.stderr
    assert sorted(path for path in bench.folder.rglob("*") if "__pycache__" not in path.parts) == before
