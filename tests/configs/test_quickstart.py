"""The quickstart shows what it says, on fewer seeds than the grid in configs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import w2s
from sweeper import launch, load_grid
from sweeper.report.make import make_report

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = 8
pytestmark = pytest.mark.grid


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the quickstart with eight seeds and one weak width."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "configs" / "quickstart.yaml").read_text())
    document["seeds"] = SEEDS
    document["grids"][0]["axes"]["d_weak"] = [100]
    out = tmp_path_factory.mktemp("quickstart") / "run"
    outcome = launch({**document, "out": str(out)}, executor="inline")
    assert outcome.exit == 0
    return out


@pytest.fixture(scope="module")
def rows(run: Path) -> pd.DataFrame:
    return w2s.load(run)


def test_the_grid_has_the_stated_axes() -> None:
    axes = load_grid(ROOT / "configs" / "quickstart.yaml").axes()
    assert {100, 200} <= set(axes["d_weak"])
    assert axes["n_labeled"] == [120, 250]
    assert axes["weak_tuning"] == ["fixed", "best_on_validation"]
    assert [ridge for ridge in axes["ridge_weak"] if ridge is not None] == [0, 1e-3, 1e-2]
    assert {1e-6, 1.0} <= set(axes["ridge"])
    assert len(axes["time"]) == 13
    assert axes["labels"] == ["soft", "hard"]
    assert len(axes["seed"]) >= 20


def test_one_row_per_cell(rows: pd.DataFrame) -> None:
    main, controls = 2 * 4 * 2 * 26 * SEEDS, (2 + 6) * SEEDS
    assert len(rows) == rows["cell_id"].nunique() == main + controls
    assert set(rows["status"]) == {"ok"}


def of_teacher(rows: pd.DataFrame, labels: str, *, tuned: bool) -> pd.DataFrame:
    """Rows of students of 100 weak features and 120 labels, of the teacher without a ridge or of the tuned one."""
    part = rows[(rows["d_weak"] == 100) & (rows["n_labeled"] == 120) & (rows["labels"] == labels)]
    teacher = part["weak_tuning"] == "best_on_validation" if tuned else part["ridge_weak"] == 0.0
    return part[teacher & (part["weak_features"] == "relu")]


@pytest.mark.parametrize("labels", ["soft", "hard"])
@pytest.mark.parametrize("filter_", ["ridge", "flow"])
def test_regularisation_is_what_makes_it_work(rows: pd.DataFrame, labels: str, filter_: str) -> None:
    part = of_teacher(rows, labels, tuned=False)
    part = part[part["student_filter"] == filter_]
    over, weakest = ("ridge", part["ridge"].min()) if filter_ == "ridge" else ("time", part["time"].max())
    least = w2s.summarize(part[part[over] == weakest], by=["labels"], metrics=["pgr_01"]).iloc[0]
    best = w2s.best(part, over=over, by=["labels"], metric="student_error_01", metrics=["pgr_01"]).iloc[0]
    assert least["pgr_01"] < -0.2
    assert least["pgr_01_high"] < 0
    assert best["pgr_01"] > 0.35
    assert best["pgr_01_low"] > 0
    assert "even seeds" in best["selected_by"]


def test_a_tuned_teacher_leaves_little_to_soft_labels_and_half_to_hard_ones(rows: pd.DataFrame) -> None:
    found = {}
    for labels in ("soft", "hard"):
        for tuned in (False, True):
            part = of_teacher(rows, labels, tuned=tuned)
            over = ["student_filter", "ridge", "time"]
            found[labels, tuned] = w2s.best(part, over=over, by=[], metric="student_error_01", metrics=["pgr_01"]).iloc[0]
    # Four seeds report here: too few for intervals that tell .2 from .5, which the grid's twelve do.
    assert found["soft", True]["pgr_01"] < 0.75 * found["soft", False]["pgr_01"]
    assert found["hard", True]["pgr_01"] > found["soft", True]["pgr_01"] + 0.15
    assert 0.35 < found["hard", True]["pgr_01"] < 0.65


@pytest.mark.parametrize("labels", ["soft", "hard"])
def test_gain_is_close_to_misfit_at_the_best_ridge(rows: pd.DataFrame, labels: str) -> None:
    part = of_teacher(rows, labels, tuned=False)
    part = part[part["student_filter"] == "ridge"]
    best = w2s.best(part, over="ridge", by=["labels"], metrics=["gain", "weak_distance"]).iloc[0]
    assert best["gain"] == pytest.approx(best["weak_distance"], rel=0.2)
    least = part[part["ridge"] == part["ridge"].min()]
    assert least["gain"].mean() < -0.3 * least["weak_distance"].mean()


def test_control_a_teacher_inside_the_span_has_no_gain(rows: pd.DataFrame) -> None:
    control = rows[rows["weak_features"] == "of_strong"]
    assert len(control) == 2 * SEEDS
    assert (control["gain"].abs() / control["weak_power"]).max() < 1e-8
    assert (control["misfit"] / control["weak_power"]).max() < 1e-8


def test_control_capacity_alone_gives_no_gain(rows: pd.DataFrame) -> None:
    control = rows[rows["weak_features"] == "means:8"]
    assert len(control) == 6 * SEEDS
    mean = control.groupby(["n_labeled", "ridge"])[["gain", "weak_power"]].mean()
    assert (mean["gain"].abs() / mean["weak_power"]).max() <= 0.03


def test_the_report_draws_and_prints_intervals(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = make_report(run)
    text = capsys.readouterr().out
    assert {path.name for path in written} == {
        "summary.csv",
        "digest.csv",
        "accuracies.png",
        "axis-line.png",
        "axis-scatter.png",
        "teachers.png",
        "regularisation.png",
        "weak_models.png",
        "index.html",
    }
    assert all(path.stat().st_size > 1000 for path in written)
    said = " ".join(text.split())
    assert said.startswith("With its best regularisation, chosen on even seeds, the student errs less than its weak model in ")
    assert "gain (accuracy)" in (run / "report" / "digest.csv").read_text()
    assert re.search(r"100 +120 .*hard.* 0\.\d+ \[-?0\.\d+, \d\.\d+\]", text)


def test_the_python_of_the_readme_runs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block.replace("runs/quickstart", str(run)), {})
    assert "pgr_01" in capsys.readouterr().out
