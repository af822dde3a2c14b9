"""A pilot's rows are rows of the grid, and it never shrinks a run that is there."""

from __future__ import annotations

import pytest
import yaml
from typer.testing import CliRunner

from sweeper import launch
from sweeper.cli import app
from sweeper.errors import GridError
from sweeper.review.table import read_run
from sweeper.tools.pilot import parse_target


@pytest.fixture
def grid(tmp_path):
    content = {
        "study": "dong2025.regression",
        "axes": {"n_labeled": [20, 40], "ridge": [0, 0.1]},
        "fixed": {"d_weak": 8, "d_strong": 4, "d_overlap": 2, "n_transfer": 40},
        "seeds": 30,
        "out": "run",
        "compute": {"executor": "inline", "backend": "numpy"},
    }
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_launch_after_the_pilot_finds_its_rows(grid):
    result = call("plan", grid, "--resolve", "pgr=0.2", "--pilot", 10)
    assert result.exit_code == 0, result.output
    assert "seeds; the grid has 30" in result.output
    outcome = launch(grid)
    assert (outcome.found, outcome.computed) == (40, 80)
    before = read_run(grid.parent / "run").status.cells
    assert call("plan", grid, "--resolve", "student_error=0.1", "--pilot", 4).exit_code == 0
    assert read_run(grid.parent / "run").status.cells == before == 120  # the stored grid did not shrink


def test_complaints(grid):
    assert call("plan", grid, "--resolve", "pg=0.1").exit_code == 2
    for text in ("pgr", "pgr=", "pgr=x", "=0.1", "pgr=-1", "pgr=nan"):
        with pytest.raises(GridError, match="METRIC=HALF_WIDTH"):
            parse_target(text)
    assert call("plan", grid, "--pilot", 1, "--resolve", "pgr=0.1").exit_code == 2


def with_seeds(grid, **changes):
    grid.write_text(yaml.safe_dump(yaml.safe_load(grid.read_text()) | changes))
    return grid


def test_more_seeds_than_the_grid_has_are_an_error_before_anything_runs(grid):
    told = call("plan", with_seeds(grid, seeds=4), "--resolve", "student_error=0.1", "--pilot", 30)
    assert told.exit_code == 2
    assert "--pilot 30: the grid has 4 seeds" in told.output
    assert "write --pilot 4, or seeds: 30" in " ".join(told.output.split())
    assert not (grid.parent / "run").exists()


def test_a_pilot_that_says_nothing_takes_what_there_is_and_says_so(grid):
    told = call("plan", with_seeds(grid, seeds=4), "--resolve", "student_error=0.1")
    assert told.exit_code == 0, told.output
    assert "the pilot takes all 4 seeds of the grid, not 8" in told.output
    assert "8 seeds" not in call("plan", with_seeds(grid, seeds=30), "--resolve", "student_error=0.1").output
    told = call("plan", with_seeds(grid, seeds=1, out="single"), "--resolve", "student_error=0.1")
    assert (told.exit_code, "one has no spread; the grid has 1" in told.output) == (2, True)


def test_a_sub_grid_with_fewer_seeds_is_named_and_counted_by_its_own(grid):
    parts = [{"axes": {"n_labeled": [20]}, "seeds": 12}, {"axes": {"n_labeled": [40]}, "seeds": 3}]
    axes = yaml.safe_load(grid.read_text())["axes"]
    with_seeds(grid, grids=parts, axes={"ridge": axes["ridge"]})
    told = call("plan", grid, "--resolve", "student_error=0.05", "--pilot", 6)
    assert told.exit_code == 0, told.output
    assert "grid 2 has 3 seeds: its pilot takes these, not 6" in told.output
    most = int(told.output.split("takes ")[-1].split(" seeds")[0].replace(",", ""))
    assert f"that is {4 * most:,} cells instead of 30" in told.output  # 2 ridges of each grid, whatever seeds it has


def test_a_run_that_holds_the_pilot_is_used_whole_and_that_is_said(grid):
    launch(with_seeds(grid, seeds=12))
    told = call("plan", grid, "--resolve", "student_error=0.1", "--pilot", 4)
    assert "holds the pilot; every row that is there is used" in told.output


def test_a_pilot_without_a_target_is_an_error(grid):
    told = call("plan", grid, "--pilot", 4)
    assert (told.exit_code, "--resolve METRIC=HALF_WIDTH" in told.output) == (2, True)
