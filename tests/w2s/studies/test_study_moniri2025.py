"""Ridge, weighted and multi-index cells against rows written out, and under changes that must not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from solving import one, solve

from sweeper import GridError, load_grid
from w2s.studies.moniri2025 import ridge_fits as fits
from w2s.studies.moniri2025.multi_index import networks as nets
from w2s.studies.registry import find_study
from w2s_kernels import NUMPY, Backend, choose, normals, stream, wishart

Matrix = npt.NDArray[np.float64]
RIDGE, WEIGHTED, NETWORKS = "moniri2025.ridge", "moniri2025.weighted", "moniri2025.multi_index"
ERRORS = ["weak_error", "student_error", "ceiling_error", "misfit", "gain"]


# ---------------------------------------------------------------- ridge and weighted ridge, written out


def design(role: str, seed: int, rows: int, d: int) -> tuple[Matrix, Matrix]:
    """X'X/n of a role before it is stretched, and the normals behind the label noise."""
    gram = wishart.gram(stream("moniri2025", role, "design", seed=seed), [rows], d, NUMPY)[0] / rows
    return gram, normals(stream("moniri2025", role, "noise", seed=seed), 1, d, NUMPY)[0]


def root(matrix: Matrix) -> Matrix:
    values, vectors = np.linalg.eigh(matrix)
    found: Matrix = vectors * np.sqrt(np.where(values > 1e-12 * values.max(), values, 0.0)) @ vectors.T
    return found


def written(cell: dict[str, Any], seed: int, levels: Matrix, goal: Matrix, first: Matrix, second: Matrix) -> dict[str, float]:
    """Normal equations with penalties ``first`` and ``second`` in the coordinates of the target."""
    d, signal, noise = len(goal), cell.get("signal", 1.0), cell.get("noise_variance", 0.5)
    half, goal = np.sqrt(levels), np.sqrt(signal) * goal

    def fit(role: str, rows: int, weights: Matrix, strength: float, target: Matrix | None) -> Matrix:
        gram, xi = design(role, seed, rows, d)
        stretch = half / np.sqrt(weights)
        second_moment = half[:, None] * gram * half
        rhs = second_moment @ (goal if target is None else target)
        if target is None:
            rhs = rhs + np.sqrt(noise / rows) * np.sqrt(weights) * (root(stretch[:, None] * gram * stretch) @ xi)
        system = second_moment + strength * np.diag(weights)
        return np.linalg.lstsq(system, rhs, rcond=None)[0] if strength == 0 else np.linalg.solve(system, rhs)

    same = cell.get("sample") == "same"
    role, rows = ("labeled", cell["n_labeled"]) if same else ("transfer", cell["n_transfer"])
    teacher = fit("labeled", cell["n_labeled"], first, cell["ridge_weak"], None)
    student = fit(role, rows, second, cell["ridge"], teacher)
    ceiling = fit(role, rows, second, cell["ridge"], None)

    def apart(a: Matrix, b: Matrix) -> float:
        return float(np.sum(levels * (a - b) ** 2))

    found = {"weak_error": apart(teacher, goal), "student_error": apart(student, goal), "ceiling_error": apart(ceiling, goal)}
    return found | {"misfit": apart(student, teacher), "gain": found["weak_error"] - found["student_error"]}


CELL: dict[str, Any] = {"d": 12, "n_labeled": 20, "n_transfer": 25, "ridge_weak": 0.1, "ridge": 0.3}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"n_labeled": 5, "n_transfer": 7},
        {"sample": "same"},
        {"sample": "same", "n_labeled": 6},
        {"decay": 1.0, "target_decay": 0.5},
        {"decay": 2.0, "n_transfer": 4, "signal": 3.0},
        {"ridge_weak": 0.0, "ridge": 0.0},
        {"noise_variance": 0.0, "signal": 0.2},
    ],
    ids=lambda change: ",".join(change) or "plain",
)
def test_a_ridge_cell_is_its_normal_equations(change: dict[str, Any]) -> None:
    cell = CELL | change
    if cell.get("sample") == "same":
        cell.pop("n_transfer")
    row = one(RIDGE, seeds=[5], **cell)
    d = cell["d"]
    levels = np.arange(1, d + 1) ** -float(cell.get("decay", 0.0))
    levels = levels / levels.mean()
    squares = np.arange(1, d + 1) ** -float(cell.get("target_decay", 0.0))
    wanted = written(cell, 5, levels, np.sqrt(squares / (levels @ squares)), np.ones(d), np.ones(d))
    for name, value in wanted.items():
        assert row[name] == pytest.approx(value, rel=1e-8, abs=1e-11), name
    assert row["status"] == "ok"


@pytest.mark.parametrize(
    "change", [{}, {"ratio_weak": 0.5}, {"decay": 1.0, "share": 0.7}, {"n_labeled": 6, "n_transfer": 5}, {"d": 11}]
)
def test_a_weighted_cell_is_its_normal_equations(change: dict[str, Any]) -> None:
    cell = CELL | {"ratio": 3.0} | change
    d, first = cell["d"], np.arange(cell["d"]) < (cell["d"] + 1) // 2
    levels = np.arange(1, d + 1) ** -float(cell.get("decay", 0.0))
    levels = levels / levels.mean()
    share = cell.get("share", 1.0)
    goal = np.sqrt(np.where(first, share / levels[first].sum(), (1 - share) / levels[~first].sum()))
    weights = [np.where(first, 1 / ratio, ratio) for ratio in (cell.get("ratio_weak", 1.0), cell["ratio"])]
    row = one(WEIGHTED, seeds=[8], **cell)
    for name, value in written(cell, 8, levels, goal, *weights).items():
        assert row[name] == pytest.approx(value, rel=1e-8, abs=1e-11), name


def test_a_ratio_of_one_is_the_ridge_study() -> None:
    """An isotropic target is as good as any other: only its direction differs, so errors agree in law; limits agree exactly."""
    rows = one(WEIGHTED, ratio=1.0, share=0.5, **CELL), one(RIDGE, **CELL)
    for name in ("weak_error_theory", "student_error_theory", "ceiling_error_theory", "finite_size_theory"):
        assert rows[0][name] == pytest.approx(rows[1][name], rel=1e-9)
    np.testing.assert_allclose(rows[0][ERRORS].to_numpy(float), rows[1][ERRORS].to_numpy(float), rtol=1e-9)


def test_few_rows_without_a_ridge_are_singular_and_the_minimum_norm() -> None:
    axes = {"n_labeled": [5, 20], "n_transfer": [5, 25], "ridge_weak": [0.0, 0.1], "ridge": [0.0, 0.1]}
    rows = solve(RIDGE, axes=axes, d=12, seeds=2)
    short = ((rows["n_labeled"] < 12) & (rows["ridge_weak"] == 0)) | ((rows["n_transfer"] < 12) & (rows["ridge"] == 0))
    assert (rows["status"] == np.where(short, "singular", "ok")).all()
    assert rows[ERRORS].notna().all(axis=None)
    plain = rows[(rows["n_transfer"] == 25) & (rows["ridge"] == 0)]
    np.testing.assert_allclose(plain["student_error"], plain["weak_error"], rtol=1e-9)


def test_as_many_rows_as_dimensions_have_no_limit_without_a_ridge() -> None:
    rows = solve(RIDGE, axes={"ridge_weak": [0.0, 0.1]}, d=10, n_labeled=10, n_transfer=30, ridge=0.1, seeds=1)
    assert rows["weak_error_theory"].isna().tolist() == [True, False]
    assert rows["weak_error"].notna().all()


def test_one_sample_has_a_limit_for_isotropic_inputs_only() -> None:
    rows = solve(RIDGE, axes={"decay": [0.0, 1.0]}, sample="same", d=10, n_labeled=20, ridge_weak=0.1, ridge=0.2, seeds=1)
    assert rows["student_error_theory"].isna().tolist() == [False, True]
    assert rows["weak_error_theory"].notna().all()


def test_rows_without_number_cost_nothing() -> None:
    row = one(RIDGE, d=8, n_labeled=10**9, n_transfer=10**12, ridge_weak=0.5, ridge=0.25, noise_variance=1.0)
    assert row["weak_error"] == pytest.approx((0.5 / 1.5) ** 2, rel=1e-3)
    assert row["student_error"] == pytest.approx((1 - 1 / 1.5 / 1.25) ** 2, rel=1e-3)


def test_gains_are_differences_also_where_they_are_small() -> None:
    rows = solve(RIDGE, axes={"ridge": [1e-10, 1e-6]}, d=20, n_labeled=40, n_transfer=40, ridge_weak=0.05, seeds=3)
    lead = rows["gain"] / rows["ridge"]
    np.testing.assert_allclose(lead[rows["ridge"] < 1e-8], lead[rows["ridge"] > 1e-8], rtol=1e-4)


# ---------------------------------------------------------------- what must not matter


RIDGE_GRID = {
    "decay": [0.0, 1.0],
    "n_labeled": [6, 30],
    "sample": ["fresh", "same"],
    "n_transfer": [7, 40],
    "ridge_weak": [0.01, 0.5],
    "signal": [1.0, 2.0],
    "ridge": [0.0, 0.1],
}
WEIGHTED_GRID = {
    "share": [1.0, 0.6],
    "n_labeled": [6, 30],
    "ratio_weak": [1.0, 2.0],
    "n_transfer": [7, 40],
    "ratio": [1.0, 4.0],
    "ridge": [0.01, 0.1],
}
NETWORK_GRID = {
    "step_weak": [0.0, 2.0],
    "ridge_weak": [0.01, 0.1],
    "step": [0.5, 3.0],
    "pretraining": [0.0, 2.0],
    "n_transfer": [40, 90],
    "ridge": [0.01, 0.1],
    "head": ["readout", "kept"],
}
SIZES = {"d": 8, "d_weak": 12, "d_strong": 16, "n_labeled": 30, "noise_variance": 0.1}
GRIDS: dict[str, tuple[dict[str, list[Any]], dict[str, Any]]] = {
    RIDGE: (RIDGE_GRID, {"d": 15}),
    WEIGHTED: (WEIGHTED_GRID, {"d": 15, "ridge_weak": 0.2}),
    NETWORKS: (NETWORK_GRID, SIZES),
}


def same(first: pd.DataFrame, second: pd.DataFrame, tolerance: float) -> None:
    both = second.merge(first, on="cell_id", suffixes=("", "_first"))
    assert len(both) == len(second) > 0
    for name in ERRORS:
        np.testing.assert_allclose(both[name], both[f"{name}_first"], atol=tolerance, rtol=tolerance, err_msg=name)


@pytest.fixture(scope="module")
def whole() -> dict[str, pd.DataFrame]:
    return {name: solve(name, axes=axes, seeds=[3, 9], **fixed) for name, (axes, fixed) in GRIDS.items()}


@pytest.mark.parametrize(("name", "axis"), [(name, axis) for name, (axes, _) in GRIDS.items() for axis in (*axes, "seed")])
def test_other_cells_of_a_block_do_not_matter(whole: dict[str, pd.DataFrame], name: str, axis: str) -> None:
    axes, fixed = GRIDS[name]
    kept = axes if axis == "seed" else axes | {axis: axes[axis][-1:]}
    if axis == "sample":
        kept = {key: values for key, values in kept.items() if key != "n_transfer"}
    same(whole[name], solve(name, axes=kept, seeds=[9] if axis == "seed" else [3, 9], **fixed), 1e-10)


@pytest.mark.parametrize("name", GRIDS)
def test_backends_agree(whole: dict[str, pd.DataFrame], name: str) -> None:
    axes, fixed = GRIDS[name]
    same(whole[name], solve(name, axes=axes, seeds=[3, 9], backend=choose("numba"), **fixed), 1e-9)


@pytest.mark.parametrize("name", GRIDS)
def test_costs_are_the_sum_of_pieces(name: str) -> None:
    axes, fixed = GRIDS[name]
    study = find_study(name)()
    block = load_grid({"study": name, "axes": axes, "fixed": fixed, "seeds": 2}).parts[0].block
    pieces = study.pieces(block)
    assert study.cost(block).flops == sum(piece.flops for piece in pieces) > 0
    larger = load_grid({"study": name, "axes": axes, "fixed": fixed | {"d": 10 * fixed["d"]}, "seeds": 2}).parts[0].block
    assert study.cost(larger).flops > 5 * study.cost(block).flops
    assert study.cost(larger).bytes > study.cost(block).bytes


def test_designs_of_a_role_are_their_own(whole: dict[str, pd.DataFrame]) -> None:
    law = fits.Law(np.ones(6), np.ones(6) / np.sqrt(6.0))
    first, second = (fits.draw_designs(role, [1], [20], law, np.ones(6), NUMPY)[0] for role in ("labeled", "transfer"))
    assert not np.allclose(first.spectrum.values, second.spectrum.values)
    assert not np.allclose(first.noise, second.noise)
    assert whole[RIDGE].groupby("seed")["weak_error"].mean().nunique() == 2


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (RIDGE, {"ridge": -0.1}, "greater than or equal to 0"),
        (RIDGE, {"sample": "same"}, "n_transfer"),
        (RIDGE, {"sample": "other"}, "not one of: fresh, same"),
        (WEIGHTED, {"ratio": 0.0}, "ratio"),
        (WEIGHTED, {"ratio": 2.0, "share": 1.5}, "share"),
        (NETWORKS, {"head": "kept", "hard": 0.0}, "hard must be above 0"),
        (NETWORKS, {"ridge": 0.0}, "greater than 0"),
    ],
)
def test_impossible_cells_are_refused(name: str, change: dict[str, Any], message: str) -> None:
    plain = {"d": 10} if name == NETWORKS else CELL
    with pytest.raises(GridError, match=message):
        solve(name, **(plain | change))


# ---------------------------------------------------------------- networks, written out


@pytest.mark.parametrize("backend", [NUMPY, choose("numba")], ids=["numpy", "numba"])
def test_moments_of_features_are_those_of_many_inputs(backend: Backend) -> None:
    d, rows = 5, 400_000
    layers = [
        nets.unit_layer("teacher", 1, 4, d, 0.0, backend).weights,
        nets.unit_layer("student", 2, 3, d, 1.5, backend).weights,
    ]
    x = np.random.default_rng(0).standard_normal((rows, d))
    even = (x[:, :2] ** 2 - 1) / np.sqrt(2)
    z = np.concatenate([*(nets.features(layer, x, np) for layer in layers), x[:, :1], even], axis=1)
    joint = nets.joint_moments(layers, backend)
    spread = np.sqrt(np.maximum((z**2).T @ z**2 / rows - joint**2, 0.0) / rows)
    assert (np.abs(z.T @ z / rows - joint) <= 5.0 * spread + 1e-12).all()
    np.testing.assert_array_equal(joint, joint.T)


def network(cell: dict[str, Any], seed: int) -> dict[str, float]:
    """Teacher and student of a cell with features and gradients written out, tested on many inputs."""
    d, goal = cell["d"], nets.Target(1.0, 1.0)

    def relu(w: Matrix, x: Matrix) -> Matrix:
        found: Matrix = (np.maximum(x @ w.T, 0) - np.linalg.norm(w, axis=1) / np.sqrt(2 * np.pi)) / np.sqrt(len(w))
        return found

    def step(layer: nets.Layer, x: Matrix, y: Matrix, size: float) -> Matrix:
        moved = layer.weights.copy()
        for j, w in enumerate(layer.weights):
            moved[j] += size * layer.signs[j] * np.mean(y[:, None] * (x @ w > 0)[:, None] * x, axis=0)
        return moved

    def fit(w: Matrix, x: Matrix, y: Matrix, ridge: float) -> Matrix:
        phi = relu(w, x)
        return np.linalg.solve(phi.T @ phi / len(x) + ridge * np.eye(len(w)), phi.T @ y / len(x))

    (x, e), (x2, e2) = (nets.sample(f"labeled {use}", seed, cell["n_labeled"], d, NUMPY) for use in ("step", "fit"))
    noise = np.sqrt(cell["noise_variance"])
    w = step(nets.unit_layer("teacher", seed, cell["d_weak"], d, 0.0, NUMPY), x, goal.labels(x) + noise * e, cell["step_weak"])
    a = fit(w, x2, goal.labels(x2) + noise * e2, cell["ridge_weak"])
    (x, e), (x2, e2) = (nets.sample(f"transfer {use}", seed, cell["n_transfer"], d, NUMPY) for use in ("step", "fit"))
    start = nets.unit_layer("student", seed, cell["d_strong"], d, cell["pretraining"], NUMPY)
    v = step(start, x, relu(w, x) @ a, cell["step"])
    b = fit(v, x2, relu(w, x2) @ a, cell["ridge"])
    u = step(start, x, goal.labels(x) + noise * e, cell["step"])
    c = fit(u, x2, goal.labels(x2) + noise * e2, cell["ridge"])
    fresh = np.random.default_rng(1).standard_normal((400_000, d))
    truth, taught, student = goal.labels(fresh), relu(w, fresh) @ a, relu(v, fresh) @ b
    if cell["head"] == "kept":
        joint = nets.joint_moments([start.weights], NUMPY)
        kept = np.linalg.solve(joint[:-3, :-3] + cell["ridge"] * np.eye(len(v)), joint[:-3, -1] / np.sqrt(3))
        student = student + relu(start.weights, fresh) @ kept
    hard = (fresh[:, 1] ** 2 - 1) / np.sqrt(2)
    return {
        "weak_error": np.mean((taught - truth) ** 2),
        "student_error": np.mean((student - truth) ** 2),
        "ceiling_error": np.mean((relu(u, fresh) @ c - truth) ** 2),
        "misfit": np.mean((student - taught) ** 2),
        "corr_hard": np.mean(student * hard) / np.sqrt(np.mean(student**2)),
        "corr_hard_weak": np.mean(taught * hard) / np.sqrt(np.mean(taught**2)),
    }


@pytest.mark.parametrize("head", ["readout", "kept"])
def test_a_network_cell_is_its_network(head: str) -> None:
    cell = SIZES | {
        "n_transfer": 90,
        "step_weak": 2.0,
        "step": 3.0,
        "pretraining": 2.0,
        "head": head,
        "ridge": 0.03,
        "ridge_weak": 0.05,
    }
    row = one(NETWORKS, seeds=[4], **cell)
    for name, value in network(cell, 4).items():
        assert row[name] == pytest.approx(value, rel=0.02, abs=0.01), name


def test_features_are_projections_on_the_top_two_directions() -> None:
    cell = SIZES | {"n_transfer": 90, "step_weak": 2.0}
    row = one(NETWORKS, seeds=[4], **cell)
    x, e = nets.sample("labeled step", 4, 30, 8, NUMPY)
    y = nets.Target(1.0, 1.0).labels(x) + np.sqrt(0.1) * e
    w = nets.gradient_step(nets.unit_layer("teacher", 4, 12, 8, 0.0, NUMPY), x, y, 2.0, NUMPY)
    top = np.linalg.svd(w)[2][:2]
    assert row["easy_weak"] == pytest.approx(np.sum(top[:, 0] ** 2), abs=1e-10)
    assert row["hard_weak"] == pytest.approx(np.sum(top[:, 1] ** 2), abs=1e-10)


def test_layers_and_samples_are_nested() -> None:
    wide, narrow = (nets.unit_layer("student", 3, width, 6, 2.0, NUMPY) for width in (20, 7))
    np.testing.assert_array_equal(wide.weights[:7], narrow.weights)
    np.testing.assert_array_equal(wide.signs[:7], narrow.signs)
    for more, less in zip(nets.sample("fit", 3, 50, 6, NUMPY), nets.sample("fit", 3, 20, 6, NUMPY), strict=True):
        np.testing.assert_array_equal(more[:20], less)


def test_a_target_without_a_hard_part_has_no_hard_correlation() -> None:
    row = one(NETWORKS, hard=0.0, n_transfer=60, **SIZES)
    assert pd.isna(row["corr_hard"])
    assert row["status"] == "ok"
