"""The grids of Xue et al. 2025: every claim is decided, claims notice what they say, and the figures are drawn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from sabotaged import faults

import w2s
from sweeper import launch, load_grid
from sweeper.report.make import make_report
from w2s.claims.claim import Claim, decide
from w2s.studies.xue2025.features.study import Features
from w2s.studies.xue2025.toy.study import Toy

FOLDER = Path(__file__).resolve().parent.parent.parent / "configs" / "xue2025"


def launched(name: str, out: Path) -> Path:
    content: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    assert launch({**content, "out": str(out)}, executor="inline").exit == 0
    return out


def surprises(claims: tuple[Claim, ...], rows: pd.DataFrame) -> dict[str, str]:
    verdicts = [(claim, decide(claim, rows)) for claim in claims]
    return {claim.id: verdict.says for claim, verdict in verdicts if not claim.as_expected(verdict)}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return launched("small/toy.yaml", tmp_path_factory.mktemp("xue2025") / "toy")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return launched("small/features.yaml", tmp_path_factory.mktemp("xue2025") / "digits")


@pytest.mark.grid
def test_the_toy_decides_every_claim(toy: Path) -> None:
    rows = w2s.load(toy)
    assert set(rows["status"]) == {"ok"}
    assert surprises(Toy.claims, rows) == {}
    assert faults("xue2025.toy", Toy.claims, rows) == []
    assert {path.name for path in make_report(toy)} >= {"summary.csv", "predicted.png", "scores.png", "index.html"}


@pytest.mark.grid
def test_digits_decide_every_claim(digits: Path) -> None:
    rows = w2s.load(digits)
    assert set(rows["status"]) == {"ok"}
    assert rows.groupby("seed").size().eq(25).all()
    assert surprises(Features.claims, rows) == {}
    assert faults("xue2025.features", Features.claims, rows) == []
    assert {path.name for path in make_report(digits)} >= {"summary.csv", "predicted.png", "scores.png", "index.html"}


@pytest.mark.grid
def test_molecules_decide_every_claim(tmp_path: Path) -> None:
    pytest.importorskip("rdkit", reason="needs RDKit: pip install 'w2s-sweep[molecules]'")
    if not os.environ.get("W2S_DATA"):
        pytest.skip("needs the molecules: set W2S_DATA to the folder that holds them")
    assert surprises(Features.claims, w2s.load(launched("small/molecules.yaml", tmp_path / "run"))) == {}


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_grid_reads(path: Path) -> None:
    if path.stem in ("text", "molecules", "transformers"):
        pytest.skip("its data are not part of the package")
    assert load_grid(path).study.name.startswith("xue2025.")
