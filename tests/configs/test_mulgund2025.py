"""The grids of Mulgund and Pabbaraju 2025: every claim is decided as expected, and the numbers are those known before."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, launched_ok

from sweeper import load_grid
from sweeper.report.make import make_report
from w2s.claims.claim import decide
from w2s.studies.mulgund2025.bregman.study import Bregman

FOLDER = CONFIGS / "mulgund2025"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched_ok("mulgund2025/small/all.yaml", tmp_path_factory.mktemp("mulgund2025") / "small")


@pytest.mark.grid
def test_the_small_grid_decides_every_claim(small: pd.DataFrame) -> None:
    assert {claim.id: decide(claim, small).outcome for claim in Bregman.claims} == {c.id: "holds" for c in Bregman.claims}


@pytest.mark.grid
def test_claims_notice_what_they_declare(small: pd.DataFrame) -> None:
    assert faults("mulgund2025.bregman", Bregman.claims, small) == []


@pytest.mark.grid
def test_fits_are_finished(small: pd.DataFrame) -> None:
    assert small["optimality"].max() < 1e-8
    exact = (small["head"] == "mixture") | (small["loss"] != "reverse")
    assert small[exact]["optimality"].max() < 1e-11


@pytest.mark.grid
def test_mixtures_by_cross_entropy_are_not_covered(small: pd.DataFrame) -> None:
    """The inequality has no right to hold for the other direction of the error, and does not in some rows."""
    rows = small[(small["head"] == "mixture") & (small["error"] == "reverse") & (small["target"] == "in_class")]
    assert (rows["gain"] < rows["misfit"] - 1e-4).any()


@pytest.mark.parametrize("name", ["divergences.yaml", "small/all.yaml"])
def test_every_grid_is_read(name: str) -> None:
    assert load_grid(FOLDER / name).cells > 1000


@pytest.mark.slow
def test_the_full_grid(tmp_path: Path) -> None:
    rows = launched_ok("mulgund2025/divergences.yaml", tmp_path / "run")
    assert {decide(claim, rows).outcome for claim in Bregman.claims} == {"holds"}
    drawn = {path.name for path in make_report(tmp_path / "run") if path.suffix == ".png"}
    assert drawn >= {"gain_misfit.png", "mixtures.png"}
