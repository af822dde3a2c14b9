"""The grids of Medvedev et al. 2025: every claim is decided, and the numbers are those that were known before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, document, grids, launched_ok, outcomes

from sweeper import load_grid
from sweeper.report.make import make_report
from w2s.studies.medvedev2025.random_features.study import RandomFeatures

STUDY = "medvedev2025.random_features"

# d, d_weak, teacher's error, best student error: means of six draws, made independently
KNOWN = [
    (16, 16, 0.482, 0.335),
    (16, 64, 0.0780, 0.0106),
    (16, 256, 0.0048, 0.00006),
    (32, 16, 0.729, 0.646),
    (32, 32, 0.428, 0.265),
    (32, 64, 0.218, 0.0725),
    (32, 128, 0.0958, 0.0131),
    (32, 256, 0.0342, 0.0018),
]
BY_WIDTH = {64: 1.35, 128: 0.78, 256: 0.57, 512: 0.42, 1024: 0.37, 2048: 0.34}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched_ok("medvedev2025/small/all.yaml", tmp_path_factory.mktemp("medvedev2025") / "small")


@pytest.mark.grid
def test_the_small_grid_decides_every_claim(small: pd.DataFrame) -> None:
    assert outcomes(STUDY, small) == {claim.id: "holds" for claim in RandomFeatures.claims}


@pytest.mark.grid
def test_claims_notice_what_they_declare(small: pd.DataFrame) -> None:
    assert faults(STUDY, RandomFeatures.claims, small) == []


@pytest.mark.grid
@pytest.mark.parametrize(("d", "width", "weak", "student"), KNOWN)
def test_known_errors_of_infinite_students(small: pd.DataFrame, d: int, width: int, weak: float, student: float) -> None:
    rows = small[
        (small["student"] == "infinite") & (small["d"] == d) & (small["d_weak"] == width) & (small["student_filter"] == "flow")
    ]
    wide = rows.pivot_table(index="seed", columns="time", values="student_error")
    best = wide.columns[wide.mean().argmin()]
    assert 3.0 < best / (4 * d**2) < 10.0
    for found, known in ((rows[rows["time"] == 0]["weak_error"], weak), (wide[best], student)):
        # Six draws on their side, ours on this one; the least of few times is a little above the least of all.
        se = found.std() * np.sqrt(1 / 6 + 1 / len(found))
        assert abs(found.mean() - known) <= 4 * se + 0.02 * known + 5e-6


@pytest.mark.grid
def test_known_ratios_of_finite_students(small: pd.DataFrame) -> None:
    rows = small[
        (small["model"] == "relu") & (small["student"] == "finite") & (small["d"] == 32) & (small["student_filter"] == "flow")
    ]
    for width, known in BY_WIDTH.items():
        part = rows[rows["d_strong"] == width]
        if len(part):
            wide = part.pivot_table(index="seed", columns="time", values="student_error")
            best, weak = wide[wide.columns[wide.mean().argmin()]], part.groupby("seed")["weak_error"].mean()
            spread = np.std(best / best.mean() - weak / weak.mean(), ddof=1) * known
            assert abs(best.mean() / weak.mean() - known) <= 4 * spread * np.sqrt(1 / 3 + 1 / len(best)) + 0.01


@pytest.mark.parametrize("name", grids("medvedev2025"))
def test_every_grid_is_read(name: str) -> None:
    assert load_grid(CONFIGS / name).cells > 1000


@pytest.mark.slow
@pytest.mark.parametrize(("name", "drawn"), [
    ("loss_ratio.yaml", {"loss_ratio.png", "exponent.png"}),
    ("exponent.yaml", {"loss_ratio.png", "exponent.png"}),
    ("linear.yaml", {"loss_ratio.png", "exponent.png", "student_width.png"}),
    ("targets.yaml", {"loss_ratio.png", "exponent.png", "filters.png"}),
])  # fmt: skip
def test_no_claim_fails_on_the_papers_grids(name: str, drawn: set[str], tmp_path: Path) -> None:
    rows = launched_ok(f"medvedev2025/{name}", tmp_path / "run")
    assert "fails" not in outcomes(STUDY, rows).values()
    assert {path.name for path in make_report(tmp_path / "run") if path.suffix == ".png"} >= drawn


@pytest.mark.slow
def test_wide_students_come_close_to_infinite_ones(tmp_path: Path) -> None:
    content = document("medvedev2025/student_width.yaml")
    content["grids"][-1]["axes"]["d_strong"] = [1024, 2048]
    rows = launched_ok(content, tmp_path / "run")
    assert "fails" not in outcomes(STUDY, rows).values()
    rows = rows[(rows["d_weak"] == 64) & (rows["seed"] < 6) & (rows["student_filter"] == "flow")]
    for width, known in BY_WIDTH.items():
        part = rows[rows["d_strong"] == width].pivot_table(index="seed", columns="time", values="loss_ratio")
        best = part[part.columns[part.mean().argmin()]]
        assert abs(best.mean() - known) <= 4 * best.std() * np.sqrt(1 / 3 + 1 / 6)
    assert {path.name for path in make_report(tmp_path / "run") if path.suffix == ".png"} >= {
        "student_width.png",
        "filters.png",
    }
