"""What is predicted for a study with artifacts: the solving where it gives account of it; artifacts apart, by operations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweeper import launch
from sweeper.cli.show.plan import print_plan
from sweeper.cli.show.run import print_status
from sweeper.grid.read import load_grid
from sweeper.plan.cut import make_plan
from sweeper.plan.forecast import make_forecast
from sweeper.review.status import run_status

CHAINED = Path(__file__).parents[2] / "studies" / "chained.py"
ACCOUNT = """
from w2s import Piece

class Accounted(Chained):
    name = "test.accounted"

    def pieces(self, block):
        return [Piece("joining", "other", block.size, self.cost(block).flops, (), "", 64.0)]
"""


def load(folder, study):
    (folder / "study.py").write_text(CHAINED.read_text() + ACCOUNT)
    fixed = {"log": str(folder / "log"), "strong": 5}
    return load_grid({"study": f"study.py:{study}", "axes": {"weak": [1, 2]}, "fixed": fixed}, folder)


def test_artifacts_are_counted_apart(tmp_path, capsys):
    grid = load(tmp_path, "Chained")
    print_plan(make_plan(grid))
    text = capsys.readouterr().out
    assert "artifacts: 4e+09 nominal operations, about" in text
    assert "predicted by" not in text
    run = launch(grid, out=tmp_path / "run", executor="inline", backend="numpy").run
    status = run_status(run)
    assert status.predicted is None
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    seconds = [event["seconds"] for event in events if event["event"] == "artifact"]
    assert (status.artifacts, status.artifact_seconds) == (4, pytest.approx(sum(seconds)))
    print_status(status)
    text = capsys.readouterr().out
    assert "4 artifacts made in" in text
    assert "predicted" not in text


def test_solving_is_predicted_where_a_study_gives_account(tmp_path, capsys):
    grid = load(tmp_path, "Accounted")
    print_plan(make_plan(grid))
    text = capsys.readouterr().out
    assert "artifacts: 4e+09 nominal operations, about" in text
    assert "joining" in text
    assert "core seconds" in text
    status = run_status(launch(grid, out=tmp_path / "run", executor="inline", backend="numpy").run)
    assert status.predicted == pytest.approx(make_forecast(make_plan(grid)).solving)
