"""The synthetic study of Charikar et al. 2024: slow twins of every head, the exact identities, and what cells share."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.optimize import nnls
from solving import one, solve

from sweeper import GridError, load_grid
from w2s.laws import mlp
from w2s.studies.charikar2024.synthetic import heads as charikar_heads
from w2s.studies.charikar2024.synthetic import networks as charikar_networks
from w2s.studies.charikar2024.synthetic import solve as charikar_solver
from w2s.studies.charikar2024.synthetic.heads import Design, fit
from w2s.theory.charikar2024 import gap_bound, projection_gap
from w2s_kernels import NUMPY, streams

Matrix = npt.NDArray[np.float64]
STUDY = "charikar2024.synthetic"
SMALL: dict[str, Any] = {"depth_truth": 3, "width": 6, "inputs": 4, "n_labeled": 60, "n_transfer": 80, "n_test": 70}
TRAINED: dict[str, Any] = SMALL | {"pretrain_tasks": 3, "pretrain_samples": 50, "epochs": 3, "depth_weak": 1, "depth_strong": 4}
COUNTS = {name: SMALL[f"n_{name}"] for name in ("labeled", "transfer", "test")}


# ---------------------------------------------------------------- a slow reference


def forward(network: mlp.Network, x: Matrix) -> Matrix:
    for layer, (W, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        x = (np.maximum(x, 0.0) if layer else x) @ W[0] + b[0]
    return x


def design(features: Matrix) -> Matrix:
    return np.column_stack([np.ones(len(features)), features])


def squares(X: Matrix, y: Matrix) -> Matrix:
    return np.asarray(np.linalg.lstsq(X, y, rcond=None)[0])


def head(kind: str, X: Matrix, y: Matrix, T: Matrix) -> Matrix:
    """Outputs at T of a head fitted to (X, y), from its definition."""
    if kind == "least_squares":
        # Centred first: where units are dead, the minimum norm is that of the coefficients without the intercept.
        return np.asarray((T - X.mean(axis=0)) @ squares(X - X.mean(axis=0), y - y.mean()) + y.mean())
    if kind == "nonnegative":
        coefficients = nnls(np.column_stack([X, np.ones(len(X)), -np.ones(len(X))]), y, maxiter=1000)[0]
        return np.asarray(T @ coefficients[:-2] + coefficients[-2] - coefficients[-1])
    if kind == "sparse":
        fits = []
        for subset in itertools.combinations(range(X.shape[1]), 2):
            theta = squares(design(X[:, subset]), y)
            fits.append((float(np.sum((design(X[:, subset]) @ theta - y) ** 2)), subset, theta))
        _, subset, theta = min(fits, key=lambda found: found[0])
        return np.asarray(design(T[:, subset]) @ theta)
    mean, deviation, theta = X.mean(axis=0), X.std(axis=0), np.zeros(X.shape[1])
    Z = (X - mean) / deviation
    for _ in range(40):
        theta -= 0.2 * Z.T @ (Z @ theta - (y - y.mean())) / len(Z)
    return np.asarray((T - mean) / deviation @ theta + y.mean())


def task(kind: str, seed: int, number: int) -> Matrix:
    normal = streams.normals(streams.stream("charikar2024", "task", seed=seed), number + 1, 6, NUMPY)[number]
    if kind == "nonnegative":
        return np.abs(normal)
    if kind == "sparse":
        order = streams.uniforms(streams.stream("charikar2024", "task", "support", seed=seed), number + 1, 6, NUMPY)[number]
        return np.where(order <= np.sort(order)[1], normal, 0.0)
    return np.asarray(normal)


def reference(kind: str, seed: int, number: int, sampling: str, evaluate: str) -> dict[str, float]:
    truth = mlp.random_network("truth", [seed], depth=3, width=6, inputs=4, backend=NUMPY)
    weak, strong = (mlp.perturbed(truth, role, [seed], s, NUMPY) for role, s in (("weak", 0.2), ("strong", 0.03)))
    x = {}
    for role, count in COUNTS.items():
        names = [role] if sampling == "per_seed" else [role, f"task {number}"]
        x[role] = 500.0 * streams.normals(streams.stream("charikar2024", "inputs", *names, seed=seed), count, 4, NUMPY)
    y = {role: forward(truth, inputs) @ task(kind, seed, number) for role, inputs in x.items()}
    where = "test" if evaluate == "fresh" else "transfer"
    labels = {r: head(kind, forward(weak, x["labeled"]), y["labeled"], forward(weak, x[r])) for r in ("transfer", where)}
    student = head(kind, forward(strong, x["transfer"]), labels["transfer"], forward(strong, x[where]))
    ceiling = {r: head(kind, forward(strong, x["transfer"]), y["transfer"], forward(strong, x[r])) for r in ("transfer", where)}
    baseline = head(kind, forward(strong, x["labeled"]), y["labeled"], forward(strong, x[where]))
    found = {
        "weak_error": np.mean((labels[where] - y[where]) ** 2),
        "student_error": np.mean((student - y[where]) ** 2),
        "strong_error": np.mean((baseline - y[where]) ** 2),
        "ceiling_error": np.mean((ceiling[where] - y[where]) ** 2),
        "misfit": np.mean((student - labels[where]) ** 2),
        "cross_term": 2 * np.mean((labels[where] - student) * (student - y[where])),
        "epsilon": np.mean((ceiling["transfer"] - y["transfer"]) ** 2),
        "label_power": np.var(y[where]),
    }
    return {name: float(value) for name, value in found.items()}


HEADS: dict[str, dict[str, Any]] = {
    "least_squares": {},
    "nonnegative": {},
    "sparse": {"sparsity": 2},
    "descent": {"steps": 40, "step_size": 0.2},
}


@pytest.mark.parametrize("sampling", ["per_task", "per_seed"])
@pytest.mark.parametrize("kind", HEADS)
def test_every_number_has_a_slow_twin(kind: str, sampling: str) -> None:
    axes = {"task": [0, 3], "evaluate": ["fresh", "transfer"]}
    cell = SMALL | HEADS[kind] | {"head": kind, "sampling": sampling, "sigma_weak": 0.2, "sigma_strong": 0.03}
    for row in solve(STUDY, axes=axes, seeds=[0, 5], **cell).to_dict("records"):
        wanted = reference(kind, row["seed"], row["task"], sampling, row["evaluate"])
        for name, value in wanted.items():
            assert row[name] == pytest.approx(value, rel=1e-7, abs=1e-9 * wanted["label_power"]), name
        assert row["gain"] == pytest.approx(row["weak_error"] - row["student_error"], rel=1e-12)
        assert row["selection_score"] == pytest.approx(row["weak_error"] - row["misfit"], rel=1e-12)


def test_a_relu_head_is_a_stationary_point_below_its_start() -> None:
    rng = np.random.default_rng(3)
    features = rng.standard_normal((200, 4)) @ np.diag([1.0, 30.0, 0.1, 1.0])
    weights = np.array([1.0, 0.05, -8.0, 0.3])
    targets = np.maximum(features @ weights + 0.2, 0.0)[:, None] + 0.05 * rng.standard_normal((200, 1))
    fitted = fit({"head": "relu"}, Design(features, NUMPY), targets)
    out = fitted.predict(features)
    error = (out - targets)[:, 0]
    slope = design(features).T @ (error * (out[:, 0] > 0)) / 200
    assert np.abs(slope).max() < 1e-5 * np.abs(design(features)).max() * np.std(targets)
    linear = np.maximum(design(features) @ squares(design(features), targets[:, 0]), 0.0)
    assert np.mean(error**2) < 0.1 * np.mean((linear - targets[:, 0]) ** 2)
    # A target inside the class is found.
    exact = np.maximum(features @ weights[:, None] + 0.2, 0.0)
    assert np.mean((fit({"head": "relu"}, Design(features, NUMPY), exact).predict(features) - exact) ** 2) < 1e-8


def test_training_all_layers_starts_at_the_least_squares_student() -> None:
    fixed = SMALL | {"sigma_weak": 0.2, "sigma_strong": 0.03, "sampling": "per_seed"}
    axes = {"task": [0, 1, 2], "evaluate": ["fresh", "transfer"]}
    plain = solve(STUDY, axes=axes, **fixed)
    still = solve(STUDY, axes=axes, **fixed, head="all_layers", head_epochs=0, head_batch=40)
    for name in ("weak_error", "student_error", "strong_error", "ceiling_error", "misfit", "gain"):
        np.testing.assert_allclose(still[name], plain[name], rtol=1e-8)
    axes["evaluate"] = ["transfer"]
    moved = solve(STUDY, axes=axes, **fixed, head="all_layers", head_epochs=150, head_batch=40)
    own = plain[plain["evaluate"] == "transfer"]
    assert (moved["epsilon"].to_numpy() < 0.9 * own["epsilon"].to_numpy()).all()


def test_a_batch_of_the_whole_sample_is_refused() -> None:
    fixed = SMALL | {"representation": "perturbed", "head": "all_layers"}
    for batch, fine in ((59, True), (60, False), (256, False)):
        grid = {"study": "charikar2024.synthetic", "fixed": fixed | {"head_batch": batch}, "axes": {"task": [0, 1]}}
        if fine:
            assert load_grid(grid, Path()).cells == 2
        else:
            with pytest.raises(GridError, match="head_batch must be below n_labeled and n_transfer"):
                load_grid(grid, Path())


def test_a_task_trained_alone_is_the_one_trained_in_company() -> None:
    fixed = SMALL | {"head": "all_layers", "head_epochs": 2, "head_batch": 16, "sampling": "per_seed", "sigma_weak": 0.2}
    together = solve(STUDY, axes={"task": [0, 1, 2]}, **fixed)
    alone = one(STUDY, task=1, **fixed)
    row = together[together["task"] == 1].iloc[0]
    assert alone["cell_id"] == row["cell_id"]
    assert alone["student_error"] == pytest.approx(row["student_error"], rel=1e-9)


# ---------------------------------------------------------------- identities


@pytest.mark.parametrize("representation", ["realizable", "pretrained", "perturbed"])
def test_gain_less_misfit_is_the_cross_term(representation: str) -> None:
    cell = dict(TRAINED if representation != "perturbed" else SMALL)
    if representation == "realizable":
        del cell["depth_strong"]
    rows = solve(
        STUDY, axes={"task": [0, 1, 2], "evaluate": ["fresh", "transfer"]}, seeds=3, representation=representation, **cell
    )
    error = (rows["gain"] - rows["misfit"] - rows["cross_term"]).abs()
    assert (error <= 1e-10 * rows["weak_error"]).all()
    own = rows[rows["evaluate"] == "transfer"]
    gap = (own["gain"] - own["misfit"]).abs()
    if representation == "realizable":
        assert (gap <= 1e-9 * own["weak_error"]).all()
        assert (own["student_error"] <= own["weak_error"]).all()
        assert (rows["gain"] - rows["misfit"]).abs().max() > 1e-6
    else:
        assert (gap <= gap_bound(own["misfit"], own["epsilon"]) * (1 + 1e-9)).all()
        assert (gap > 1e-6 * own["weak_error"]).all()


def test_the_projection_gap_is_twice_what_the_projection_leaves() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((30, 4)))[0]
    weak, truth = rng.standard_normal((2, 30, 5))
    student = basis @ (basis.T @ weak)
    gain = np.mean((weak - truth) ** 2, axis=0) - np.mean((student - truth) ** 2, axis=0)
    gap = gain - np.mean((student - weak) ** 2, axis=0)
    np.testing.assert_allclose(projection_gap(weak, truth, basis), gap, rtol=1e-10)
    outside = np.mean((truth - basis @ (basis.T @ truth)) ** 2, axis=0)
    assert (np.abs(gap) <= gap_bound(np.mean((student - weak) ** 2, axis=0), outside)).all()


def test_one_representation_for_both_leaves_nothing_to_gain() -> None:
    rows = solve(STUDY, axes={"task": [0, 1]}, seeds=3, sigma_weak=0.0, sigma_strong=0.0, evaluate="transfer", **SMALL)
    assert (rows["misfit"] <= 1e-10 * rows["label_power"]).all()
    assert (rows["gain"].abs() <= 1e-10 * rows["label_power"]).all()


@pytest.mark.parametrize("kind", ["least_squares", "nonnegative", "sparse", "relu", "descent"])
def test_errors_go_with_the_square_of_the_labels(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = SMALL | {"head": kind, "sigma_weak": 0.2} | ({"sparsity": 2} if kind == "sparse" else {})
    plain = solve(STUDY, axes={"task": [0, 1]}, **cell)
    drawn = charikar_solver.tasks
    monkeypatch.setattr(charikar_solver, "tasks", lambda *args: 3.0 * drawn(*args))
    scaled = solve(STUDY, axes={"task": [0, 1]}, **cell)
    for name in ("weak_error", "student_error", "ceiling_error", "misfit", "gain", "label_power"):
        np.testing.assert_allclose(scaled[name], 9.0 * plain[name], rtol=1e-5 if kind == "relu" else 1e-9)


def test_nonnegative_heads_gain_more_than_they_misfit() -> None:
    cell = SMALL | {"head": "nonnegative", "sigma_weak": 0.2, "sigma_strong": 0.0, "evaluate": "transfer"}
    rows = solve(STUDY, axes={"task": [0, 1, 2, 3]}, seeds=4, **cell)
    surplus = (rows["gain"] - rows["misfit"]) / rows["weak_error"]
    assert surplus.min() >= -1e-9
    assert surplus.max() > 1e-3


# ---------------------------------------------------------------- what cells share, and what goes wrong


def test_other_cells_of_a_block_do_not_matter() -> None:
    axes = {
        "task": [0, 2],
        "evaluate": ["fresh", "transfer"],
        "depth_weak": [1, 2],
        "n_test": [40, 70],
        "n_validation": [0, 30],
    }
    fixed = {k: v for k, v in TRAINED.items() if k not in axes} | {"representation": "pretrained"}
    whole = solve(STUDY, axes=axes, seeds=2, **fixed)
    assert len(whole) == whole["cell_id"].nunique() == 2**6
    numbers = whole.select_dtypes("number").columns.difference(["elapsed_s", "condition"])
    for row in whole.iloc[np.random.default_rng(0).choice(len(whole), 8, replace=False)].to_dict("records"):
        alone = one(STUDY, seeds=[row["seed"]], **fixed, **{name: row[name] for name in axes})
        assert alone["cell_id"] == row["cell_id"]
        for name in numbers:
            if not pd.isna(row[name]):
                assert alone[name] == pytest.approx(row[name], rel=1e-7, abs=1e-9 * row["label_power"]), name


def test_a_sparse_head_has_the_condition_and_status_of_its_own_features() -> None:
    fixed = SMALL | {"head": "sparse", "sparsity": 2, "sampling": "per_seed", "depth_truth": 6, "evaluate": "transfer"}
    together = solve(STUDY, axes={"task": list(range(6))}, seeds=12, **fixed)
    alone = pd.concat([solve(STUDY, seeds=12, **fixed, task=number) for number in range(6)])
    both = together.merge(alone, on="cell_id", suffixes=("", "_alone"))
    assert len(both) == len(together)
    assert (both["status"] == both["status_alone"]).all()
    np.testing.assert_allclose(both["condition"], both["condition_alone"], rtol=1e-9)
    assert both.groupby("seed")["condition"].nunique().max() > 1


def test_a_ladder_of_weak_models_has_one_student_to_train(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[str, int]] = []
    original = charikar_networks.pretrained

    def counted(role: str, *args: Any, **settings: Any) -> mlp.Network:
        trained.append((role, settings["depth"]))
        return original(role, *args, **settings)

    monkeypatch.setattr(charikar_networks, "pretrained", counted)
    fixed = {k: v for k, v in TRAINED.items() if k != "depth_weak"} | {"representation": "pretrained", "n_validation": 30}
    rows = solve(STUDY, axes={"depth_weak": [1, 2, 3], "task": [0, 1]}, seeds=2, **fixed)
    assert sorted(trained) == [("strong", 4), ("weak", 1), ("weak", 2), ("weak", 3)]
    assert (rows["selection_score"] - (rows["weak_error"] - rows["misfit"])).abs().min() > 0


def test_the_three_samples_are_different() -> None:
    row = one(STUDY, sampling="per_seed", **(SMALL | {"n_transfer": 60, "n_test": 60}), n_validation=60)
    own = one(STUDY, sampling="per_seed", **(SMALL | {"n_transfer": 60, "n_test": 60}), n_validation=60, evaluate="transfer")
    assert row["weak_error"] != own["weak_error"]
    assert row["selection_score"] == own["selection_score"]
    assert row["selection_score"] != row["weak_error"] - row["misfit"]


def test_the_score_is_known_without_the_students_error() -> None:
    """weak_error - misfit on validation rows, written out; the rows of the errors are others."""
    seed, number = 4, 1
    fixed = SMALL | {"sigma_weak": 0.2, "sigma_strong": 0.03, "n_validation": 50, "sampling": "per_seed", "task": number}
    row = one(STUDY, seeds=[seed], **fixed)
    truth = mlp.random_network("truth", [seed], depth=3, width=6, inputs=4, backend=NUMPY)
    weak, strong = (mlp.perturbed(truth, role, [seed], s, NUMPY) for role, s in (("weak", 0.2), ("strong", 0.03)))
    x = {
        role: 500.0 * streams.normals(streams.stream("charikar2024", "inputs", role, seed=seed), count, 4, NUMPY)
        for role, count in (COUNTS | {"validation": 50}).items()
    }
    y = {role: forward(truth, inputs) @ task("least_squares", seed, number) for role, inputs in x.items()}
    features = {role: forward(weak, inputs) for role, inputs in x.items()}
    labels = {r: head("least_squares", features["labeled"], y["labeled"], features[r]) for r in ("transfer", "validation")}
    student = head("least_squares", forward(strong, x["transfer"]), labels["transfer"], forward(strong, x["validation"]))
    score = np.mean((labels["validation"] - y["validation"]) ** 2) - np.mean((student - labels["validation"]) ** 2)
    assert row["selection_score"] == pytest.approx(score, rel=1e-7)
    assert abs(score - np.mean((student - y["validation"]) ** 2)) > 1e-3 * abs(score)


def test_dead_units_are_reported_and_survived() -> None:
    rows = solve(STUDY, axes={"task": [0, 1]}, seeds=12, **(SMALL | {"depth_truth": 6, "evaluate": "transfer"}))
    dead = rows[rows["student_rank"] < 6]
    assert len(dead)
    assert set(dead["status"]) == {"singular"}
    assert np.isfinite(rows["student_error"]).all()
    assert ((rows["gain"] - rows["misfit"] - rows["cross_term"]).abs() <= 1e-10 * rows["label_power"]).all()


def test_a_pretraining_that_diverges_is_a_status() -> None:
    axes = {"learning_rate": [1e-3, 1e200], "task": [0, 1]}
    fixed = {k: v for k, v in TRAINED.items() if k != "depth_strong"} | {"representation": "realizable"}
    rows = solve(STUDY, axes=axes, **fixed)
    assert set(rows.loc[rows["learning_rate"] == 1e200, "status"]) == {"nonfinite"}
    assert not rows.loc[rows["learning_rate"] == 1e-3, "status"].isin(["nonfinite", "failed"]).any()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"head": "sparse", "sparsity": 7}, "sparsity must not exceed width"),
        ({"head": "sparse", "sparsity": 12, "width": 24, "n_labeled": 100}, "2,704,156 subsets"),
        ({"n_labeled": 7}, "must exceed width"),
    ],
)
def test_cells_that_make_no_sense_are_refused(change: Mapping[str, Any], says: str) -> None:
    with pytest.raises(GridError, match=says):
        load_grid({"study": STUDY, "axes": {"task": [0]}, "fixed": SMALL | dict(change)})


def test_cost_counts_a_pretraining_once_for_all_tasks() -> None:
    def cost(**axes: list[Any]) -> float:
        grid = load_grid({"study": STUDY, "axes": axes, "fixed": {"representation": "pretrained", "sampling": "per_seed"}})
        return grid.study().cost(grid.parts[0].block).flops

    def held(**fixed: Any) -> float:
        grid = load_grid({"study": STUDY, "fixed": {"representation": "pretrained", "n_labeled": 50} | fixed, "seeds": [0]})
        return grid.study().cost(grid.parts[0].block).bytes

    assert held(pretrain_samples=10**7) > 10 * 10**7 * 8 * 8  # the inputs of ten tasks alone
    assert held(representation="perturbed") < 1e8
    # A row of an epoch costs 6 operations a weight, and as much as 3,000 to be fetched: 300 epochs of 20,000 rows. The first
    # layers read 8 inputs, head and biases are as many weights as one more of these; weak has 2 layers, strong 8.
    weak, strong = (3_000 + 6 * (16 * 9 + 16 * 16 * (depth - 1)) for depth in (2, 8))
    assert cost(task=[0]) == pytest.approx(300 * 20_000 * (weak + strong), rel=0.02)
    assert cost(task=list(range(50))) < 1.05 * cost(task=[0])
    assert cost(depth_weak=[1, 2]) == pytest.approx(300 * 20_000 * (2 * weak - 6 * 16 * 16 + strong), rel=0.02)


class Count:
    """Calls of a function that goes on working."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped, self.calls = wrapped, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self.wrapped(*args, **kwargs)


@pytest.mark.parametrize("sampling", ["per_seed", "per_task"])
def test_the_account_counts_what_is_computed(sampling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    axes = {"depth_weak": [1, 2], "task": [0, 2, 4], "evaluate": ["fresh", "transfer"], "head": ["least_squares", "sparse"]}
    cell = TRAINED | {"representation": "pretrained", "sparsity": 2, "sampling": sampling, "n_validation": 20}
    cell = {name: value for name, value in cell.items() if name not in axes}
    grid = load_grid({"study": STUDY, "axes": axes, "fixed": cell, "seeds": 2})
    found = {piece.name.removesuffix(", by task"): piece for piece in grid.study().pieces(grid.parts[0].block)}
    counted = {
        "SVD of centred features": Count(charikar_heads.RowProbe),
        "features of the samples": Count(mlp.forward),
        "inputs of the samples": Count(charikar_solver.Trial._sample),
        "fits": Count(charikar_solver.fit),
    }
    monkeypatch.setattr(charikar_heads, "RowProbe", counted["SVD of centred features"])
    monkeypatch.setattr(mlp, "forward", counted["features of the samples"])
    monkeypatch.setattr(charikar_solver.Trial, "_sample", lambda *args: counted["inputs of the samples"](*args))
    monkeypatch.setattr(charikar_solver, "fit", counted["fits"])
    rows = solve(STUDY, axes=axes, seeds=2, **cell)
    counted["features of the samples"].calls -= 3  # the truth's labels of three pretrainings
    trials = 2 * 2 * (1 if sampling == "per_seed" else 3)
    assert {name: count.calls for name, count in counted.items()} == {
        "SVD of centred features": 3 * trials,
        "features of the samples": 3 * 4 * trials,
        "inputs of the samples": 4 * trials,
        "fits": 4 * 2 * trials,
    }
    assert all(found[name].count == count.calls for name, count in counted.items() if name != "fits")
    tasks = 3 if sampling == "per_seed" else 1
    assert found["targets in the basis of the features"].count == counted["fits"].calls * tasks
    assert found["errors of the tasks"].count == len(rows)
    assert found["SVD of subsets of features"].count == 4 * trials * 15  # all pairs of six features
    assert found["pretraining of the weak network"].count == 4  # two depths, two seeds
    assert found["pretraining of the strong network"].count == 2
    # 3 epochs of 150 rows, a layer of 4 inputs, bias and head, three layers of 6 units.
    assert found["pretraining of the strong network"].flops == 2 * 3 * 150 * (6 * (5 * 6 + 3 * 36) + 3_000)
