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
