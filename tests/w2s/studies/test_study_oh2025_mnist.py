"""Students on images of digits: columns against networks written out, and changes that must not matter. No MNIST needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from accounting import check_account
from digit_files import digit_files
from solving import one, solve

from sweeper import GridError, load_grid
from w2s.laws.digit_patches import balanced_digits, draw_digits, load_digits
from w2s_kernels import NUMPY, BackendError, choose, normals, stream

Matrix = npt.NDArray[np.float64]
STUDY = "oh2025.mnist"
CELL: dict[str, Any] = {"mu": 3.0, "nu": 4.0, "sigma": 0.1, "n_labeled": 50, "teacher_rate": 0.1, "teacher_steps": 30}
CELL |= {"n_transfer": 60, "per_class": 4, "init": 1e-2, "rate": 0.5, "n_test": 40, "n_validation": 12}
AXES: dict[str, Any] = {"nu": [3.0, 4.0], "p_both": [0.0, 0.6], "n_transfer": [12, 60], "step": [0, 5, 25]}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return digit_files(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def rows(files: dict[str, str]) -> pd.DataFrame:
    return solve(STUDY, axes=AXES, seeds=2, **files, **{k: v for k, v in CELL.items() if k not in AXES})


def sized(some: Any, cell: dict[str, Any]) -> Matrix:
    """Patches (n, 3, d) in their sizes."""
    size = np.array([cell["mu"], cell["nu"], cell["sigma"]])[some.kinds]
    return np.asarray((size[:, None] * some.rows)[some.members])


def trained_teacher(x: Matrix, y: Matrix, rate: float, steps: int) -> Matrix:
    w, total = np.zeros(x.shape[2]), x.sum(axis=1)
    for _ in range(steps):
        w = w + rate * np.mean((y / (1 + np.exp(y * (total @ w))))[:, None] * total, axis=0)
    return w


def says(w: Matrix, x: Matrix) -> Matrix:
    half = len(w) // 2
    seen = np.maximum(np.einsum("npd,fd->npf", x, w), 0).sum(axis=1)
    return np.asarray((seen[:, :half].sum(axis=1) - seen[:, half:].sum(axis=1)) / half)


def trained_student(x: Matrix, y: Matrix, w: Matrix, rate: float, steps: int) -> Matrix:
    side = np.repeat([1.0, -1.0], len(w) // 2) / (len(w) // 2)
    for _ in range(steps):
        slope = y / (1 + np.exp(y * says(w, x)))
        w = w + rate * np.einsum("n,npf,npd->fd", slope, (x @ w.T > 0) * side, x) / len(y)
    return w


@pytest.mark.parametrize("n_transfer", [12, 60])  # in the span of the patches, and by weights
def test_columns_are_those_of_networks_written_out(files: dict[str, str], rows: pd.DataFrame, n_transfer: int) -> None:
    cell = CELL | {"n_transfer": n_transfer, "p_both": 0.6}
    digits = load_digits(Path(files["images"]), Path(files["labels"]))
    some, new = (
        draw_digits(digits, role, 1, cell[n], 0.3, 0.6, NUMPY)
        for role, n in (("labeled", "n_labeled"), ("transfer", "n_transfer"))
    )
    teacher = trained_teacher(sized(some, cell), some.labels, 0.1, 30)
    x = sized(new, cell)
    told = np.where(x.sum(axis=1) @ teacher >= 0, 1.0, -1.0)
    drawn = 1e-2 * normals(stream("oh2025", "filters", seed=1), 8, digits.pixels, NUMPY)
    start = np.concatenate([drawn[0::2], drawn[1::2]])
    student, ceiling = (trained_student(x, y, start, 0.5, 25) for y in (told, new.labels))
    at = (rows["seed"] == 1) & (rows["nu"] == 4.0) & (rows["p_both"] == 0.6) & (rows["step"] == 25)
    row = rows[at & (rows["n_transfer"] == n_transfer)].iloc[0]
    test = balanced_digits(digits, "test", 1, 40, NUMPY)
    shown = sized(test, cell)
    strong, best, weak = says(student, shown) >= 0, says(ceiling, shown) >= 0, shown.sum(axis=1) @ teacher >= 0
    truth = test.labels > 0
    shares = np.repeat([0.1, 0.3, 0.6], 40) / 40
    for name, value in {
        "weak_error": (weak != truth) @ shares,
        "student_error": (strong != truth) @ shares,
        "ceiling_error": (best != truth) @ shares,
        "misfit": (strong != weak) @ shares,
        "student_error_hard": np.mean((strong != truth)[40:80]),
        "weak_error_hard": np.mean((weak != truth)[40:80]),
        "ceiling_error_hard": np.mean((best != truth)[40:80]),
        "train_fit": np.mean((says(student, x) >= 0) == (told > 0)),
        "train_accuracy": np.mean((says(student, x) >= 0) == (new.labels > 0)),
        "weak_train_error": np.mean(told != new.labels),
    }.items():
        assert row[name] == pytest.approx(value, abs=1e-12), name
    flipped = told != new.labels
    assert row["label_correction"] == pytest.approx(np.mean((says(student, x) >= 0)[flipped] == (new.labels > 0)[flipped]))
    right = (weak == truth)[40:80]
    by = [right[k::4].mean() for k in range(4)]
    assert row["weak_rule"] == pytest.approx(max(abs(by[0] - by[2]), abs(by[1] - by[3])))


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_a_cell_has_the_bits_it_has_alone(files: dict[str, str], name: str) -> None:
    try:
        backend = choose(name)
    except BackendError as error:
        pytest.skip(str(error))
    fixed = files | {k: v for k, v in CELL.items() if k not in AXES}
    together = solve(STUDY, axes=AXES, seeds=2, backend=backend, **fixed)
    numbers = [c for c in together.select_dtypes("number") if c != "elapsed_s"]
    for pick in (
        {"nu": 4.0, "n_transfer": 60, "step": 25, "p_both": 0.6},
        {"nu": 3.0, "n_transfer": 12, "step": 5, "p_both": 0.0},
    ):
        alone = solve(STUDY, seeds=[1], backend=backend, **fixed, **pick)
        keep = (together[list(pick)] == pd.Series(pick)).all(axis=1) & (together["seed"] == 1)
        pd.testing.assert_frame_equal(alone[numbers], together[keep][numbers].reset_index(drop=True), check_exact=True)


def test_numba_agrees(files: dict[str, str], rows: pd.DataFrame) -> None:
    fixed = files | {k: v for k, v in CELL.items() if k not in AXES}
    found = solve(STUDY, axes=AXES, seeds=2, backend=choose("numba"), **fixed)
    for name in ("weak_error", "student_error", "ceiling_error", "misfit", "train_fit", "weak_rule"):
        np.testing.assert_allclose(found[name], rows[name], atol=0.06)  # an answer may turn with the last digit
        assert np.mean(found[name] == rows[name]) > 0.9


def test_a_linear_student_reads_no_contrast(files: dict[str, str]) -> None:
    cell = {k: v for k, v in CELL.items() if k not in ("per_class", "init")} | {"student": "linear", "n_test": 400}
    row = one(STUDY, seeds=[3], step=40, **files, **cell)
    assert row["student_error_hard"] == pytest.approx(0.5, abs=0.1)
    assert row["student_error_easy"] < 0.02
    assert row["status"] == "ok"


def test_a_student_that_diverges_is_said(files: dict[str, str]) -> None:
    assert one(STUDY, seeds=[0], step=20, **files, **(CELL | {"mu": 1e200, "nu": 1e200}))["status"] == "nonfinite"


def test_columns_of_a_law_that_images_do_not_have_are_not_there(rows: pd.DataFrame) -> None:
    assert not {"weak_error_theory", "regime_theory", "benign_theory", "aligned_hard", "weak_tilt"} & set(rows)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "teacher's images": ({"n_labeled": 90}, r"n_labeled=90 must not exceed \d+: no image of these files may come twice"),
    "student's images": ({"n_transfer": 500}, r"n_transfer=500 must not exceed \d+"),
    "shares": ({"p_hard": 0.7, "p_both": 0.6}, "p_hard and p_both are shares of one population"),
    "exchanged": ({"images": "labels", "labels": "images.gz"}, "is no idx file of bytes with 3 dimensions"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_grids_that_make_no_sense_are_refused_before_they_run(files: dict[str, str], name: str) -> None:
    changes, message = REFUSED[name]
    folder = Path(files["images"]).parent
    fixed = files | CELL | {k: str(folder / v) if k in files else v for k, v in changes.items()}
    with pytest.raises(GridError, match=message):
        load_grid({"study": STUDY, "axes": {"step": [1, 2]}, "fixed": fixed, "seeds": 1})


def test_two_files_of_images_take_two_grids(files: dict[str, str], tmp_path: Path) -> None:
    other = digit_files(tmp_path, each=150)
    with pytest.raises(GridError, match="one file of images and one of labels"):
        load_grid(
            {
                "study": STUDY,
                "axes": {"images": [files["images"], other["images"]]},
                "fixed": {"labels": files["labels"], "step": 1} | CELL,
                "seeds": 1,
            }
        )


@pytest.mark.parametrize("changes", [{}, {"student": ["relu", "linear"]}])
def test_an_account_is_well_formed_and_adds_up(files: dict[str, str], changes: dict[str, Any]) -> None:
    axes = AXES | changes
    fixed = files | {k: v for k, v in CELL.items() if k not in axes}
    for part in load_grid({"study": STUDY, "axes": axes, "fixed": fixed, "seeds": 2}).parts:
        check_account(STUDY, part.block)


def test_the_account_holds_all_patches_and_test_inputs(files: dict[str, str]) -> None:
    def held(**changes: Any) -> float:
        grid = load_grid({"study": STUDY, "axes": {"step": [1]}, "fixed": files | CELL | changes, "seeds": 1})
        return float(grid.study().cost(grid.parts[0].block).bytes)

    assert held(n_transfer=100) - held(n_transfer=50) >= 8 * 3 * 50 * 196
    assert held(n_test=1000) - held(n_test=500) >= 8 * 3 * 3 * 500 * (196 + 9)


def test_an_account_needs_no_files(tmp_path: Path) -> None:
    """A report plans a finished run again, on machines that never had its files."""
    files = digit_files(tmp_path)
    grid = load_grid({"study": STUDY, "axes": {"step": [1, 2]}, "fixed": files | CELL, "seeds": 1})
    before = grid.study().cost(grid.parts[0].block)
    for name in files.values():
        Path(name).unlink()
    assert grid.study().cost(grid.parts[0].block) == before
