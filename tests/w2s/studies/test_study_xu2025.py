"""The study on posterior means: teachers and students by plain loops, nested pools, the same bits in any company."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import rel_entr
from solving import solve

from sweeper import GridError, load_grid
from w2s.studies.xu2025.posterior_mean import solve as solver
from w2s.theory import xu2025 as theory
from w2s_kernels import NUMPY, choose, normals, stream, uniforms

STUDY = "xu2025.posterior_mean"
SIZES: dict[str, Any] = {"d": 6, "d_weak": 5, "d_strong": 4, "n_labeled": 30, "n_transfer": 40, "teachers": 3}
LEVEL: dict[str, Any] = SIZES | {"task": "regression", "noise": 0.5, "ridge_weak": 0.05, "n_test": 50, "logit_scale": 3.0}
NUMBERS = ["weak_error", "student_error", "ceiling_error", "misfit", "distance_to_mean", "gain_theory"]


def draw(role: str, rows: int, columns: int) -> np.ndarray:
    return normals(stream("xu2025", role, seed=2), rows, columns, NUMPY)


def sample(k: int) -> np.ndarray:
    return np.floor(30 * uniforms(stream("xu2025", "pool", seed=2), 3, 30, NUMPY)[k]).astype(int)


def test_regression_by_plain_loops() -> None:
    x, truth = draw("labeled", 30, 6), draw("truth", 6, 1)[:, 0] / np.sqrt(6)
    y = x @ truth + 0.5 * draw("noise", 30, 1)[:, 0]
    pool = np.zeros((3, 6))
    for k in range(3):
        rows, labels = x[sample(k)][:, :5], y[sample(k)]
        pool[k, :5] = np.linalg.solve(rows.T @ rows / 30 + 0.05 * np.eye(5), rows.T @ labels / 30)
    items = draw("transfer", 40, 6)
    seen, labels = items[:, :4], np.mean([items @ teacher for teacher in pool], axis=0)
    student = np.zeros(6)
    student[:4] = np.linalg.solve(seen.T @ seen / 40 + 1e-4 * np.eye(4), seen.T @ labels / 40)
    row = solve(STUDY, seeds=[2], student="fitted", **SIZES).iloc[0]
    assert row["weak_error"] == pytest.approx(np.mean([np.sum((t - truth) ** 2) for t in pool]), rel=1e-10)
    assert row["student_error"] == pytest.approx(np.sum((student - truth) ** 2), rel=1e-10)
    assert row["misfit"] == pytest.approx(np.mean([np.sum((t - student) ** 2) for t in pool]), rel=1e-10)
    assert row["distance_to_mean"] == pytest.approx(np.sum((pool.mean(axis=0) - student) ** 2), rel=1e-10)
    assert row["constant_error"] == pytest.approx(np.sum(truth**2), rel=1e-12)
    perfect = np.zeros(6)
    perfect[:4] = np.linalg.solve(seen.T @ seen / 40 + 1e-4 * np.eye(4), seen.T @ (items @ truth) / 40)
    assert row["ceiling_error"] == pytest.approx(np.sum((perfect - truth) ** 2), rel=1e-10)


def test_classification_by_plain_loops() -> None:
    x, head = draw("labeled", 30, 6), 3 * draw("truth", 6, 1)[:, 0] / np.sqrt(6)
    first = uniforms(stream("xu2025", "labels", seed=2), 30, 1, NUMPY)[:, 0] < 1 / (1 + np.exp(-x @ head))
    test = draw("test", 50, 6)

    def both(logit: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-logit))
        return np.stack([p, 1 - p], axis=1)

    pool = []
    for k in range(3):
        rows, hits = x[sample(k)][:, :5], first[sample(k)]

        def loss(w: np.ndarray, rows: np.ndarray = rows, hits: np.ndarray = hits) -> float:
            return float(np.mean(np.logaddexp(0, np.where(hits, -1, 1) * (rows @ w))) + 0.025 * w @ w)

        pool.append(both(test[:, :5] @ minimize(loss, np.zeros(5), tol=1e-12).x))
    truth, teachers = both(test @ head), np.array(pool)
    mean = theory.dual_mean(teachers.transpose(1, 0, 2))
    wanted = {"mean": mean, "primal": teachers.mean(axis=0)}
    for student, p in wanted.items():
        row = solve(STUDY, seeds=[2], task="classification", n_test=50, student=student, **SIZES).iloc[0]
        assert row["student_error"] == pytest.approx(rel_entr(truth, p).sum(axis=1).mean(), rel=1e-4)
        assert row["misfit"] == pytest.approx(np.mean([rel_entr(p, t).sum(axis=1).mean() for t in teachers]), rel=1e-4)
        assert row["weak_error"] == pytest.approx(np.mean([rel_entr(truth, t).sum(axis=1).mean() for t in teachers]), rel=1e-4)


def test_pools_are_nested() -> None:
    for task in ("regression", "classification"):
        large, small = (solver.teach(LEVEL | {"task": task}, count, 1, NUMPY) for count in (5, 2))
        np.testing.assert_array_equal(large.pooled[:2], small.pooled)
        np.testing.assert_array_equal(large.fresh, small.fresh)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_row_has_the_bits_it_has_alone(task: str) -> None:
    fixed = {name: value for name, value in SIZES.items() if name != "teachers"} | {"task": task}
    axes = {"teachers": [1, 3, 4], "beside": ["pool", "fresh"], "student": ["mean", "fitted"]}
    together = solve(STUDY, axes=axes, seeds=3, **fixed).set_index("cell_id")
    alone = solve(STUDY, seeds=[2], student="fitted", beside="fresh", teachers=3, **fixed).iloc[0]
    assert alone[NUMBERS].tolist() == together.loc[alone["cell_id"], NUMBERS].tolist()


def test_one_teacher_is_its_own_mean() -> None:
    row = solve(STUDY, seeds=[1], **(SIZES | {"teachers": 1})).iloc[0]
    assert row["gain"] == pytest.approx(0, abs=1e-15)
    assert row["misfit"] == pytest.approx(0, abs=1e-15)


def test_a_student_that_can_repeat_its_labels_is_the_mean() -> None:
    rows = solve(STUDY, axes={"ridge": [1e-2, 1e-8]}, seeds=2, student="fitted", **(SIZES | {"d_strong": 6}))
    far = rows.groupby("ridge")["distance_to_mean"].mean()
    assert far[1e-8] < 1e-12 < far[1e-2]


def test_backends_agree() -> None:
    here, there = (solve(STUDY, seeds=2, student="fitted", backend=backend, **SIZES) for backend in (NUMPY, choose("numba")))
    np.testing.assert_allclose(there[NUMBERS].to_numpy(float), here[NUMBERS].to_numpy(float), rtol=1e-9)


def test_what_it_refuses() -> None:
    with pytest.raises(GridError, match="needs task: classification"):
        load_grid({"study": STUDY, "fixed": {"student": "primal"}, "seeds": 1})
    with pytest.raises(GridError, match="must not exceed d"):
        load_grid({"study": STUDY, "fixed": {"d": 4}, "seeds": 1})


def test_pieces_are_the_cost() -> None:
    grid = load_grid({"study": STUDY, "axes": {"task": ["regression", "classification"], "teachers": [2, 9]}, "seeds": 3})
    study, block = grid.study(), grid.parts[0].block
    assert study.cost(block).flops == pytest.approx(sum(piece.flops for piece in study.pieces(block)))
