"""What changed since a run was made: runs of an earlier version are read, and a study that has moved is found again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from workbench import TOY_GRID, table

from sweeper import RunError, launch
from sweeper.review.migrate import migrate

RECORDED = Path(__file__).parents[2] / "recorded"


@pytest.mark.parametrize("name", sorted(path.name for path in (RECORDED / "finished").iterdir()))
def test_runs_of_an_earlier_version_are_read(name):
    lines = migrate(RECORDED / "finished" / name)
    assert lines[0].startswith("made by w2s-sweep")
    assert any("they stay" in line for line in lines)


def test_a_study_that_has_moved_is_named_anew(bench):
    run = launch(bench.grid(TOY_GRID), executor="inline").run
    before = table(run)
    moved = bench.folder / "elsewhere"
    moved.mkdir()
    shutil.move(bench.folder / "toy.py", moved / "toy.py")
    assert bench.sweep("status", run).returncode != 0
    dry = bench.sweep("migrate", run, "--study", "elsewhere/toy.py:Toy")
    assert "nothing is written without --write" in dry.stdout
    assert bench.sweep("status", run).returncode != 0
    done = bench.sweep("migrate", run, "--study", "elsewhere/toy.py:Toy", "--write")
    assert (done.returncode, done.stderr) == (0, "")
    assert "16 done (100.0 %)" in bench.sweep("status", run).stdout
    assert table(run).equals(before)


def test_another_study_is_refused(bench):
    run = launch(bench.grid(TOY_GRID), executor="inline").run
    stored = (run / "grid.yaml").read_bytes()
    with pytest.raises(RunError, match="holds rows of toy"):
        migrate(run, str(bench.folder / "toy.py:Quick"), write=True)
    with pytest.raises(RunError, match="name it with --study"):
        migrate(run, write=True)
    assert (run / "grid.yaml").read_bytes() == stored


def test_rows_of_another_version_are_said(bench):
    run = launch(bench.grid(TOY_GRID), executor="inline").run
    text = (bench.folder / "toy.py").read_text().replace("version = 1", "version = 2")
    (bench.folder / "newer.py").write_text(text)
    lines = migrate(run, str(bench.folder / "newer.py:Toy"))
    assert any("16 rows of toy version 1, which is at version 2 here" in line for line in lines)
