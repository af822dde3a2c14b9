"""The grids of Wu and Sahai 2024: every claim is decided, and the numbers are those that were known before."""

from __future__ import annotations

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, drawn, launched, surprises

from sweeper import load_grid
from w2s.studies.wu2024.spiked.study import Spiked


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched("wu2024/small/spiked.yaml", tmp_path_factory.mktemp("wu2024") / "small")


@pytest.mark.grid
def test_the_small_grid_decides_every_claim(small: pd.DataFrame) -> None:
    assert set(small["status"]) == {"ok"}
    assert surprises("wu2024.spiked", small) == []


@pytest.mark.grid
def test_claims_notice_what_they_declare(small: pd.DataFrame) -> None:
    assert faults("wu2024.spiked", Spiked.claims, small) == []


@pytest.mark.grid
def test_known_accuracies(small: pd.DataFrame) -> None:
    """A separate simulation has 0.57 to 0.63 for the weak model and 0.74 to 0.78 for the student, from few seeds."""
    rows = small[(small["n_labeled"] == 60) & (small["r_strong"] == 0.17) & (small["labels"] == "hard")]
    assert (rows["d_weak"].iloc[0], rows["d_strong"].iloc[0], rows["spikes_strong"].iloc[0]) == (465, 2934, 2)
    assert 0.57 < 1 - rows["weak_error"].mean() < 0.63 + 4 * rows["weak_error"].sem()
    assert 0.74 < 1 - rows["student_error"].mean() < 0.78 + 4 * rows["student_error"].sem()
    assert rows["student_error"].mean() == pytest.approx(
        rows["student_error_theory"].mean(), abs=4 * rows["student_error"].sem()
    )


@pytest.mark.grid
def test_figures(small: pd.DataFrame) -> None:
    assert drawn("wu2024.spiked", small) == ["phases"]


@pytest.mark.parametrize("path", sorted((CONFIGS / "wu2024").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_grid_is_read(path: object) -> None:
    assert load_grid(path).cells > 100  # type: ignore[arg-type]
