"""The grids of Lang et al. 2025: every claim is decided, labels are what the closed forms say, figures are drawn."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, drawn, launched_ok, surprises

from sweeper import load_grid
from w2s.studies.selective2025.regions.study import Regions


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched_ok("selective2025/small/regions.yaml", tmp_path_factory.mktemp("selective2025") / "small")


@pytest.mark.grid
def test_the_small_grid_decides_every_claim(small: pd.DataFrame) -> None:
    assert surprises("selective2025.regions", small) == []


@pytest.mark.grid
def test_claims_notice_what_they_declare(small: pd.DataFrame) -> None:
    assert faults("selective2025.regions", Regions.claims, small) == []


@pytest.mark.grid
def test_labels_and_judges_are_those_of_the_closed_forms(small: pd.DataFrame) -> None:
    assert (small["label_accuracy"] - small["label_accuracy_theory"]).abs().max() <= 1e-12
    clear = small[small["visible"] == 10]
    assert clear["judge_auroc"].mean() == pytest.approx(clear["judge_auroc_theory"].mean(), abs=0.02)
    assert clear["weak_label_accuracy"].mean() == pytest.approx(0.76, abs=0.015)
    blind = small[small["visible"] == 0]
    assert blind["judge_auroc"].mean() == pytest.approx(0.5, abs=0.02)
    fixed = small[small["rule"] == "fixed"].pivot_table(index="threshold", columns="seed", values="selected_share")
    assert (fixed.diff().dropna() <= 0).all(axis=None)


@pytest.mark.grid
def test_figures(small: pd.DataFrame) -> None:
    assert drawn("selective2025.regions", small) == ["threshold"]


@pytest.mark.parametrize("path", sorted((CONFIGS / "selective2025").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_grid_is_read(path: Path) -> None:
    if path.stem in ("text", "transfer"):
        pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
        if "W2S_DATA" not in os.environ:
            pytest.skip("needs the data sets that W2S_DATA names")
    assert load_grid(path).cells >= 72
