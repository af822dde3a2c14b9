"""The grids of Xu et al. 2025: every claim is decided as expected, and the numbers are those known before."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, launched_ok

from sweeper import load_grid
from sweeper.report.make import make_report
from w2s.claims.claim import decide
from w2s.studies.xu2025.posterior_mean.study import PosteriorMean

FOLDER = CONFIGS / "xu2025"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched_ok("xu2025/small/all.yaml", tmp_path_factory.mktemp("xu2025") / "small")


@pytest.mark.grid
def test_the_small_grid_decides_every_claim(small: pd.DataFrame) -> None:
    assert {claim.id: decide(claim, small).outcome for claim in PosteriorMean.claims} == {
        c.id: "holds" for c in PosteriorMean.claims
    }


@pytest.mark.grid
def test_claims_notice_what_they_declare(small: pd.DataFrame) -> None:
    assert faults("xu2025.posterior_mean", PosteriorMean.claims, small) == []


@pytest.mark.parametrize("name", ["posterior_mean.yaml", "small/all.yaml"])
def test_every_grid_is_read(name: str) -> None:
    assert load_grid(FOLDER / name).cells > 1000


@pytest.mark.slow
def test_the_full_grid(tmp_path: Path) -> None:
    rows = launched_ok("xu2025/posterior_mean.yaml", tmp_path / "run")
    assert "fails" not in {decide(claim, rows).outcome for claim in PosteriorMean.claims}
    drawn = {path.name for path in make_report(tmp_path / "run") if path.suffix == ".png"}
    assert drawn >= {"teachers.png", "widths.png"}
