"""The grids of Jeon et al. 2025: every claim has its expected verdict, and the regimes are those that were known before."""

from __future__ import annotations

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, drawn, launched_ok

from sweeper import load_grid
from w2s.claims.claim import decide
from w2s.studies.raven2025.shift.study import Shift

STUDY = "raven2025.shift"
OF_SHIFTS = (
    "noisy_images_gain",
    "unshifted_items_are_kept",
    "thirty_percent",
    "easy_start_helps",
    "naive_falls_below_its_supervisor",
)
"""Claims about trained supervisors; the others are about drawn ones."""
CLAIMS = {
    "regimes": [claim for claim in Shift.claims if claim.id not in OF_SHIFTS],
    "shifts": [claim for claim in Shift.claims if claim.id in OF_SHIFTS],
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    place = tmp_path_factory.mktemp("raven2025")
    return {name: launched_ok(f"raven2025/small/{name}.yaml", place / name) for name in CLAIMS}


@pytest.mark.grid
@pytest.mark.parametrize("name", CLAIMS)
def test_the_small_grids_decide_every_claim(small: dict[str, pd.DataFrame], name: str) -> None:
    for claim in CLAIMS[name]:
        verdict = decide(claim, small[name])
        assert claim.as_expected(verdict), f"{claim.id}: {verdict.outcome}, {verdict.says}"


@pytest.mark.grid
@pytest.mark.parametrize("name", CLAIMS)
def test_claims_notice_what_they_declare(small: dict[str, pd.DataFrame], name: str) -> None:
    assert faults(STUDY, CLAIMS[name], small[name]) == []


@pytest.mark.grid
def test_known_accuracies(small: dict[str, pd.DataFrame]) -> None:
    """A separate simulation has ceilings of .96 and supervisors of .75, .69 and .84 at best."""
    rows = small["regimes"]
    assert rows["ceiling_error"].mean() == pytest.approx(0.04, abs=0.02)
    for best, error in rows.groupby("best")["best_error"].mean().items():
        assert error == pytest.approx(1 - best, abs=0.02)  # type: ignore[operator]


@pytest.mark.grid
def test_figures(small: dict[str, pd.DataFrame]) -> None:
    assert drawn(STUDY, small["regimes"]) == drawn(STUDY, small["shifts"]) == []


@pytest.mark.parametrize("path", sorted((CONFIGS / "raven2025").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_grid_is_read(path: object) -> None:
    if getattr(path, "name", "") != "text.yaml":  # which needs models
        assert load_grid(path).cells > 100  # type: ignore[arg-type]
