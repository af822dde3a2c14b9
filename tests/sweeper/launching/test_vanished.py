"""Parts, results or the whole folder taken away while a launch is at work: computed again, or the exit code says so."""

from __future__ import annotations

import pytest
from workbench import TOY_GRID, Bench, events, table

from sweeper import launch
from sweeper.review.status import run_status

pytestmark = pytest.mark.fault

GRID = TOY_GRID.replace("toy.py:Toy", "losing.py:Losing")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from sweeper.launching.progress import Progress

    notes: list[str] = []
    monkeypatch.setattr(Progress.silent().__class__, "note", lambda self, text: notes.append(text))
    return notes


@pytest.mark.parametrize("what", ["part", "end", "results", "run"])
def test_what_vanished_is_computed_again(bench: Bench, told: list[str], what: str) -> None:
    grid, run = bench.grid(GRID), bench.folder / "runs" / "grid"
    whole = launch(grid, out=bench.folder / "whole", executor="inline")
    bench.steer(take=f"{what} {run} 1")
    outcome = launch(grid, executor="inline")
    assert (outcome.exit, outcome.computed, outcome.pending) == (0, 16, 0)
    assert sum("were written are not in the folder; computing them again" in line for line in told) == 1
    assert table(run).equals(table(whole.run))
    assert launch(grid, executor="inline").found == run_status(run).done == 16


def test_another_process_takes_the_results(bench: Bench) -> None:
    run = bench.folder / "runs" / "grid"
    bench.steer(take=f"results {run} 1")
    done = bench.sweep("launch", bench.grid(GRID), "--executor", "processes")
    assert (done.returncode, "computing them again" in done.stderr) == (0, True), done.stderr
    assert len(table(run)) == run_status(run).done == 16


def test_a_grid_that_vanished_is_written_again(bench: Bench) -> None:
    run = bench.folder / "runs" / "grid"
    bench.steer(take=f"grid {run} 1")
    assert launch(bench.grid(GRID), executor="inline").computed == 16
    assert (run_status(run).done, events(run, "end")[-1]["exit"]) == (16, 0)


def test_a_folder_that_keeps_losing_its_rows_is_no_success(bench: Bench) -> None:
    run = bench.folder / "runs" / "grid"
    bench.steer(take=f"part {run} 1000")
    done = bench.sweep("launch", bench.grid(GRID), "--executor", "inline")
    assert (done.returncode, "although they were written twice" in done.stdout) == (1, True), done.stdout + done.stderr
    end = events(run, "end")[-1]
    assert (end["exit"], end["computed"] + end["pending"]) == (1, 16)
    assert len(table(run)) == end["computed"]
    bench.steer(take=None)
    assert launch(bench.grid(GRID), executor="inline").pending == 0
