"""The grid of Dong et al. 2025: simulated ratios have the shapes of the paper and lie on the closed forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import w2s
from sweeper import launch
from sweeper.report import make_report

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.grid


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    document: dict[str, Any] = yaml.safe_load((ROOT / "configs" / "dong2025.yaml").read_text())
    out = tmp_path_factory.mktemp("dong2025") / "run"
    assert launch({**document, "out": str(out)}, executor="inline").exit == 0
    return out


@pytest.fixture(scope="module")
def summary(run: Path) -> pd.DataFrame:
    rows = w2s.load(run)
    assert len(rows) == 14 * 3 * 2 * 100
    assert set(rows["status"]) == {"ok"}
    return w2s.summarize(rows, by=["rho_weak", "d_overlap", "n_labeled"], metrics=["pgr", "opr", "pgr_theory", "opr_theory"])


def test_intervals_hold_the_closed_forms(summary: pd.DataFrame) -> None:
    # The lines of one seed share draws, so whole curves are off together: most of them must be inside, and none far outside.
    for ratio in ("pgr", "opr"):
        theory = summary[f"{ratio}_theory"]
        inside = (summary[f"{ratio}_low"] <= theory) & (theory <= summary[f"{ratio}_high"])
        width = summary[f"{ratio}_high"] - summary[f"{ratio}_low"]
        assert inside.mean() > 0.8
        assert ((summary[ratio] - theory).abs() < width + 1e-3).all()


def test_less_overlap_is_better(summary: pd.DataFrame) -> None:
    for ratio in ("pgr", "opr"):
        wide = summary.pivot_table(index=["rho_weak", "n_labeled"], columns="d_overlap", values=ratio)
        assert (np.diff(wide.to_numpy(), axis=1) < 0).all()


def test_a_hump_in_the_labelled_count(summary: pd.DataFrame) -> None:
    for (_, _), line in summary.groupby(["rho_weak", "d_overlap"]):
        line = line.sort_values("n_labeled")
        peak = int(line["opr"].to_numpy().argmax())
        assert 0 < peak < len(line) - 1
        assert line["opr_low"].iloc[peak] > line["opr_high"].iloc[0]
        assert line["opr_low"].iloc[peak] > line["opr_high"].iloc[-1]
    hump = summary[(summary["rho_weak"] == 0.001) & (summary["d_overlap"] == 10)].sort_values("n_labeled")
    assert 0 < int(hump["pgr"].to_numpy().argmax()) < len(hump) - 1


def test_the_figure_is_drawn(run: Path) -> None:
    assert {path.name for path in make_report(run)} == {"summary.csv", "counts.png"}
