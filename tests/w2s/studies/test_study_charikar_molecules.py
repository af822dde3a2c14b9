"""The molecules study of Charikar et al. 2024: its score and its pictures on a table that needs no chemistry, folded fingerprints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from solving import solve

from sweeper import launch, load_grid
from sweeper.cli.show.catalogue import starting_grid
from w2s.contract.block import Axis, Block
from w2s.contract.cells import cell_fields
from w2s.errors import FieldError
from w2s.files.datafile import DataFile
from w2s.laws import load_table, molecules, split_rows
from w2s.laws.feature_maps import check_features, feature_matrix
from w2s.sharing.nominal import MOVED
from w2s.studies.charikar2024.molecules.study import Molecules
from w2s.studies.probe.table.study import ProbeTable
from w2s.studies.registry import find_study
from w2s_kernels import NUMPY

STUDY = "charikar2024.molecules"
CELL: dict[str, Any] = {"data": "digits", "strong_features": "inputs", "ridge": 0.01, "ridge_weak": 0.01}
CELL |= {"n_labeled": 200, "n_transfer": 400, "n_validation": 150, "n_test": 300}
LADDER = [f"means:{k}" for k in (1, 2, 4, 8, 16, 32, 64)] + ["columns:pixel_2*"]


@pytest.fixture(scope="module")
def ladder() -> pd.DataFrame:
    return solve(STUDY, axes={"weak_features": LADDER}, seeds=3, **CELL)


def test_the_score_is_measured_on_validation_rows(ladder: pd.DataFrame) -> None:
    table = load_table(DataFile.find("digits"), None, "regression")
    for row in ladder[ladder["weak_features"] == "means:8"].to_dict("records"):
        sizes = {name: CELL[name] for name in ("n_labeled", "n_transfer", "n_validation", "n_test")}
        rows = split_rows(table, seed=row["seed"], split=None, backend=NUMPY, **sizes)
        weak = feature_matrix("means:8", table, width=None, role="weak", seed=0, backend=NUMPY)
        labels = fitted(weak, table.targets[:, 0], rows.labeled)
        student = fitted(table.inputs, labels, rows.transfer)
        where = rows.validation
        score = np.mean((labels[where] - table.targets[where, 0]) ** 2) - np.mean((student[where] - labels[where]) ** 2)
        assert row["selection_score"] == pytest.approx(score, rel=1e-9)
        assert row["selection_score"] != pytest.approx(row["weak_error"] - row["misfit"], rel=1e-3)


def fitted(features: Any, targets: Any, rows: Any) -> Any:
    X, y = features[rows] - features[rows].mean(axis=0), targets[rows] - targets[rows].mean()
    theta = np.linalg.solve(X.T @ X / len(X) + 0.01 * np.eye(X.shape[1]), X.T @ y / len(X))
    return (features - features[rows].mean(axis=0)) @ theta + targets[rows].mean()


def test_digest_and_pictures_say_what_table_1_says(ladder: pd.DataFrame) -> None:
    digest = Molecules().digest(ladder)
    assert set(digest["weak_features"]) == set(LADDER)
    scores = [float(text.split()[0]) for text in digest["weak_error - misfit"]]
    assert scores == sorted(scores)
    assert {figure.id for figure in Molecules.figures if figure.draw(ladder) is not None} == {"gain_misfit", "selection"}
    few = ladder[ladder["weak_features"].isin(LADDER[:2])]
    assert not [figure.id for figure in Molecules.figures if figure.draw(few) is not None]


def test_the_account_counts_folded_fingerprints() -> None:
    axes = {"weak_features": ["means:4", "means:8"], "n_labeled": [100, 200], "ridge": [0.01, 0.1]}
    cell = {name: value for name, value in CELL.items() if name not in axes}
    plain = load_grid({"study": STUDY, "axes": axes, "fixed": cell, "seeds": 3}).parts[0].block
    assert Molecules().pieces(plain) == ProbeTable().pieces(plain)
    folded = Axis.single("weak_features", ["morgan:8", "morgan:24", "means:8"])
    block = Block(plain.fixed, tuple(folded if axis.names == folded.names else axis for axis in plain.axes))
    (piece,) = set(Molecules().pieces(block)) - set(ProbeTable().pieces(block))
    assert piece.count == 3 * 2 * 2  # seeds, widths, labelled counts
    rows = 3 * 2 * (100 + 200 + 2 * (400 + 150 + 300))
    assert piece.flops == 2.0 * MOVED * 2048 * rows
    assert set(piece.serves) <= set(cell_fields(Molecules.Cell))
    assert Molecules().cost(block).flops == pytest.approx(ProbeTable().cost(block).flops + piece.flops)
    strong = Block({**plain.fixed, "strong_features": "morgan:96"}, plain.axes)
    assert {p.name for p in Molecules().pieces(strong)} - {p.name for p in ProbeTable().pieces(strong)} == {
        "folded fingerprints of the students"
    }


def test_folding_keeps_every_bit() -> None:
    bits = (np.random.default_rng(0).random((20, 2048)) < 0.02).astype(float)
    for count in (8, 24, 96, 2048):
        slow = np.array([[row[j::count].max() for j in range(count)] for row in bits])
        np.testing.assert_array_equal(molecules.folded(bits, count), slow)


def test_a_fold_must_be_a_number_of_bits(tmp_path: Path) -> None:
    pytest.importorskip("rdkit", reason="needs RDKit: pip install 'w2s-sweep[molecules]'")
    (tmp_path / "some.csv").write_text("smiles,y\nCCO,1.0\nCC,2.0\nCCC,0.5\n")
    table = load_table(DataFile.find("some.csv", tmp_path), None, "regression")
    check_features("morgan:96", table)
    for wrong in ("morgan:0", "morgan:2049", "morgan:many"):
        with pytest.raises(FieldError, match="morgan:K"):
            check_features(wrong, table)


@pytest.mark.parametrize("study", [STUDY, "charikar2024.synthetic"])
def test_a_new_grid_runs_as_printed(tmp_path: Path, study: str) -> None:
    (tmp_path / "grid.yaml").write_text(starting_grid(study))
    outcome = launch(tmp_path / "grid.yaml", executor="inline")
    assert (outcome.exit, outcome.failed) == (0, 0)
    assert outcome.computed > 0
    assert find_study(study).name == study
