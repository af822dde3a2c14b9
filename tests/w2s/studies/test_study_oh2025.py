"""Students on patches: columns against networks written out, errors against new inputs, and changes that must not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from accounting import check_account
from solving import one, solve

from sweeper import GridError, load_grid
from w2s.laws.signal_noise import SHARED, SIGNALS, Examples, draw_examples, row_sizes
from w2s.studies.oh2025.patches.tested import draw_patches, type_errors
from w2s_kernels import NUMPY, BackendError, choose, normals, stream

Matrix = npt.NDArray[np.float64]
STUDY = "oh2025.patches"
CELL: dict[str, Any] = {"d": 40, "mu": 2.0, "nu": 1.5, "sigma": 0.3, "n_labeled": 60, "teacher_rate": 0.1, "teacher_steps": 30}
CELL |= {"n_transfer": 50, "per_class": 4, "init": 1e-2, "rate": 0.5, "n_test": 400, "n_validation": 200}


def patches_of(some: Examples, cell: dict[str, Any]) -> Matrix:
    """(n, 3, d)."""
    return np.asarray((row_sizes(len(some.rows), cell)[:, None] * some.rows)[some.members])


def linear(x: Matrix, y: Matrix, rate: float, steps: int) -> Matrix:
    w, total = np.zeros(x.shape[2]), x.sum(axis=1)
    for _ in range(steps):
        w = w + rate * np.mean((y / (1 + np.exp(y * (total @ w))))[:, None] * total, axis=0)
    return w


def convolutional(x: Matrix, y: Matrix, w: Matrix, rate: float, steps: int) -> Matrix:
    half = len(w) // 2
    sign = np.repeat([1.0, -1.0], half) / half
    for _ in range(steps):
        seen = x @ w.T
        f = (np.maximum(seen, 0) * sign).sum(axis=(1, 2))
        slope = (y / (1 + np.exp(y * f)))[:, None, None] * (seen > 0) * sign
        w = w + rate / len(y) * np.einsum("npf,npd->fd", slope, x)
    return w


def networks(cell: dict[str, Any], seed: int, steps: int) -> dict[str, Any]:
    some, new = (
        draw_examples(("oh2025", role), seed, cell[n], cell["d"], 0.3, 0.4, NUMPY)
        for role, n in (("labeled", "n_labeled"), ("transfer", "n_transfer"))
    )
    teacher = linear(patches_of(some, cell), some.labels, cell["teacher_rate"], cell["teacher_steps"])
    x = patches_of(new, cell)
    told = np.where(x.sum(axis=1) @ teacher >= 0, 1.0, -1.0)
    drawn = cell["init"] * normals(stream("oh2025", "filters", seed=seed), 2 * cell["per_class"], cell["d"], NUMPY)
    start = np.concatenate([drawn[0::2], drawn[1::2]])
    student, ceiling = (convolutional(x, y, start, cell["rate"], steps) for y in (told, new.labels))
    return {"teacher": teacher, "student": student, "ceiling": ceiling, "x": x, "told": told, "truth": new.labels}


def says(w: Matrix, x: Matrix) -> Matrix:
    half = len(w) // 2
    seen = np.maximum(x @ w.T, 0)
    return np.asarray((seen[..., :half].sum(axis=(1, 2)) - seen[..., half:].sum(axis=(1, 2))) / half)


@pytest.mark.parametrize("n_transfer", [20, 50])  # in the span of the patches, and by weights
def test_what_is_said_of_the_training_examples(n_transfer: int) -> None:
    cell = CELL | {"n_transfer": n_transfer}
    row = one(STUDY, seeds=[3], step=25, **cell)
    made = networks(cell, 3, 25)
    answers, told, truth = np.sign(says(made["student"], made["x"])), made["told"], made["truth"]
    assert row["train_fit"] == np.mean(answers == told)
    assert row["train_accuracy"] == np.mean(answers == truth)
    assert row["label_correction"] == pytest.approx(np.mean((answers == truth)[told != truth]))
    assert row["weak_train_error"] == np.mean(told != truth)
    w, half = made["student"], 4
    easy = min(2.0 * w[half * y : half * y + half, y].max() for y in range(2))
    hard = min(1.5 * (s * w[half * y : half * y + half, 2 + y]).max() for y in range(2) for s in (1, -1))
    assert (row["aligned_easy"], row["aligned_hard"]) == pytest.approx((easy, hard), rel=1e-9)
    assert row["weak_tilt"] == pytest.approx(
        1.5 * np.abs(made["teacher"][2:4]).max() / (np.sqrt(2) * 0.3 * np.linalg.norm(made["teacher"][4:])), rel=1e-9
    )


def test_errors_are_those_on_new_inputs_in_all_dimensions() -> None:
    """Noise drawn in the coordinates that networks read has the law of noise drawn in d dimensions."""
    made = networks(CELL, 3, 25)
    drawn = draw_patches(("a",), 0, 40_000, 9, NUMPY)
    found = type_errors(made["teacher"], made["student"], CELL, drawn, NUMPY, relu=True)
    rng, n = np.random.default_rng(0), 40_000
    noise = np.zeros((2, n, CELL["d"]))
    noise[..., SIGNALS:] = 0.3 * rng.standard_normal((2, n, CELL["d"] - SIGNALS))
    label, s = rng.integers(0, 2, n), np.where(rng.random(n) < 0.5, 1.0, -1.0)
    easy, hard = 2.0 * np.eye(CELL["d"])[label], 1.5 * s[:, None] * np.eye(CELL["d"])[2 + label]
    for k, held in enumerate(((easy, *noise), (hard, *noise), (easy, hard, noise[0]))):
        x = np.stack(held, axis=1)
        strong, weak = says(made["student"], x) >= 0, x.sum(axis=1) @ made["teacher"] >= 0
        wanted = [np.mean(strong != (label == 0)), np.mean(weak != (label == 0)), np.mean(strong != weak)]
        for got, want in zip(found, wanted, strict=True):
            assert abs(got[k] - want) <= 4 * np.sqrt(2 * max(want * (1 - want), 1 / n) / n)


def test_rows_are_weighted_by_type(rows: pd.DataFrame) -> None:
    for model in ("student", "weak"):
        easy, hard, both = (rows[f"{model}_error_{name}"] for name in ("easy", "hard", "both"))
        np.testing.assert_allclose(rows[f"{model}_error"], 0.3 * easy + 0.3 * hard + 0.4 * both, atol=1e-15)
    np.testing.assert_allclose(rows["gain"], rows["weak_error"] - rows["student_error"], atol=1e-15)
    np.testing.assert_allclose(rows["regime_theory"], rows["n_transfer"] * 0.4 * rows["nu"] ** 2 / (0.09 * 40))
    np.testing.assert_allclose(rows["benign_theory"], rows["n_transfer"] * 0.16 * rows["nu"] ** 4 / (0.3**4 * 40))


AXES: dict[str, Any] = {"nu": [1.0, 1.5], "n_transfer": [20, 50], "step": [0, 5, 30], "teacher_steps": [10, 30]}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return solve(STUDY, axes=AXES, seeds=3, **{k: v for k, v in CELL.items() if k not in AXES})


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_a_cell_has_the_bits_it_has_alone(name: str) -> None:
    try:
        backend = choose(name)
    except BackendError as error:
        pytest.skip(str(error))
    fixed = {k: v for k, v in CELL.items() if k not in AXES}
    together = solve(STUDY, axes=AXES, seeds=2, backend=backend, **fixed)
    numbers = [c for c in together.select_dtypes("number") if c != "elapsed_s"]
    for pick in (
        {"nu": 1.5, "n_transfer": 50, "step": 30, "teacher_steps": 10},
        {"nu": 1.0, "n_transfer": 20, "step": 5, "teacher_steps": 30},
    ):
        alone = solve(STUDY, seeds=[1], backend=backend, **fixed, **pick)
        keep = (together[list(pick)] == pd.Series(pick)).all(axis=1) & (together["seed"] == 1)
        pd.testing.assert_frame_equal(alone[numbers], together[keep][numbers].reset_index(drop=True), check_exact=True)


def test_numba_agrees(rows: pd.DataFrame) -> None:
    axes = AXES | {"nu": [1.5], "teacher_steps": [30]}
    found = solve(STUDY, axes=axes, seeds=1, backend=choose("numba"), **{k: v for k, v in CELL.items() if k not in AXES})
    want = rows[(rows["seed"] == 0) & (rows["nu"] == 1.5) & (rows["teacher_steps"] == 30)].reset_index(drop=True)
    for name in ("weak_error", "student_error", "ceiling_error", "misfit", "train_fit", "label_correction"):
        np.testing.assert_allclose(found[name], want[name], atol=1e-3)  # an answer may turn with the last digit
    np.testing.assert_allclose(found["aligned_hard"], want["aligned_hard"], rtol=1e-8)


def test_the_teacher_is_the_same_beside_every_student(rows: pd.DataFrame) -> None:
    assert (rows.groupby(["seed", "nu", "teacher_steps"])["weak_error"].nunique() == 1).all()


def test_step_zero_is_the_start_and_ceiling_and_student_start_alike(rows: pd.DataFrame) -> None:
    start = rows[rows["step"] == 0]
    np.testing.assert_array_equal(start["student_error"], start["ceiling_error"])


def test_a_linear_student_is_a_teacher_of_more_examples() -> None:
    cell = {k: v for k, v in CELL.items() if k not in ("per_class", "init")} | {"student": "linear"}
    row = one(STUDY, seeds=[3], step=40, **cell)
    made = networks(CELL, 3, 0)
    w = linear(made["x"], made["told"], 0.5, 40)
    answers = np.where(made["x"].sum(axis=1) @ w >= 0, 1.0, -1.0)
    assert row["train_fit"] == np.mean(answers == made["told"])
    assert pd.isna(row["per_class"])
    assert row["student_error_hard"] == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(400))


def test_nothing_wrong_to_correct_is_null() -> None:
    row = one(STUDY, seeds=[0], step=3, **(CELL | {"p_hard": 0.0, "mu": 9.0}))
    assert row["weak_train_error"] == 0
    assert pd.isna(row["label_correction"])
    assert row["status"] == "ok"


def test_a_student_that_diverges_is_said() -> None:
    row = one(STUDY, seeds=[0], step=20, **(CELL | {"mu": 1e200, "nu": 1e200}))
    assert row["status"] == "nonfinite"


def test_shares_of_more_than_everything_are_refused() -> None:
    with pytest.raises(GridError, match="p_hard and p_both are shares of one population"):
        solve(STUDY, step=1, **(CELL | {"p_hard": 0.7}))


def test_the_samples_of_teacher_and_student_are_different() -> None:
    labeled, transfer = (draw_examples(("oh2025", role), 0, 50, 12, 0.3, 0.4, NUMPY) for role in ("labeled", "transfer"))
    assert not np.allclose(labeled.rows[SHARED : SHARED + 50], transfer.rows[SHARED : SHARED + 50])


@pytest.mark.parametrize("changes", [{}, {"n_transfer": [20, 50, 300]}, {"student": ["relu", "linear"]}])
def test_an_account_is_well_formed_and_adds_up(changes: dict[str, Any]) -> None:
    axes = AXES | changes
    grid = load_grid({"study": STUDY, "axes": axes, "fixed": {k: v for k, v in CELL.items() if k not in axes}, "seeds": 2})
    for part in grid.parts:
        check_account(STUDY, part.block)


def test_one_more_step_costs_little_and_one_more_size_a_training() -> None:
    def flops(**changes: Any) -> float:
        axes = {"step": [300], "nu": [1.0]} | changes
        fixed = {k: v for k, v in CELL.items() if k not in axes} | {"n_test": 4, "n_validation": 4}
        grid = load_grid({"study": STUDY, "axes": axes, "fixed": fixed, "seeds": 1})
        return float(grid.study().cost(grid.parts[0].block).flops)

    one_ = flops()
    assert flops(step=[100, 300]) < 1.2 * one_
    assert flops(nu=[1.0, 2.0]) > 1.5 * one_
