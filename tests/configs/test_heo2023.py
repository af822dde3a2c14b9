"""The grids of Heo et al. 2023: every claim is decided, and the numbers are near those of a separate implementation."""

from __future__ import annotations

import os

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, drawn, launched_ok, surprises

import w2s
from sweeper import load_grid
from w2s.studies.heo2023.decoy.study import Decoy
from w2s.studies.heo2023.students.study import Students


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("heo2023")
    return w2s.concat([launched_ok(f"heo2023/small/{name}.yaml", folder / name) for name in ("decoy", "digits")])


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched_ok("heo2023/small/students.yaml", tmp_path_factory.mktemp("heo2023") / "students")


@pytest.mark.grid
def test_the_small_grids_decide_every_claim(small: pd.DataFrame, taught: pd.DataFrame) -> None:
    assert surprises("heo2023.decoy", small) == []
    assert surprises("heo2023.students", taught) == []


@pytest.mark.grid
def test_claims_notice_what_they_declare(small: pd.DataFrame, taught: pd.DataFrame) -> None:
    assert faults("heo2023.decoy", Decoy.claims, small) == []
    assert faults("heo2023.students", Students.claims, taught) == []


@pytest.mark.grid
def test_plain_training_is_right_with_intact_decoys_and_wrong_on_the_worst_pair(small: pd.DataFrame) -> None:
    rows = small[(small["method"] == "erm") & (small["law"] == "toy")]
    assert rows["student_worst_pair"].mean() >= 0.95
    assert rows["student_intact"].mean() <= 0.02


@pytest.mark.grid
@pytest.mark.parametrize("method", ["rrr", "pgd", "ibp"])
def test_the_worst_class_of_a_method_is_that_without_a_decoy(small: pd.DataFrame, method: str) -> None:
    """0.85 right and more in two draws of a separate implementation; here class means of ten draws are closer at times."""
    rows = small[(small["method"] == method) & (small["law"] == "toy")]
    rows = rows[rows["penalty" if method == "rrr" else "radius"] == (1.0 if method == "rrr" else 1.5)]
    assert rows["student_worst_class"].mean() <= rows["ceiling_worst_class"].mean() + 0.02
    assert rows["student_worst_class"].mean() < 0.3
    assert rows["student_worst_pair"].mean() < 0.4


@pytest.mark.grid
def test_figures(small: pd.DataFrame, taught: pd.DataFrame) -> None:
    assert set(drawn("heo2023.decoy", small)) == {"methods"}
    assert drawn("heo2023.students", taught) == ["students"]


@pytest.mark.parametrize("path", sorted((CONFIGS / "heo2023").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_grid_is_read(path: object) -> None:
    if "mnist" in str(path) and "W2S_DATA" not in os.environ:
        pytest.skip("needs the data sets that W2S_DATA names")
    assert load_grid(path).cells >= 80  # type: ignore[arg-type]
