"""The similarity study: rows recomputed by plain means, views as they are said to be, and the same bits in any company."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from solving import solve

from sweeper import GridError, load_grid
from w2s.studies.goel2025.similarity import solve as solver
from w2s_kernels import NUMPY, choose

STUDY = "goel2025.similarity"
SIZES: dict[str, Any] = {"classes": 3, "d_weak": 3, "d_strong": 5, "n_labeled": 60, "n_transfer": 120, "n_test": 300}
NUMBERS = ["weak_error", "student_error", "strong_error", "ceiling_error", "misfit", "weak_error_01", "student_error_01"]
NUMBERS += ["similarity", "similarity_trained", "oracle_error_01", "mean_error_01"]


def fitted(rows: np.ndarray, labels: np.ndarray, ridge: float) -> Any:
    def loss(point: np.ndarray) -> float:
        free = point.reshape(rows.shape[1], -1)
        logits = np.column_stack([rows @ free, np.zeros(len(rows))])
        logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return float(-(labels * logs).sum() / len(rows) + ridge / 2 * (free**2).sum())

    best = minimize(loss, np.zeros(rows.shape[1] * (labels.shape[1] - 1)), tol=1e-12).x.reshape(rows.shape[1], -1)

    def predict(items: np.ndarray) -> np.ndarray:
        powers = np.exp(np.column_stack([items @ best, np.zeros(len(items))]))
        return powers / powers.sum(axis=1, keepdims=True)

    return predict


@pytest.mark.parametrize("labels", ["soft", "hard"])
def test_a_row_by_plain_means(labels: str) -> None:
    row = solve(STUDY, seeds=[3], overlap=2, labels=labels, ridge=0.01, **SIZES).iloc[0]
    views = solver.Views(3, 2, 1, 3, 0.5)
    labeled, transfer, test = (
        solver.views_of(views, part, count, [3], NUMPY) for part, count in (("labeled", 60), ("transfer", 120), ("test", 300))
    )
    hot, truth = np.eye(3), test.classes[0]
    weak = fitted(labeled.weak[0], hot[labeled.classes[0]], 0.01)
    strong = fitted(labeled.strong[0], hot[labeled.classes[0]], 0.01)
    said = weak(transfer.weak[0])
    said = hot[said.argmax(axis=1)] if labels == "hard" else said
    student = fitted(transfer.strong[0], said, 0.01)
    p, q, s = weak(test.weak[0]), strong(test.strong[0]), student(test.strong[0])
    assert row["weak_error"] == pytest.approx(-np.log(p[range(300), truth]).mean(), rel=1e-4)
    assert row["student_error"] == pytest.approx(-np.log(s[range(300), truth]).mean(), rel=1e-4)
    assert row["strong_error_01"] == np.mean(q.argmax(axis=1) != truth)
    assert row["disagreement"] == np.mean(p.argmax(axis=1) != s.argmax(axis=1))
    assert row["oracle_error_01"] == pytest.approx(np.mean((p.argmax(axis=1) != truth) & (q.argmax(axis=1) != truth)))
    assert row["mean_error_01"] == np.mean((p + q).argmax(axis=1) != truth)
    a, b = p[range(300), truth].mean(), q[range(300), truth].mean()
    chance = a * b + (1 - a) * (1 - b) / 2
    assert row["similarity"] == pytest.approx(((p * q).sum(axis=1).mean() - chance) / (1 - chance), abs=1e-4)
    if labels == "soft":
        assert row["misfit"] == pytest.approx((p * np.log(p / s)).sum(axis=1).mean(), rel=1e-3)
        assert row["weak_distance"] == row["misfit"]


def test_shared_features_are_the_same_numbers() -> None:
    views = solver.Views(4, 3, 2, 6, 0.5)
    items = solver.views_of(views, "test", 20, [0, 5], NUMPY)
    assert items.weak.shape == (2, 20, 6)
    assert items.strong.shape == (2, 20, 10)
    np.testing.assert_array_equal(items.weak[..., :3], items.strong[..., :3])
    np.testing.assert_array_equal(items.weak[..., -1], np.ones((2, 20)))
    narrow = solver.views_of(solver.Views(4, 1, 2, 6, 0.5), "test", 12, [5], NUMPY)
    np.testing.assert_array_equal(narrow.weak[0, :, 0], items.weak[1, :12, 0])
    assert set(np.unique(items.classes)) <= set(range(4))


def test_a_row_has_the_bits_it_has_alone() -> None:
    axes = {"overlap": [0, 2], "labels": ["soft", "hard"], "n_labeled": [40, 60]}
    fixed = {name: value for name, value in SIZES.items() if name not in axes}
    together = solve(STUDY, axes=axes, seeds=3, **fixed).set_index("cell_id")
    alone = solve(STUDY, seeds=[2], overlap=2, labels="hard", **SIZES).iloc[0]
    assert alone[NUMBERS].tolist() == together.loc[alone["cell_id"], NUMBERS].tolist()


def test_backends_agree() -> None:
    here, there = (solve(STUDY, seeds=2, overlap=1, backend=backend, **SIZES) for backend in (NUMPY, choose("numba")))
    np.testing.assert_allclose(there[NUMBERS].to_numpy(float), here[NUMBERS].to_numpy(float), rtol=1e-9)


def test_without_a_signal_everyone_guesses() -> None:
    rows = solve(STUDY, seeds=3, signal=0.0, overlap=0, **SIZES)
    assert (rows["weak_error_01"] - 2 / 3).abs().max() < 0.15
    assert set(rows["status"]) == {"ok"}


def test_what_it_refuses() -> None:
    with pytest.raises(GridError, match="overlap must not exceed"):
        load_grid({"study": STUDY, "fixed": {"overlap": 7, "d_weak": 6}, "seeds": 1})


def test_pieces_are_the_cost() -> None:
    grid = load_grid({"study": STUDY, "axes": {"overlap": [0, 2], "labels": ["soft", "hard"]}, "seeds": 3})
    study, block = grid.study(), grid.parts[0].block
    assert study.cost(block).flops == pytest.approx(sum(piece.flops for piece in study.pieces(block)))
