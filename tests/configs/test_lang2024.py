"""The grids of Lang et al. 2024: every claim is decided, and the numbers are those that were known before."""

from __future__ import annotations

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, drawn, launched, surprises

from sweeper import load_grid
from w2s.studies.lang2024.correction.study import Correction

KNOWN = {(0.0, 0.1): 0.022, (0.0, 0.2): 0.025, (0.0, 0.3): 0.028, (1.0, 0.1): 0.086, (1.0, 0.2): 0.178, (1.0, 0.3): 0.290}
"""Part of the errors in a region, teacher's error: student's error in one draw of a separate implementation, whose random features
have another, unknown bandwidth."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched("lang2024/small/correction.yaml", tmp_path_factory.mktemp("lang2024") / "small")


@pytest.mark.grid
def test_the_small_grid_decides_every_claim(small: pd.DataFrame) -> None:
    assert set(small["status"]) == {"ok"}
    assert surprises("lang2024.correction", small) == []


@pytest.mark.grid
def test_claims_notice_what_they_declare(small: pd.DataFrame) -> None:
    assert faults("lang2024.correction", Correction.claims, small) == []


@pytest.mark.grid
@pytest.mark.parametrize("setting", KNOWN)
def test_known_errors(small: pd.DataFrame, setting: tuple[float, float]) -> None:
    part, alpha = setting
    rows = small[(small["abstains"] == "nowhere") & (small["structured"] == part) & (small["teacher_error"] == alpha)]
    assert rows["student_error"].mean() == pytest.approx(KNOWN[setting], abs=0.03)
    if part == 1:
        assert abs(rows["student_error"].mean() / alpha - 1) < 0.15
    else:
        assert rows["student_error"].mean() < alpha / 2


@pytest.mark.grid
def test_figures(small: pd.DataFrame) -> None:
    assert drawn("lang2024.correction", small) == ["correction"]


@pytest.mark.parametrize("path", sorted((CONFIGS / "lang2024").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_grid_is_read(path: object) -> None:
    assert load_grid(path).cells > 100  # type: ignore[arg-type]
