"""Random features: exact errors against features and inputs written out, and under changes that must not matter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.linalg import expm
from solving import solve

import w2s
from sweeper import GridError, launch, load_grid
from sweeper.worker.solve import solve_rows
from w2s.laws import relu_features as law
from w2s.laws import relu_spectrum
from w2s.studies.medvedev2025.random_features.study import RandomFeatures
from w2s_kernels import NUMPY, choose

Matrix = npt.NDArray[np.float64]
STUDY = "medvedev2025.random_features"
NUMBERS = ["weak_error", "student_error", "ceiling_error", "misfit", "gain", "teacher_cross"]
INF = float("inf")


def zipped(pairs: Mapping[str, Any], seeds: int, axes: Mapping[str, Any] | None = None, **fixed: Any) -> pd.DataFrame:
    """Rows of a grid in which fields move together."""
    grid = load_grid({"study": STUDY, "zip": dict(pairs), "axes": dict(axes or {}), "fixed": fixed, "seeds": seeds})
    return solve_rows(grid.study, grid.parts[0].block, NUMPY).to_pandas()


# ---------------------------------------------------------------- written out


def relu_gram(u: Matrix, v: Matrix) -> Matrix:
    r = np.clip(u @ v.T, -1, 1)
    return np.asarray((np.sqrt(1 - r**2) + r * (np.pi - np.arccos(r))) / (2 * np.pi * u.shape[1]))


def parts(cell: Mapping[str, Any], seed: int) -> tuple[Matrix, Matrix, Matrix, Matrix, Matrix]:
    """Grams TT, ST, SS and target moments of teacher and student, each by the plainest formula."""
    d = cell["d"]
    if cell["model"] == "relu":
        t, s = (
            law.unit_rows(role, seed, cell[f"d_{name}"], d, NUMPY)
            for role, name in (("teacher", "weak"), ("student", "strong"))
        )
        weights = law.degree_weights(cell.get("quadratic", 0.0), cell.get("quartic", 0.0))
        return relu_gram(t, t), relu_gram(s, t), relu_gram(s, s), law.relu_moments(t, weights), law.relu_moments(s, weights)
    scale = np.sqrt(np.where(np.arange(d) == 0, 1.0, d ** -cell.get("decay", 2 / 3)))
    t, s = (
        law.gaussian_rows(role, seed, cell[f"d_{name}"], d, NUMPY) * scale
        for role, name in (("teacher", "weak"), ("student", "strong"))
    )
    return t @ t.T, s @ t.T, s @ s.T, t[:, 0], s[:, 0]


def explicit(cell: Mapping[str, Any], seed: int) -> dict[str, float]:
    tt, st, ss, h_t, h_s = parts(cell, seed)
    width = cell["d_strong"]
    w = np.linalg.solve(tt, h_t)
    kernel, rhs = ss / width, st @ w / width
    if cell["student_filter"] == "ridge":
        a = np.linalg.solve(kernel + cell["ridge"] * np.eye(width), rhs)
    elif cell["time"] == INF:
        a = np.linalg.solve(kernel, rhs)
    else:  # da/dt = rhs - kernel a from 0, as one exponential of an augmented matrix
        flow = np.zeros((width + 1, width + 1))
        flow[:width, :width], flow[:width, width] = -kernel, rhs
        a = expm(cell["time"] * flow)[:width, width]
    weak = 1 - 2 * w @ h_t + w @ tt @ w
    student = 1 - 2 * a @ h_s + a @ ss @ a
    misfit = a @ ss @ a - 2 * a @ st @ w + w @ tt @ w
    ceiling = 1 - h_s @ np.linalg.solve(ss, h_s)
    return {"weak_error": weak, "student_error": student, "misfit": misfit, "ceiling_error": ceiling, "gain": weak - student}


CELL: dict[str, Any] = {"model": "relu", "d": 6, "d_weak": 14, "d_strong": 40, "student_filter": "flow", "time": 300.0}
CELLS: list[dict[str, Any]] = [
    {},
    {"time": 0.0},
    {"time": INF},
    {"time": 1e5, "quadratic": 1.0},
    {"quadratic": 0.4, "quartic": 0.3, "d_weak": 33},
    {"student_filter": "ridge", "ridge": 1e-3},
    {"student_filter": "ridge", "ridge": 0.0, "d_strong": 9},
    {"student_filter": "ridge", "ridge": 3.0, "d": 2, "d_weak": 5, "d_strong": 8},
    {"model": "linear", "d": 50, "time": 3.0},
    {"model": "linear", "d": 50, "decay": 0.3, "student_filter": "ridge", "ridge": 0.1},
    {"model": "linear", "d": 50, "decay": 0.0, "time": INF},
]


@pytest.mark.parametrize("change", CELLS, ids=[",".join(cell) or "plain" for cell in CELLS])
def test_features_written_out_give_the_same_errors(change: dict[str, Any]) -> None:
    cell = CELL | change
    if cell["student_filter"] == "ridge":
        del cell["time"]
    rows = solve(STUDY, seeds=[2, 7], **cell)
    assert set(rows["status"]) == {"ok"}
    for row in rows.to_dict("records"):
        for name, value in explicit(cell, row["seed"]).items():
            assert row[name] == pytest.approx(value, rel=1e-9, abs=1e-10), name


def test_a_linear_student_with_more_features_than_inputs() -> None:
    cell = {"model": "linear", "d": 20, "d_weak": 6, "d_strong": 50, "decay": 0.5, "time": 2.0}
    row = solve(STUDY, seeds=[4], **cell).iloc[0]
    scale = np.sqrt(np.where(np.arange(20) == 0, 1.0, 20**-0.5))
    t, s = (law.gaussian_rows(role, 4, count, 20, NUMPY) * scale for role, count in (("teacher", 6), ("student", 50)))
    teacher = t.T @ np.linalg.solve(t @ t.T, t[:, 0])
    student = (np.eye(20) - expm(-2.0 * s.T @ s / 50)) @ teacher
    assert row["student_error"] == pytest.approx(np.sum((student - np.eye(20)[0]) ** 2), rel=1e-10)
    assert row["misfit"] == pytest.approx(np.sum((student - teacher) ** 2), rel=1e-10)
    assert row["ceiling_error"] == 0


def test_the_two_level_form_stands_beside_infinite_linear_students() -> None:
    d, decay, times, ridges = 27, 0.5, [0.0, 0.7, 3.0, INF], [0.0, 0.02, 1.5]
    axes = {"student_filter": ["flow", "ridge"], "time": times, "ridge": ridges}
    rows = solve(STUDY, axes=axes, seeds=3, model="linear", student="infinite", d=d, d_weak=9, decay=decay)
    for row in rows.to_dict("records"):
        levels, loss = (1.0, d**-decay), row["weak_error"]
        signal, tail = (
            level / (level + row["ridge"]) if row["student_filter"] == "ridge" else 1.0 - math.exp(-row["time"] * level)
            for level in levels
        )
        wanted = (1 - signal * (1 - loss)) ** 2 + tail**2 * loss * (1 - loss)
        assert row["student_error_theory"] == pytest.approx(wanted, abs=1e-14)
        assert row["student_error"] == pytest.approx(wanted, abs=1e-13)


@pytest.mark.parametrize("filter_", ["flow", "ridge"])
@pytest.mark.parametrize("quadratic", [0.0, 0.6])
def test_the_infinite_student_on_a_circle_of_inputs(filter_: str, quadratic: float) -> None:
    """In two dimensions the infinite student's kernel is diagonal in the Fourier basis of 2^14 equispaced inputs."""
    n, seed = 2**14, 3
    angle = 2 * np.pi * np.arange(n) / n
    units = law.unit_rows("teacher", seed, 7, 2, NUMPY)
    weights = law.degree_weights(quadratic, 0.0)
    target = math.sqrt(2) * sum(a * np.cos(k * angle) for k, a in weights.items())
    features = np.maximum(np.stack([np.cos(angle), np.sin(angle)], axis=1) @ units.T, 0.0)
    teacher = features @ np.linalg.solve(relu_gram(units, units), law.relu_moments(units, weights))
    kernel = (np.abs(np.sin(angle)) + np.cos(angle) * (np.pi - np.abs(np.where(angle > np.pi, 2 * np.pi - angle, angle)))) / (
        4 * np.pi
    )
    levels = np.maximum(np.fft.fft(kernel).real / n, 0.0)
    values = [0.0, 1.0, 30.0, 1e3, 1e5] if filter_ == "flow" else [10.0, 0.1, 1e-3, 1e-5]
    rows = solve(STUDY, axes={"time" if filter_ == "flow" else "ridge": values}, seeds=[seed], d=2, d_weak=7,
                 student="infinite", quadratic=quadratic, student_filter=filter_)  # fmt: skip
    for value, (_, row) in zip(values, rows.iterrows(), strict=True):
        passed = -np.expm1(-value * levels) if filter_ == "flow" else levels / (levels + value)
        student = np.fft.ifft(passed * np.fft.fft(teacher)).real
        assert row["student_error"] == pytest.approx(np.mean((student - target) ** 2), abs=2e-7)
        assert row["misfit"] == pytest.approx(np.mean((student - teacher) ** 2), abs=2e-7)
        assert row["weak_error"] == pytest.approx(np.mean((teacher - target) ** 2), abs=2e-7)


# ---------------------------------------------------------------- identities


@pytest.fixture(scope="module")
def mixed() -> pd.DataFrame:
    axes = {"d_weak": [10, 40], "d_strong": [20, 90], "student_filter": ["flow", "ridge"], "quadratic": [0.0, 0.5]}
    return solve(STUDY, axes=axes | {"time": [0.0, 100.0, 1e4, INF], "ridge": [0.0, 1e-4]}, seeds=3, d=8)


def test_gain_is_the_difference_of_errors(mixed: pd.DataFrame) -> None:
    np.testing.assert_allclose(mixed["gain"], mixed["weak_error"] - mixed["student_error"], atol=1e-12)
    np.testing.assert_allclose(mixed["loss_ratio"], mixed["student_error"] / mixed["weak_error"])


def test_no_student_of_these_is_below_the_bound_or_its_span(mixed: pd.DataFrame) -> None:
    assert (mixed["student_error"] >= mixed["lower_bound_theory"] - 1e-9).all()
    assert (mixed["student_error"] >= mixed["ceiling_error"] - 1e-12).all()
    assert mixed["teacher_cross"].abs().max() < 1e-12


def test_the_end_of_time_is_no_regularisation(mixed: pd.DataFrame) -> None:
    keys = ["d_weak", "d_strong", "quadratic", "seed"]
    last, none = (mixed[mixed[name] == value].sort_values(keys) for name, value in (("time", INF), ("ridge", 0.0)))
    np.testing.assert_array_equal(last["student_error"], none["student_error"])
    np.testing.assert_allclose(last["student_error"], last["student_error_theory"], atol=1e-11)
    assert mixed["student_error_theory"].notna().sum() == len(last) + len(none)


def test_time_is_scaled_by_the_linear_eigenvalue(mixed: pd.DataFrame) -> None:
    flow = mixed[mixed["time"] == 1e4]
    np.testing.assert_allclose(flow["time_scaled"], 1e4 * relu_spectrum.relu_eigenvalue(8, 1))
    assert mixed["time_scaled"].isna().equals(~(mixed["time"] < INF))


def test_the_wider_teacher_is_better_in_every_draw() -> None:
    rows = solve(STUDY, axes={"d_weak": [2, 5, 17, 60, 200]}, seeds=4, d=7, student="infinite", time=10.0)
    errors = rows.pivot_table(index="seed", columns="d_weak", values="weak_error").to_numpy()
    assert (np.diff(errors, axis=1) < 0).all()


def test_dependent_features_are_singular_only_without_regularisation() -> None:
    # On a circle the eigenvalues of 1500 features fall like the fourth power of their number: below rounding at the end.
    rows = solve(STUDY, axes={"time": [10.0, INF]}, seeds=1, d=2, d_weak=3, d_strong=1500)
    assert rows.set_index("time")["status"].to_dict() == {10.0: "ok", INF: "singular"}
    assert rows["student_error"].notna().all()


def test_a_teacher_without_a_unique_fit_has_a_status() -> None:
    # A thousand features on a circle: their Gram has no Cholesky factor in float64. The narrower teacher is not touched.
    rows = solve(STUDY, axes={"d_weak": [10, 1000]}, seeds=1, d=2, student="infinite", time=1.0).set_index("d_weak")
    assert rows["status"].to_dict() == {10: "ok", 1000: "nonfinite"}
    assert "dependent" in rows.loc[1000, "message"]
    assert pd.isna(rows.loc[10, "message"])
    assert rows.loc[10, "weak_error"] > 0


# ---------------------------------------------------------------- what must not matter

GRID: dict[str, Any] = {
    "d": [5, 9],
    "d_weak": [6, 30],
    "student": ["finite", "infinite"],
    "d_strong": [12, 70],
    "student_filter": ["flow", "ridge"],
    "time": [50.0, 5e3],
    "ridge": [1e-3, 1e-5],
    "quadratic": [0.0, 0.5],
}


@pytest.fixture(scope="module")
def whole() -> pd.DataFrame:
    return solve(STUDY, axes=GRID, seeds=[5, 8])


def same(first: pd.DataFrame, second: pd.DataFrame, tolerance: float = 1e-11) -> None:
    both = second.merge(first, on="cell_id", suffixes=("", "_first"))
    assert len(both) == len(second) > 0
    for name in NUMBERS:
        assert (abs(both[name] - both[f"{name}_first"]) <= tolerance).all(), name


@pytest.mark.parametrize("name", [*GRID, "seed"])
def test_other_cells_of_a_block_do_not_matter(whole: pd.DataFrame, name: str) -> None:
    if name == "seed":
        same(whole, solve(STUDY, axes=GRID, seeds=[8]))
        return
    axes = GRID | {name: [GRID[name][0]]}
    dependants = {
        "student": "d_strong" if axes["student"] == ["infinite"] else "",
        "student_filter": "ridge" if axes["student_filter"] == ["flow"] else "",
    }
    axes = {key: value for key, value in axes.items() if key != dependants.get(name)}
    same(whole, solve(STUDY, axes=axes, seeds=[5, 8]))


def test_backends_agree(whole: pd.DataFrame) -> None:
    same(whole, solve(STUDY, axes=GRID, seeds=[5, 8], backend=choose("numba")))


def test_zipped_widths_and_dimensions_make_no_other_combinations() -> None:
    # Crossed, a teacher of 30 features in 8 dimensions would be refused.
    rows = zipped({"d_weak": [4, 30], "d": [8, 164]}, 2, model="linear", student="infinite", time=2.0)
    assert set(rows["status"]) == {"ok"}
    same(rows, solve(STUDY, seeds=2, d_weak=30, d=164, model="linear", student="infinite", time=2.0))


def test_excluded_worlds_are_not_solved(tmp_path: Path) -> None:
    axes = {"model": ["relu", "linear"], "d": [4, 30], "d_weak": [3, 20], "time": [1.0, 9.0]}
    exclude = [{"model": "linear", "d": 4}, {"model": "relu", "d": 30}]
    written = {"study": STUDY, "axes": axes, "fixed": {"student": "infinite"}, "seeds": 2, "exclude": exclude}
    assert launch(written, executor="inline", out=tmp_path / "run").exit == 0
    rows = w2s.load(tmp_path / "run")
    assert set(rows["status"]) == {"ok"}
    assert set(zip(rows["model"], rows["d"], strict=True)) == {("relu", 4), ("linear", 30)}
    alone = solve(STUDY, seeds=2, model="linear", d=30, axes={"d_weak": [3, 20], "time": [1.0, 9.0]}, student="infinite")
    same(rows, alone)


def test_costs_are_the_sum_of_pieces() -> None:
    study = RandomFeatures()
    grid = load_grid({"study": STUDY, "axes": GRID, "seeds": 2})
    block = grid.parts[0].block
    pieces = study.pieces(block)
    assert study.cost(block).flops == sum(piece.flops for piece in pieces) > 0
    assert {piece.kind for piece in pieces} == {"cholesky", "eigh", "elementwise", "gemm"}
    more = load_grid({"study": STUDY, "axes": GRID | {"d_strong": [12, 700]}, "seeds": 2}).parts[0].block
    assert study.cost(more).flops > 100 * study.cost(block).flops
    assert study.cost(more).bytes > 8 * 700**2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "linear", "d": 10}, "d_weak must not exceed d"),
        ({"quadratic": 0.7, "quartic": 0.4}, "parts of one power"),
        ({"d": 1}, "greater than or equal to 2"),
        ({"student": "infinite"}, "d_strong"),
        ({"decay": 0.5}, "decay"),
        ({"model": "linear", "d": 100, "quadratic": 0.5}, "quadratic"),
        ({"student_filter": "steps"}, "not one of: flow, ridge"),
    ],
)
def test_impossible_cells_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GridError, match=message):
        solve(STUDY, **(CELL | change))
