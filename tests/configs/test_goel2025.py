"""The grids of Goel et al. 2025: every claim is decided as expected, and claims notice what they declare."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, launched_ok

from sweeper import load_grid
from sweeper.report.make import make_report
from w2s.claims.claim import decide
from w2s.studies.goel2025.similarity.study import Similarity

FOLDER = CONFIGS / "goel2025"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched_ok("goel2025/small/all.yaml", tmp_path_factory.mktemp("goel2025") / "small")


@pytest.mark.grid
def test_the_small_grid_decides_every_claim(small: pd.DataFrame) -> None:
    assert {c.id: decide(c, small).outcome for c in Similarity.claims} == {c.id: "holds" for c in Similarity.claims}


@pytest.mark.grid
def test_claims_notice_what_they_declare(small: pd.DataFrame) -> None:
    assert faults("goel2025.similarity", Similarity.claims, small) == []


@pytest.mark.grid
def test_training_makes_the_student_more_alike(small: pd.DataFrame) -> None:
    """A student that shares features takes its supervisor's errors over; soft answers are less like themselves than 1."""
    means = small.groupby("overlap")[["similarity", "similarity_trained", "similarity_itself"]].mean()
    assert (means["similarity_trained"] > means["similarity"])[means.index > 0].all()
    assert (means["similarity_itself"] < 0.9).all()


@pytest.mark.parametrize("name", ["similarity.yaml", "small/all.yaml"])
def test_every_grid_is_read(name: str) -> None:
    assert load_grid(FOLDER / name).cells > 100


@pytest.mark.slow
def test_the_full_grid(tmp_path: Path) -> None:
    rows = launched_ok("goel2025/similarity.yaml", tmp_path / "run")
    assert "fails" not in {decide(claim, rows).outcome for claim in Similarity.claims}
    assert {p.name for p in make_report(tmp_path / "run") if p.suffix == ".png"} >= {"gain_similarity.png", "models.png"}
