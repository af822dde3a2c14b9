"""The grids of Oh et al. 2025 and Shin et al. 2024: every claim is decided, and the numbers are those that were known before."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, document, grids, launched_ok, outcomes

from sweeper import GridError, load_grid
from sweeper.report.make import make_report
from w2s.files.datafile import data_folders
from w2s.studies.registry import find_study

PAPERS = {"oh2025": "oh2025.patches", "shin2024": "shin2024.overlap"}


@pytest.fixture(scope="module", params=PAPERS)
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, pd.DataFrame, Path]:
    out = tmp_path_factory.mktemp(request.param) / "small"
    return PAPERS[request.param], launched_ok(f"{request.param}/small/all.yaml", out), out


@pytest.mark.grid
def test_the_small_grids_decide_every_claim(small: tuple[str, pd.DataFrame, Path]) -> None:
    study, rows, out = small
    assert outcomes(study, rows) == {claim.id: "holds" for claim in find_study(study).claims}
    assert faults(study, find_study(study).claims, rows) == []
    drawn = {path.name for path in make_report(out) if path.suffix == ".png"}
    assert drawn >= ({"steps.png"} if study == "oh2025.patches" else {"density.png"})
    if study == "oh2025.patches":
        known_numbers(rows)


def known_numbers(rows: pd.DataFrame) -> None:
    """What the two regimes looked like in a separate implementation."""
    abundant = rows[(rows["n_transfer"] == 800) & (rows["student"] == "relu")].groupby("step").mean(numeric_only=True)
    assert abundant["train_fit"].idxmin() == abundant["label_correction"].idxmax() == 8
    assert abundant["train_accuracy"].max() > 0.99
    assert (abundant["student_error_both"] < 0.02).all()
    scarce = rows[(rows["d"] == 2000)].groupby("nu").mean(numeric_only=True)
    assert scarce["student_error_hard"].is_monotonic_decreasing
    assert (scarce["label_correction"] < 0.01).all()


NEEDS_DIGITS = {"oh2025/mnist.yaml", "oh2025/mnist_sizes.yaml", "oh2025/small/mnist.yaml"}


def needs_digits() -> None:
    if not any((folder / "mnist_t10k" / "t10k-images-idx3-ubyte.gz").exists() for folder in data_folders()):
        pytest.skip("needs mnist_t10k in a folder named in W2S_DATA")


@pytest.mark.grid
@pytest.mark.data
def test_the_digits_decide_every_claim(tmp_path: Path) -> None:
    needs_digits()
    rows = launched_ok("oh2025/small/mnist.yaml", tmp_path / "small")
    claims = find_study("oh2025.mnist").claims
    assert outcomes("oh2025.mnist", rows) == {
        claim.id: "fails" if claim.id == "labels_are_corrected" else "holds" for claim in claims
    }
    assert faults("oh2025.mnist", claims, rows) == []
    assert {path.name for path in make_report(tmp_path / "small") if path.suffix == ".png"} >= {"steps.png"}
    means = rows[rows["p_both"] > 0].groupby("step").mean(numeric_only=True)
    assert means["label_correction"].idxmax() in (3, 5, 10)
    assert means["train_fit"].idxmax() == means["student_error_hard"].idxmax() == 240
    assert means["ceiling_error"].is_monotonic_decreasing


def test_without_the_digits_a_plan_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("W2S_DATA", raising=False)
    with pytest.raises(GridError, match="export W2S_DATA="):
        load_grid(CONFIGS / "oh2025/small/mnist.yaml")
    monkeypatch.setenv("W2S_DATA", str(tmp_path))
    with pytest.raises(GridError, match=r"mnist_t10k/t10k-images-idx3-ubyte\.gz: not found"):
        load_grid(CONFIGS / "oh2025/small/mnist.yaml")


@pytest.mark.parametrize("name", grids(*PAPERS))
def test_every_grid_is_read(name: str) -> None:
    if name in NEEDS_DIGITS:
        needs_digits()
    assert load_grid(CONFIGS / name).cells >= 64


@pytest.mark.slow
@pytest.mark.parametrize(("name", "drawn"), [("oh2025/boundary.yaml", "map.png"), ("shin2024/overlap.yaml", "density.png")])
def test_no_claim_fails_on_the_larger_grids(name: str, drawn: str, tmp_path: Path) -> None:
    content = document(name)
    rows = launched_ok(content, tmp_path / "run")
    assert "fails" not in outcomes(content["study"], rows).values()
    assert drawn in {path.name for path in make_report(tmp_path / "run")}
