"""The grids of Ildiz et al. 2024: every claim is decided, and the numbers are those that were known before."""

from __future__ import annotations

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, drawn, launched, surprises

from sweeper import load_grid
from w2s.studies.ildiz2024.surrogate.study import Surrogate

KNOWN = {"truth": (0.0714, 0.0729), "optimal": (0.0692, 0.0704), "mask": (0.0703, 0.0693)}
"""Surrogate: deterministic equivalent, and a separate simulation with a standard error of 0.0017."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched("ildiz2024/small/surrogate.yaml", tmp_path_factory.mktemp("ildiz2024") / "small")


@pytest.mark.grid
def test_the_small_grid_decides_every_claim(small: pd.DataFrame) -> None:
    assert set(small["status"]) == {"ok"}
    assert surprises("ildiz2024.surrogate", small) == []


@pytest.mark.grid
def test_claims_notice_what_they_declare(small: pd.DataFrame) -> None:
    assert faults("ildiz2024.surrogate", Surrogate.claims, small) == []


@pytest.mark.grid
@pytest.mark.parametrize("surrogate", KNOWN)
def test_known_errors(small: pd.DataFrame, surrogate: str) -> None:
    rows = small[(small["surrogate"] == surrogate) & (small["d"] == 400) & (small["noise"] > 0)]
    expected, simulated = KNOWN[surrogate]
    assert rows["omega_theory"].iloc[0] == pytest.approx(0.5438, abs=5e-5)
    assert rows["student_error_theory"].mean() == pytest.approx(expected, abs=5e-5)
    error = rows["student_error"].sem()
    assert abs(rows["student_error"].mean() - expected) <= 4 * error
    assert abs(rows["student_error"].mean() - simulated) <= 4 * (error**2 + 0.0017**2) ** 0.5


@pytest.mark.grid
def test_figures(small: pd.DataFrame) -> None:
    assert drawn("ildiz2024.surrogate", small) == []  # the small grid has no line that is long enough


@pytest.mark.parametrize("path", sorted((CONFIGS / "ildiz2024").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_grid_is_read(path: object) -> None:
    assert load_grid(path).cells > 100  # type: ignore[arg-type]
