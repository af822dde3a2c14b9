"""Disk and memory of a grid, predicted before it runs: near what it takes, and refused where it does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from workbench import TOY_GRID, part_files

import w2s
from sweeper import launch, load_grid, make_plan
from sweeper.errors import StoreError
from sweeper.plan import space
from sweeper.plan.space import LONG_GRID, disk_bytes, metadata_bytes, worker_bytes

LARGE = "study: toy.py:Quick\naxes:\n  x: {linspace: [0, 1, 10000]}\n  n: {linspace: [1000, 10999, 10000]}\nseeds: 10000\n"


@pytest.mark.parametrize(
    "text",
    [TOY_GRID, TOY_GRID.replace("[1, 2, 3, 4]", "{linspace: [0, 1, 2000]}").replace("Toy", "Quick")],
    ids=["parts of a few rows", "thousands of rows"],
)
def test_rows_take_about_what_is_predicted(bench, text):
    grid = load_grid(bench.grid(text))
    plan = make_plan(grid)
    run = launch(grid, executor="inline").run
    taken = sum((run / "results" / name).stat().st_size for name in part_files(run))
    predicted = disk_bytes(grid.study, plan.cells, plan.block_count, metadata_bytes(grid))
    assert 0.5 * taken < predicted < 2.0 * taken


def test_a_plan_shows_disk_and_memory(bench):
    bench.grid(LARGE)
    shown = bench.sweep("plan", "grid.yaml").stdout
    assert "TB of rows" in shown
    assert "a launch would refuse this grid" in shown
    assert "a worker" in shown
    assert worker_bytes(make_plan(load_grid(bench.folder / "grid.yaml"))) > 2**28


def test_what_does_not_fit_is_refused_before_anything_runs(bench):
    bench.grid(LARGE)
    done = bench.sweep("launch", "grid.yaml", "--executor", "inline")
    assert done.returncode == 1
    assert "1,000,000,000,000 rows take about" in done.stderr
    assert "--no-space-check" in done.stderr
    assert bench.solved() == []


def test_a_disk_that_is_nearly_full(bench, monkeypatch):
    grid = bench.grid(TOY_GRID)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _place: type("Usage", (), {"free": 1000}))
    with pytest.raises(StoreError, match="16 rows take about"):
        launch(grid, executor="inline")
    assert launch(grid, executor="inline", space_check=False).computed == 16
    assert launch(grid, executor="inline").found == 16, "with nothing to write there is nothing to refuse"


def test_a_long_grid_stands_in_one_part_only(tmp_path: Path) -> None:
    """The parts with rows leave it out; the table has it all the same, and so has a run whose grid.yaml is lost."""
    axes = {"ridge": [round(0.001 * k, 9) for k in range(1, 8001)]}
    fixed = {"d_weak": 4, "d_strong": 4, "d_overlap": 2, "n_labeled": 20, "n_transfer": 20}
    document = {"study": "dong2025.regression", "axes": axes, "fixed": fixed, "seeds": 2}
    run = launch(document, out=tmp_path / "run", executor="inline").run
    sizes = [path.stat().st_size for path in (run / "results").glob("part-*.parquet")]
    assert metadata_bytes(load_grid(document)) < LONG_GRID < max(sizes)
    assert w2s.load(run).attrs["w2s"]["grid"]["grids"][0]["axes"]["ridge"] == axes["ridge"]
    (run / "grid.yaml").unlink()
    assert launch(document, out=run, executor="inline").found == 16000
