"""The study on limits: students by plain gradient steps, rows by plain means, the same bits in any company."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from solving import solve

from sweeper import GridError, load_grid
from w2s.studies.yao2025.limits import solve as solver
from w2s_kernels import NUMPY, choose

STUDY = "yao2025.limits"
SIZES: dict[str, Any] = {"d": 6, "d_signal": 2, "n_transfer": 30, "n_test": 200}
LEVEL: dict[str, Any] = SIZES | {"tail": 0.2, "logit_scale": 3.0, "errors": "structured", "error_scale": 1.0}
NUMBERS = ["weak_error", "student_error", "ceiling_error", "misfit", "student_error_01", "disagreement", "student_calibration"]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("loss", ["forward", "reverse"])
@pytest.mark.parametrize("errors", ["structured", "random"])
def test_a_row_by_plain_steps(loss: str, errors: str) -> None:
    level = LEVEL | {"errors": errors}
    world = solver.world_of(level, [3], NUMPY)
    labels, said = (found[0] for found in solver.weak_logits(world, level, [3], NUMPY))
    w = np.zeros(6)
    for _ in range(7):
        z = world.rows[0] @ w
        p = sigmoid(z)
        pull = p - sigmoid(labels) if loss == "forward" else p * (1 - p) * (z - labels)
        w = w - 0.5 * sum(pull[k] * world.rows[0, k] for k in range(30)) / 30
    law, weak, student = (sigmoid(z) for z in (world.test_logits[0], said, world.test[0] @ w))

    def kl(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean(a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b))))

    def wrong(p: np.ndarray) -> float:
        return float(np.mean(np.where(p > 0.5, 1 - law, law)))

    row = solve(STUDY, seeds=[3], steps=7, loss=loss, errors=errors, **SIZES).iloc[0]
    assert row["student_error"] == pytest.approx(kl(law, student), rel=1e-9)
    assert row["weak_error"] == pytest.approx(kl(law, weak), rel=1e-9)
    assert row["misfit"] == pytest.approx(kl(weak, student), rel=1e-9)
    assert row["misfit_reverse"] == pytest.approx(kl(student, weak), rel=1e-9)
    assert row["student_error_01"] == pytest.approx(wrong(student), rel=1e-9)
    assert row["disagreement"] == pytest.approx(np.mean((weak > 0.5) != (student > 0.5)))
    assert row["variation_apart"] == pytest.approx(np.mean(np.abs(weak - student)), rel=1e-9)
    assert row["confidence"] == pytest.approx(np.mean(np.maximum(student, 1 - student)), rel=1e-9)
    assert row["student_error_01_low_theory"] <= row["student_error_01"] <= row["student_error_01_high_theory"]


def test_the_gradient_of_the_reverse_loss_is_its_slope() -> None:
    level = LEVEL | {"errors": "random"}
    world = solver.world_of(level, [1], NUMPY)
    labels, _ = solver.weak_logits(world, level, [1], NUMPY)

    def loss(w: np.ndarray) -> float:
        p, q = sigmoid(world.rows[0] @ w), sigmoid(labels[0])
        return float(np.mean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))))

    ((_, first), (_, second)) = solver.descend(world.rows, labels, [4, 5], 1e-3, True, NUMPY)
    moved = (second - first)[0] / -1e-3
    slopes = [(loss(first[0] + h) - loss(first[0] - h)) / 2e-6 for h in 1e-6 * np.eye(6)]
    np.testing.assert_allclose(moved, slopes, rtol=1e-5, atol=1e-9)


def test_no_step_is_a_coin() -> None:
    row = solve(STUDY, seeds=[1], steps=0, **SIZES).iloc[0]
    assert row["confidence"] == 0.5
    assert row["misfit"] > 0


def test_a_teacher_without_errors_is_the_truth() -> None:
    row = solve(STUDY, seeds=[1], steps=50, error_scale=0.0, **SIZES).iloc[0]
    assert row["weak_error"] == 0
    assert row["weak_calibration"] == pytest.approx(0, abs=1e-12)
    assert row["pgr_status"] == "gap_nonpositive"


def test_shorter_trainings_are_on_the_way() -> None:
    axes = {"steps": [2, 9, 4], "loss": ["forward", "reverse"], "errors": ["structured", "random"]}
    together = solve(STUDY, axes=axes, seeds=3, **SIZES).set_index("cell_id")
    alone = solve(STUDY, seeds=[2], steps=4, loss="reverse", errors="random", **SIZES).iloc[0]
    assert alone[NUMBERS].tolist() == together.loc[alone["cell_id"], NUMBERS].tolist()


def test_backends_agree() -> None:
    here, there = (solve(STUDY, seeds=2, steps=20, backend=backend, **SIZES) for backend in (NUMPY, choose("numba")))
    np.testing.assert_allclose(there[NUMBERS].to_numpy(float), here[NUMBERS].to_numpy(float), rtol=1e-9)


def test_what_it_refuses() -> None:
    with pytest.raises(GridError, match="d_signal must be below d"):
        load_grid({"study": STUDY, "fixed": {"d": 4, "d_signal": 4}, "seeds": 1})


def test_pieces_are_the_cost() -> None:
    grid = load_grid({"study": STUDY, "axes": {"steps": [1, 9], "loss": ["forward", "reverse"]}, "seeds": 3})
    study, block = grid.study(), grid.parts[0].block
    assert study.cost(block).flops == pytest.approx(sum(piece.flops for piece in study.pieces(block)))
