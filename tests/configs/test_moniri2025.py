"""The grids of Moniri and Hassani 2025: every claim is decided as expected, notices what it declares, and figures are drawn."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, document, grids, launched_ok, outcomes

from sweeper import load_grid
from sweeper.report.make import make_report
from w2s.studies.registry import find_study

SMALL = ("ridge", "weighted", "multi_index")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("moniri2025")
    return {name: launched_ok(f"moniri2025/small/{name}.yaml", folder / name) for name in SMALL}


@pytest.mark.grid
@pytest.mark.parametrize("name", SMALL)
def test_the_small_grid_decides_every_claim(small: dict[str, pd.DataFrame], name: str) -> None:
    study = find_study(f"moniri2025.{name}")
    assert outcomes(study.name, small[name]) == dict.fromkeys((claim.id for claim in study.claims), "holds")


@pytest.mark.grid
@pytest.mark.parametrize("name", SMALL)
def test_claims_notice_what_they_declare(small: dict[str, pd.DataFrame], name: str) -> None:
    study = find_study(f"moniri2025.{name}")
    assert faults(study.name, study.claims, small[name]) == []


@pytest.mark.parametrize("name", grids("moniri2025"))
def test_every_grid_is_read(name: str) -> None:
    assert load_grid(CONFIGS / name).cells > 100


@pytest.mark.slow
@pytest.mark.parametrize(("name", "drawn"), [
    ("phase.yaml", {"phase.png"}),
    ("teacher_ridge.yaml", {"phase.png", "teacher_ridge.png"}),
    ("student_ridge.yaml", {"student_ridge.png"}),
    ("weighted.yaml", {"ratio.png", "ridge.png"}),
    ("multi_index.yaml", {"features.png", "errors.png"}),
])  # fmt: skip
def test_no_claim_fails_on_the_full_grids(name: str, drawn: set[str], tmp_path: Path) -> None:
    content = document(f"moniri2025/{name}")
    rows = launched_ok(content, tmp_path / "run")
    assert "fails" not in outcomes(content["study"], rows).values()
    assert {path.name for path in make_report(tmp_path / "run") if path.suffix == ".png"} >= drawn
