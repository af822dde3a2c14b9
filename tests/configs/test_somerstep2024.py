"""The grids of Somerstep et al. 2024: every claim is decided, and limits are what the model says."""

from __future__ import annotations

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, drawn, launched, surprises

from sweeper import load_grid
from w2s.studies.somerstep2024.refinement.study import Refinement


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched("somerstep2024/small/refinement.yaml", tmp_path_factory.mktemp("somerstep2024") / "small")


@pytest.mark.grid
def test_the_small_grid_decides_every_claim(small: pd.DataFrame) -> None:
    assert set(small["status"]) == {"ok"}
    assert surprises("somerstep2024.refinement", small) == []


@pytest.mark.grid
def test_claims_notice_what_they_declare(small: pd.DataFrame) -> None:
    assert faults("somerstep2024.refinement", Refinement.claims, small) == []


@pytest.mark.grid
@pytest.mark.parametrize(("student", "decoy", "apart", "limit"), [
    ("naive", "absent", None, 0.2),
    ("refined", "absent", None, 0.0),
    ("refined", "present", 0.4, 0.0),
    ("refined", "present", 0.1, 0.3),
])  # fmt: skip
def test_limits(small: pd.DataFrame, student: str, decoy: str, apart: float | None, limit: float) -> None:
    rows = small[
        (small["student"] == student) & (small["decoy"] == decoy) & (small["bias"] == 0.2) & (small["n_transfer"] == 10_000)
    ]
    rows = rows if apart is None else rows[rows["apart"] == apart]
    assert (rows["student_error"] - limit).abs().max() < 1e-9


@pytest.mark.grid
def test_figures(small: pd.DataFrame) -> None:
    assert drawn("somerstep2024.refinement", small) == ["demonstrations"]


@pytest.mark.parametrize("path", sorted((CONFIGS / "somerstep2024").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_grid_is_read(path: object) -> None:
    assert load_grid(path).cells > 100  # type: ignore[arg-type]
