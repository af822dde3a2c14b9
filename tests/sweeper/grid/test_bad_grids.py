"""Grids that cannot be run: one message with file, line and nearest match; nothing is written."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from sweeper import GridError, load_grid
from sweeper.cli import app

STUDY = "study: toy.py:Toy\n"
DONG = "study: dong2025.regression\nfixed: {d_weak: 5, d_strong: 6, d_overlap: 2, n_labeled: 20, n_transfer: 40}\n"
BAD = {
    "misspelt axis": (
        "study: toy.py:Toy\naxes:\n  x: [1]\n  lable: [a, b]\n",
        4,
        "'lable' is not a field of toy (did you mean 'label'?)",
    ),
    "misspelt fixed": (STUDY + "fixed:\n  x: 1\n  shpae: saw\n", 4, "did you mean 'shape'?"),
    "misspelt top key": (STUDY + "axis:\n  x: [1]\n", 2, "unknown key 'axis' (did you mean 'axes'?)"),
    "misspelt sub key": (
        STUDY + "grids:\n  - axes: {x: [1]}\n    fixd: {n: 3}\n",
        4,
        "unknown key 'fixd' (did you mean 'fixed'?)",
    ),
    "unknown study": ("study: probe.tabel\n", 1, "unknown study 'probe.tabel' (did you mean 'probe.table'?)"),
    "no study": ("axes: {x: [1]}\n", None, "name the study to run"),
    "study is a number": ("study: 3\n", 1, "name the study to run"),
    "unknown class": ("study: toy.py:Tyo\n", 1, "defines no 'Tyo' (did you mean 'Toy'?)"),
    "missing study file": ("study: nowhere.py:Toy\n", 1, "no such file"),
    "study file without class": ("study: toy.py\n", 1, "file.py:Name"),
    "wrong type": (STUDY + "axes:\n  x: [1]\n  n:\n    - 10\n    - ten\n", 6, "n: 'ten' is not allowed"),
    "text for number": (STUDY + "axes:\n  x: [1, '2']\n", 3, "x: '2' is not allowed"),
    "truth for number": (STUDY + "axes:\n  x: [1, true]\n", 3, "x: True is not allowed"),
    "number for truth": (STUDY + "fixed: {x: 1, flag: 1}\n", 2, "flag: 1 is not allowed"),
    "yes for truth": (STUDY + "fixed: {x: 1, flag: yes}\n", 2, "flag: 'yes' is not allowed"),
    "fraction for integer": (STUDY + "fixed: {x: 1, n: 2.5}\n", 2, "n: 2.5 is not allowed"),
    "null for number": (STUDY + "fixed: {x: null}\n", 2, "x: None is not allowed"),
    "out of bounds": (STUDY + "axes:\n  x: [1]\n  n: [10, 0]\n", 4, "greater than or equal to 1"),
    "beyond 64 bits": (
        STUDY + "fixed: {x: 1}\nseeds: [99999999999999999999999]\n",
        3,
        "seed: 99999999999999999999999 is not allowed",
    ),
    "misspelt choice": (STUDY + "fixed: {x: 1, kind: waev}\n", 2, "'waev' is not one of: plain, wave (did you mean 'wave'?)"),
    "axis without effect": (
        STUDY + "axes:\n  x: [1]\n  shape: [sine, saw]\n",
        4,
        "'shape' has no effect: it matters only when kind is wave, here it is plain",
    ),
    "fixed without effect": (STUDY + "axes:\n  x: [1]\nfixed:\n  depth: 2\n", 5, "'depth' has no effect"),
    "chain without effect": (STUDY + "axes:\n  x: [1]\n  depth: [1, 2]\nfixed:\n  kind: plain\n", 4, "'depth' has no effect"),
    "duplicate key": (STUDY + "axes:\n  x: [1]\n  n: [3]\n  x: [2]\n", 5, "the key 'x' is listed twice (first on line 3)"),
    "duplicate top key": (
        STUDY + "seeds: 2\nfixed: {x: 1}\nseeds: 3\n",
        4,
        "the key 'seeds' is listed twice (first on line 2)",
    ),
    "duplicate value": (STUDY + "axes:\n  x: [1, 2, 1]\n", 3, "x: the value 1 is listed twice"),
    "duplicate in other spelling": (STUDY + "axes:\n  x: [1]\n  n: [1000, 1e3]\n", 4, "n: the value 1000 is listed twice"),
    "duplicate number spelling": (STUDY + "axes:\n  x: [1000, 1e3]\n", 3, "x: the value 1000 is listed twice"),
    "minus zero": (STUDY + "axes:\n  x: [0.0, -0.0]\n", 3, "x: the value 0 is listed twice"),
    "duplicate seed": (STUDY + "fixed: {x: 1}\nseeds: [3, 4, 3]\n", 3, "a seed is listed twice"),
    "duplicate in zip": (STUDY + "zip:\n  x: [1, 2, 1]\n  n: [3, 4, 3]\n", 2, "the combination 1, 3 is listed twice"),
    "duplicate after rounding": (STUDY + "axes:\n  x: [1]\n  n: {linspace: [1, 2, 5], round: true}\n", 4, "is listed twice"),
    "empty list": (STUDY + "axes:\n  x: []\n", 3, "an axis needs at least one value"),
    "axis is a number": (STUDY + "axes:\n  x: 3\n", 3, "one value goes under fixed"),
    "axis is null": (STUDY + "axes:\n  x:\n", 3, "one value goes under fixed"),
    "fixed is a list": (STUDY + "fixed:\n  x: [1]\n", 3, "x: [1] is not allowed"),
    "axes is a list": (STUDY + "axes: [x]\n", 2, "axes must be a mapping"),
    "axes is false": (STUDY + "axes: false\nfixed: {x: 1}\n", 2, "axes must be a mapping"),
    "exclude is a mapping": (STUDY + "fixed: {x: 1}\nexclude: {x: 1}\n", 3, "exclude is a list"),
    "zip is a number": (STUDY + "fixed: {x: 1}\nzip: 0\n", 3, "zip is a mapping of equally long lists"),
    "grids is a mapping": (STUDY + "grids: {axes: {x: [1]}}\n", 2, "grids must be a list"),
    "grids is empty": (STUDY + "grids: []\n", 2, "grids must be a list"),
    "sub-grid is a word": (STUDY + "grids:\n  - axes: {x: [1]}\n  - axes\n", 4, "must be a mapping"),
    "list value in axis": (STUDY + "axes:\n  x: [[1, 2]]\n", 3, "x: [1, 2] is not allowed"),
    "bad YAML": (STUDY + "axes:\n  x: [1, 2\nseeds: 3\n", 4, "bad YAML"),
    "tab": (STUDY + "axes:\n\tx: [1]\n", 3, "bad YAML"),
    "recursive anchor": (STUDY + "axes: &a\n  x: [1]\n  n: *a\n", 2, "nested or repeated without end"),
    "undefined alias": (STUDY + "axes: *a\n", 2, "bad YAML: found undefined alias"),
    "tag": (STUDY + "axes: !!python/object:os.system {x: [1]}\n", 2, "bad YAML"),
    "tagged scalar": (STUDY + "fixed:\n  x: !!python/name:os.system ''\n", 3, "bad YAML: tag"),
    "two documents": (STUDY + "---\nstudy: x\n", 2, "bad YAML"),
    "key is a list": (STUDY + "? [a, b]\n: 3\n", 2, "a key must be a plain word"),
    "escape out of range": ('study: "\\Uffffffff"\n', None, "bad YAML"),
    "control character": ("study: toy.py:Toy\nfixed: {x: \x00}\n", 2, "is not allowed"),
    "not a mapping": ("- 1\n- 2\n", None, "a grid must be a mapping of names to values, not a list"),
    "only a word": ("hello\n", None, "a grid must be a mapping of names to values, not text"),
    "empty file": ("", None, "the file is empty"),
    "only comments": ("# nothing\n", None, "the file is empty"),
    "binary": (b"\x93NUMPY\x01\x00\xff\xfe", None, "not UTF-8 text"),
    "zip of unequal lengths": (
        STUDY + "zip:\n  x: [1, 2, 3]\n  n: [1, 2]\n",
        2,
        "zip needs two or more lists of one length; got x: 3, n: 2",
    ),
    "zip of one": (STUDY + "zip:\n  x: [1, 2, 3]\n", 2, "zip needs two or more"),
    "axis and zip": (STUDY + "axes:\n  x: [1]\nzip:\n  x: [1, 2]\n  n: [1, 2]\n", 3, "'x' is named twice"),
    "axis and fixed": (STUDY + "axes:\n  x: [1]\nfixed:\n  x: 2\n", 3, "'x' is named twice"),
    "half of a shared zip": (
        STUDY + "zip:\n  x: [1, 2]\n  n: [1, 2]\ngrids:\n  - axes: {x: [5]}\n",
        6,
        "'x' is zipped with 'n'",
    ),
    "everything excluded": (STUDY + "axes:\n  x: [1, 2]\nexclude:\n  - x > 0\n", 4, "exclude leaves no cell"),
    "overlapping sub-grids": (
        STUDY + "grids:\n  - axes: {x: [1, 2]}\n  - axes: {x: [2, 3]}\n",
        4,
        "grids 1 and 2 share 1 cells",
    ),
    "rule": (STUDY + "axes:\n  x: [1, 2000]\n", 3, "x must not exceed n + 1000: not so for x = 2000, n = 10"),
    "rule of dong2025": (DONG.replace("n_labeled: 20", "n_labeled: 6"), 2, "n_labeled must exceed d_weak + 1"),
    "rule of dong2025, transfer": (
        DONG + "axes: {n_transfer: [7]}\n".replace("n_transfer", "noise") + "seeds: 0\n",
        4,
        "seeds: a whole number in 1..",
    ),
    "geomspace with zero": (STUDY + "axes:\n  x: {geomspace: [0, 1, 5]}\n", 3, "geomspace needs positive ends"),
    "huge num": (STUDY + "axes:\n  x: {linspace: [0, 1, 1e12]}\n", 3, "num must lie in 1.."),
    "num is a fraction": (STUDY + "axes:\n  x: {linspace: [0, 1, 2.5]}\n", 3, "num must be a whole number"),
    "zero num": (STUDY + "axes:\n  x: {linspace: [0, 1, 0]}\n", 3, "num must lie in 1.."),
    "logspace out of range": (STUDY + "axes:\n  x: {logspace: [0, 400, 3]}\n", 3, "leaves the range of numbers"),
    "generator with infinity": (STUDY + "axes:\n  x: {linspace: [0, .inf, 3]}\n", 3, "three finite numbers"),
    "misspelt generator": (
        STUDY + "axes:\n  x: {linspcae: [0, 1, 3]}\n",
        3,
        "unknown generator 'linspcae' (did you mean 'linspace'?)",
    ),
    "two generators": (STUDY + "axes:\n  x: {linspace: [0, 1, 3], logspace: [0, 1, 3]}\n", 3, "exactly one generator"),
    "nan": (STUDY + "axes:\n  x: [1, .nan]\n", 3, "nan is not a value a cell can have"),
    "infinity": (DONG + "axes:\n  noise: [1, .inf]\n", 4, "inf is not allowed"),
    "missing data": (
        "study: probe.table\nfixed: {n_labeled: 9, n_transfer: 9, n_test: 9}\naxes:\n  data: [digist.csv]\n",
        4,
        "no such file",
    ),
    "misspelt data": (
        "study: probe.table\nfixed: {n_labeled: 9, n_transfer: 9, n_test: 9, data: toy.csv}\n",
        2,
        "no such file",
    ),
    "data name too long": ("study: probe.table\nfixed:\n  data: " + "a" * 300 + "\n", 3, "is no path of a file"),
    "data of an unknown user": ("study: probe.table\nfixed:\n  data: ~nobody-here/x.csv\n", 3, "is no path of a file"),
    "out of an unknown user": (STUDY + "fixed: {x: 1}\nout: ~nobody-here/x\n", 3, "out: '~nobody-here/x' is no path of a file"),
    "out is empty": (STUDY + "fixed: {x: 1}\nout: ''\n", 3, "out: '' is no name of a folder"),
    "out is a URL": (STUDY + "fixed: {x: 1}\nout: ftp://bucket/x\n", 3, "not a local folder"),
    "out is half a URL": (STUDY + "fixed: {x: 1}\nout: s3:/bucket/x\n", 3, "not a local folder"),
    "store is empty": (STUDY + "fixed: {x: 1}\ncompute: {store: ''}\n", 3, "compute.store: '' is no name of a folder"),
    "store is a URL": (
        STUDY + "fixed: {x: 1}\ncompute: {store: 'ftp://b/x'}\n",
        3,
        "compute.store: 'ftp://b/x' is not a local",
    ),
    "out is a number": (STUDY + "fixed: {x: 1}\nout: 3\n", 3, "out: 3 is not a folder name"),
    "seeds is zero": (STUDY + "fixed: {x: 1}\nseeds: 0\n", 3, "seeds: a whole number in 1.."),
    "seeds is negative": (STUDY + "fixed: {x: 1}\nseeds: [-1]\n", 3, "greater than or equal to 0"),
    "seeds is true": (STUDY + "fixed: {x: 1}\nseeds: true\n", 3, "seeds: a whole number"),
    "seed as axis": (STUDY + "axes:\n  x: [1]\n  seed: [1, 2]\n", 4, "seeds have a key of their own"),
    "missing field": (STUDY + "axes:\n  n: [1]\n", None, "'x' is needed (any number)"),
    "compute key": (STUDY + "fixed: {x: 1}\ncompute: {cpu: 3}\n", 3, "unknown key 'cpu' (did you mean 'cpus'?)"),
    "compute value": (STUDY + "fixed: {x: 1}\ncompute:\n  executor: rya\n", 4, "compute.executor: 'rya' is not allowed"),
    "compute cpus": (STUDY + "fixed: {x: 1}\ncompute: {cpus: 0}\n", 3, "compute.cpus: 0 is not allowed"),
    "exclude unknown": (STUDY + "axes: {x: [1]}\nexclude:\n  - {labl: a}\n", 4, "did you mean 'label'?"),
    "exclude bad value": (STUDY + "axes: {x: [1]}\nexclude:\n  - {n: many}\n", 4, "n: 'many' is not allowed"),
    "exclude nothing": (STUDY + "axes: {x: [1]}\nexclude:\n  - {}\n", 4, "an empty condition would leave out every cell"),
    "exclude words and numbers": (STUDY + "axes: {x: [1]}\nexclude:\n  - n > 100\n  - label > 3\n", 5, "words with numbers"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_message_with_file_and_line(bench, monkeypatch, name):
    text, line, says = BAD[name]
    monkeypatch.chdir(bench.folder)
    path = bench.folder / "grid.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = set(bench.folder.iterdir())
    with pytest.raises(GridError) as caught:
        load_grid(path)
    assert says in str(caught.value)
    assert caught.value.line == line, str(caught.value)
    assert str(caught.value).startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert "\n" not in str(caught.value)
    for command in ("plan", "launch"):
        result = CliRunner().invoke(app, [command, str(path)])
        assert result.exit_code == 2
        assert result.stderr == f"error: {caught.value}\n"
        assert result.stdout == ""
    assert set(bench.folder.iterdir()) - {bench.folder / "__pycache__"} == before - {bench.folder / "__pycache__"}


@pytest.mark.parametrize("name", ["misspelt axis", "rule", "binary", "recursive anchor"])
def test_the_command_line_says_it_without_traceback(bench, name):
    text, line, says = BAD[name]
    path = bench.folder / "grid.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = bench.sweep("launch", "grid.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: grid.yaml:{line}: " if line else "error: grid.yaml: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (bench.folder / "runs").exists()


def test_files_that_are_no_grids(bench):
    for path, says in (("nowhere.yaml", "No such file"), (".", "Is a directory")):
        result = CliRunner().invoke(app, ["launch", str(bench.folder / path)])
        assert result.exit_code == 2
        assert f"cannot read the grid: {says}" in result.stderr
    large = bench.grid("# " + "x" * 3_000_000)
    with pytest.raises(GridError, match="larger than"):
        load_grid(large)
    laughs = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    laughs += [f"{b}: &{b} [{', '.join(['*' + a] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(GridError, match="repeated without end"):
        load_grid(bench.grid("\n".join(laughs)))


def test_a_study_file_that_cannot_be_imported(bench):
    (bench.folder / "broken.py").write_text("import nowhere_to_be_found\n")
    with pytest.raises(GridError, match=r"grid\.yaml:1: .*broken\.py cannot be imported: ModuleNotFoundError"):
        load_grid(bench.grid("study: broken.py:Study\n"))
    (bench.folder / "other.py").write_text("class NoStudy: pass\n")
    with pytest.raises(GridError, match=r"grid\.yaml:1: .*is not a subclass of w2s\.Study"):
        load_grid(bench.grid("study: other.py:NoStudy\n"))


@pytest.mark.parametrize("fast", [True, False])
def test_both_loaders_say_the_same_and_a_deep_document_ends_nothing(bench, monkeypatch, fast):
    """libyaml ends the process at half a million open brackets; where it is absent everything is read in Python."""
    if not fast:
        monkeypatch.setattr("sweeper.grid.yaml._fast_node", lambda text: None)
    with pytest.raises(GridError, match="nested too deeply"):
        load_grid(bench.grid("a: " + "[" * 500_000))
    for name in ("duplicate key", "recursive anchor", "misspelt axis"):
        text, line, says = BAD[name]
        with pytest.raises(GridError, match=rf":{line}: .*{re.escape(says)}"):
            load_grid(bench.grid(text))
