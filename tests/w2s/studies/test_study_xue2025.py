"""The two studies of Xue et al. 2025 against plain recomputations: heads by normal equations, dense kernels, test points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from solving import one, solve

from sweeper import launch, load_grid
from sweeper.cli.show.catalogue import starting_grid
from sweeper.errors import GridError
from w2s.files.datafile import DataFile
from w2s.laws.feature_maps import feature_matrix
from w2s.laws.table import load_table, split_rows
from w2s.studies.xue2025.principal import Principal, kept_directions
from w2s.studies.xue2025.toy.study import Toy
from w2s.studies.xue2025.toy.world import draw, target, weak_view
from w2s.theory import xue2025 as theory
from w2s_kernels import NUMPY

SMALL: dict[str, Any] = {"latent": 4, "tail_width": 90, "tail_power": 2.0, "n_labeled": 50, "n_transfer": 60}
LEVEL = {**SMALL, "signal": 1.0, "noise": 0.1}
SHEET = [2, 4, 6, 8]


def head(features: Any, labels: Any, ridge: float) -> tuple[Any, float]:
    """Ridge with an intercept, by the normal equations of the features."""
    means = features.mean(0)
    centred = features - means
    gram = centred.T @ centred / len(features) + ridge * np.eye(features.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (labels - labels.mean()) / len(features))
    return weights, float(labels.mean() - means @ weights)


def features(level: dict[str, Any], role: str, seed: int, teacher: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Weak features, strong features (None for labelled rows) and labels of a role."""
    sample = draw(level, role, seed, target(level), NUMPY)
    weak = np.hstack([weak_view(sample, teacher["d_weak"], teacher["cosine"]), sample.weak_tail])
    strong = None if sample.strong_tail is None else np.hstack([sample.latent, sample.strong_tail])
    return weak, strong, sample.labels


@pytest.mark.parametrize("teacher", [{"d_weak": 2, "cosine": 1.0}, {"d_weak": 3, "cosine": 0.6}])
def test_the_toy_is_what_normal_equations_give(teacher: dict[str, Any]) -> None:
    row = one("xue2025.toy", seeds=[3], **SMALL, **teacher, ridge=0.02, ridge_weak=0.05)
    weak, _, labels = features(LEVEL, "labeled", 3, teacher)
    seen, strong, truth = features(LEVEL, "transfer", 3, teacher)
    w, w0 = head(weak, labels, 0.05)
    student, ceiling = head(strong, seen @ w + w0, 0.02), head(strong, truth, 0.02)
    density, goal = SMALL["tail_power"] / SMALL["tail_width"], target(LEVEL)
    scale = np.r_[np.ones(4), np.full(90, density)]

    def apart(first: Any, second: Any) -> float:
        return float(scale @ (first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2)

    truth_head = np.r_[goal, np.zeros(90)], 0.0
    assert row["pred_gap"] == pytest.approx(apart(student, ceiling), rel=1e-9)
    assert row["student_error"] == pytest.approx(apart(student, truth_head), rel=1e-9)
    assert row["ceiling_error"] == pytest.approx(apart(ceiling, truth_head), rel=1e-9)
    own = strong @ student[0] + student[1] - seen @ w - w0
    assert row["student_fit_error"] == pytest.approx(np.mean(own**2), rel=1e-8)
    rng = np.random.default_rng(0)
    z, e = rng.normal(size=(2, 60_000, 4))
    tails = rng.normal(size=(2, 60_000, 90)) * np.sqrt(density)
    c, d = teacher["cosine"], teacher["d_weak"]
    outputs = np.hstack([c * z[:, :d] + np.sqrt(1 - c**2) * e[:, :d], tails[0]]) @ w + w0
    answers = np.hstack([z, tails[1]]) @ student[0] + student[1]
    for name, values in (
        ("weak_error", outputs - z @ goal),
        ("misfit", outputs - answers),
        ("pred_gap", answers - np.hstack([z, tails[1]]) @ ceiling[0] - ceiling[1]),
    ):
        assert abs(row[name] - np.mean(values**2)) < 5 * np.std(values**2) / np.sqrt(len(values)), name


def test_the_toys_formulas_are_those_of_dense_kernels() -> None:
    teacher = {"d_weak": 2, "cosine": 1.0}
    row = one("xue2025.toy", seeds=[1], **SMALL, **teacher, ridge=0.02, ridge_weak=0.05)
    seen, strong, truth = features(LEVEL, "transfer", 1, teacher)
    seen, strong, truth = (a - a.mean(0) for a in (seen, strong, truth))
    gammas = 2.0 / 60, 2.0 / 50
    P, Q = theory.projector(strong[:, :4], 0.02 + gammas[0]), theory.projector(seen[:, :2], 0.05 + gammas[1])
    n, product = len(truth), P - P @ Q
    assert (row["gamma_strong"], row["gamma_weak"]) == pytest.approx(gammas)
    assert row["pred_gap_theory"] == pytest.approx(np.sum((product @ truth) ** 2) / n, rel=1e-9)
    assert row["score_operator"] == pytest.approx(np.linalg.norm(product, 2) ** 2, rel=1e-9)
    assert row["score_trace"] == pytest.approx(np.sum(product**2) / np.trace(P), rel=1e-9)
    assert row["label_power"] == pytest.approx(np.mean(truth**2))
    full = theory.projector(strong, 0.02), theory.projector(seen, 0.05)
    wanted = np.sum((full[0] @ (truth - full[1] @ truth)) ** 2) / n
    assert row["pred_gap_full_theory"] == pytest.approx(wanted, rel=1e-9)
    # The weak head on the transfer rows themselves, its student and the ceiling, as heads and not as kernels.
    twin = head(seen, truth, 0.05)
    student, ceiling = head(strong, seen @ twin[0] + twin[1], 0.02), head(strong, truth, 0.02)
    assert row["same_sample_gap"] == pytest.approx(np.mean((strong @ (student[0] - ceiling[0])) ** 2), rel=1e-9)
    assert abs(row["same_sample_gap"] - row["pred_gap_full_theory"]) < 1e-10


@pytest.mark.parametrize("rule", [{"principal": "eigengap"}, {"principal": "variance", "share": 0.8}])
def test_rules_cut_the_kernels_own_directions(rule: dict[str, Any]) -> None:
    row = one("xue2025.toy", seeds=[1], **SMALL, d_weak=2, **rule)
    seen, strong, truth = features(LEVEL, "transfer", 1, {"d_weak": 2, "cosine": 1.0})
    projectors = []
    for side, rows, name in ((strong, 60, "strong"), (seen, 50, "weak")):
        centred = side - side.mean(0)
        values, vectors = np.linalg.eigh(centred @ centred.T / 60)
        values, vectors = values[::-1], vectors[:, ::-1]
        share = np.cumsum(values) / values.sum()
        k = int(np.argmax(values[:30] / values[1:31])) + 1 if "share" not in rule else int(np.sum(share < 0.8)) + 1
        gamma = values[k:].sum() / (60 - k) * 60 / rows
        kept = values[:k] / (values[:k] + 0.01 + gamma)
        projectors.append(vectors[:, :k] * kept @ vectors[:, :k].T)
        assert row[f"d_{name}_principal"] == k
        assert row[f"gamma_{name}"] == pytest.approx(gamma, rel=1e-9)
    labels = truth - truth.mean()
    wanted = np.mean((projectors[0] @ (labels - projectors[1] @ labels)) ** 2)
    assert row["pred_gap_theory"] == pytest.approx(wanted, rel=1e-9)


def test_the_table_of_the_toy() -> None:
    """800 rows, 1500 tail coordinates: principal kernels within 10 %, full ones off by more than 2, orders without an exception."""
    rows = solve("xue2025.toy", axes={"d_weak": SHEET}, seeds=3)
    means = rows.groupby("d_weak")[["pred_gap", "pred_gap_theory", "pred_gap_full_theory", "student_error"]].mean()
    assert ((means["pred_gap_theory"] / means["pred_gap"]).sub(1).abs() < 0.1).all()
    assert (means["pred_gap"] / means["pred_gap_full_theory"] > 2).all()
    assert means["pred_gap_theory"].is_monotonic_decreasing
    assert means["student_error"].is_monotonic_decreasing
    assert (rows["same_sample_gap"] - rows["pred_gap_full_theory"]).abs().max() < 1e-10
    assert (rows["pred_gap_theory"] <= rows["pred_gap_bound_theory"]).all()


def test_a_cell_alone_is_the_cell_of_a_block() -> None:
    together = solve(
        "xue2025.toy",
        axes={"d_weak": [1, 3], "ridge": [0.01, 0.3], "n_transfer": [40, 60]},
        seeds=2,
        **{k: v for k, v in SMALL.items() if k != "n_transfer"},
    )
    alone = one("xue2025.toy", seeds=[1], **SMALL | {"n_transfer": 40}, d_weak=3, ridge=0.3)
    row = together[together["cell_id"] == alone["cell_id"]].iloc[0]
    for name in ("weak_error", "student_error", "pred_gap", "pred_gap_theory", "misfit", "same_sample_gap"):
        assert row[name] == pytest.approx(alone[name], rel=1e-12)


def test_impossible_cells_are_refused() -> None:
    for cell, words in (
        ({"d_weak": 5}, "d_weak must not exceed latent"),
        ({"d_weak": 2, "n_labeled": 4}, "latent must be below"),
    ):
        with pytest.raises(GridError, match=words):
            load_grid({"study": "xue2025.toy", "fixed": {**SMALL, **cell}})
    for cell, words in (
        ({"student_filter": "flow", "ridge": None}, "filter: PredGap is predicted for ridge only"),
        ({"ceiling_tuning": "best_on_validation", "n_validation": 50}, "a ceiling with the student's ridge"),
        ({"labels": "hard", "task": "classification"}, "labels: PredGap"),
    ):
        with pytest.raises(GridError, match=words):
            load_grid({"study": "xue2025.features", "fixed": {k: v for k, v in {**DIGITS, **cell}.items() if v is not None}})


def test_the_account_of_the_toy() -> None:
    block = (
        load_grid({"study": "xue2025.toy", "axes": {"d_weak": [1, 2], "principal": ["latent", "eigengap"]}, "fixed": SMALL})
        .parts[0]
        .block
    )
    pieces = {piece.name: piece for piece in Toy().pieces(block)}
    assert Toy().cost(block).flops == pytest.approx(sum(piece.flops for piece in pieces.values()))
    assert pieces["teachers: Cholesky factors of their kernels"].count == 4
    assert pieces["principal directions of the kernels"].count == 3


DIGITS: dict[str, Any] = {
    "data": "digits",
    "n_labeled": 150,
    "n_transfer": 200,
    "n_test": 120,
    "ridge": 0.01,
    "ridge_weak": 0.02,
}
DIGITS |= {"strong_features": "relu", "d_strong": 70, "weak_features": "means:16"}


def ridge_outputs(features: Any, targets: Any, rows: Any, ridge: float) -> Any:
    X, y = features[rows] - features[rows].mean(0), targets[rows] - targets[rows].mean(0)
    theta = np.linalg.solve(X.T @ X / len(X) + ridge * np.eye(X.shape[1]), X.T @ y / len(X))
    return (features - features[rows].mean(0)) @ theta + targets[rows].mean(0)


@pytest.mark.parametrize("preprocess", ["center", "standardise"])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_real_features_are_recomputed(task: str, preprocess: str) -> None:
    row = one("xue2025.features", seeds=[2], task=task, preprocess=preprocess, share=0.9, **DIGITS)
    table = load_table(DataFile.find("digits"), None, task)
    rows = split_rows(table, seed=2, split=None, backend=NUMPY, n_labeled=150, n_transfer=200, n_validation=0, n_test=120)
    weak = feature_matrix("means:16", table, width=None, role="weak", seed=2, backend=NUMPY)
    strong = feature_matrix("relu", table, width=70, role="strong", seed=2, backend=NUMPY)
    if preprocess == "standardise":
        scales = [np.std(side[part], axis=0) for side, part in ((weak, rows.labeled), (strong, rows.transfer))]
        weak, strong = (
            side / np.where(scale > 1e-9, scale, np.inf) for side, scale in zip((weak, strong), scales, strict=True)
        )
    labels = ridge_outputs(weak, table.targets, rows.labeled, 0.02)
    student, ceiling = (ridge_outputs(strong, targets, rows.transfer, 0.01)[rows.test] for targets in (labels, table.targets))
    assert row["pred_gap"] == pytest.approx(np.mean(np.sum((student - ceiling) ** 2, axis=1)), rel=1e-8)
    y = table.targets[rows.transfer] - table.targets[rows.transfer].mean(0)
    projectors, full = [], []
    for side, fitted, ridge, name in ((strong, 200, 0.01, "strong"), (weak, 150, 0.02, "weak")):
        H = side[rows.transfer] - side[rows.transfer].mean(0)
        values, vectors = np.linalg.eigh(H.T @ H / 200)
        values, vectors = values[::-1], vectors[:, ::-1]
        k = int(np.sum(np.cumsum(values) / values.sum() < 0.9)) + 1
        gamma = values[k:].sum() / (200 - k) * 200 / fitted
        projectors.append(theory.projector(H @ vectors[:, :k], ridge + gamma))
        full.append(theory.projector(H, ridge))
        assert row[f"d_{name}_principal"] == k
        assert row[f"gamma_{name}"] == pytest.approx(gamma, rel=1e-8)
    for column, (P, Q) in (("pred_gap_theory", projectors), ("pred_gap_full_theory", full)):
        assert row[column] == pytest.approx(np.sum((P @ (y - Q @ y)) ** 2) / 200, rel=1e-7)
    product = projectors[0] - projectors[0] @ projectors[1]
    assert row["score_operator"] == pytest.approx(np.linalg.norm(product, 2) ** 2, rel=1e-8)
    assert row["score_trace"] == pytest.approx(np.sum(product**2) / np.trace(projectors[0]), rel=1e-8)
    assert row["label_power"] == pytest.approx(np.sum(y**2) / 200)


def test_the_probes_are_those_of_the_probe_study() -> None:
    axes: dict[str, Any] = {"weak_features": ["means:8", "relu"], "ridge": [0.01, 0.1]}
    cell = {name: value for name, value in DIGITS.items() if name not in axes} | {"d_weak": 20}
    ours, plain = (solve(study, axes=axes, seeds=2, **cell) for study in ("xue2025.features", "probe.table"))
    keys = ["weak_features", "ridge", "seed"]
    ours, plain = (rows.sort_values(keys).reset_index(drop=True) for rows in (ours, plain))
    for name in ("weak_error", "student_error", "strong_error", "ceiling_error", "misfit", "gain", "condition"):
        np.testing.assert_array_equal(ours[name], plain[name])


def test_two_classes_have_half_of_the_errors_of_signs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6))
    sign = np.where(x @ rng.normal(size=6) + 0.3 * rng.normal(size=400) > 0, 1, -1)
    lines = [",".join([*(f"{value:.6f}" for value in row), str(y)]) for row, y in zip(x, sign, strict=True)]
    (tmp_path / "signs.csv").write_text("\n".join([",".join([*(f"x{k}" for k in range(6)), "y"]), *lines]))
    cell = {"data": "signs.csv", "weak_features": "columns:x[012]", "strong_features": "inputs", "n_labeled": 100}
    cell |= {"n_transfer": 150, "n_test": 100, "ridge": 0.1, "ridge_weak": 0.1}
    classes, signs = (one("xue2025.features", folder=tmp_path, task=task, **cell) for task in ("classification", "regression"))
    for name in ("student_error", "ceiling_error", "pred_gap", "pred_gap_theory", "label_power", "misfit"):
        assert 2 * classes[name] == pytest.approx(signs[name], rel=1e-9)
    for name in ("score_operator", "score_trace", "gamma_weak"):
        assert classes[name] == pytest.approx(signs[name], rel=1e-12)


def test_rules_on_spectra() -> None:
    values = np.array([4.0, 3.0, 0.3, 0.2, 0.1, 0.0])
    assert kept_directions(values, "eigengap", None) == 2
    assert [kept_directions(values, "variance", share) for share in (0.5, 0.9, 0.95, 1.0)] == [1, 2, 3, 5]
    assert kept_directions(np.zeros(3), "variance", 0.9) == kept_directions(np.array([2.0]), "eigengap", None) == 1
    assert kept_directions(np.ones(10), "variance", 0.3) == 3
    part = Principal.chosen(values, 20, "variance", 0.9)
    assert (part.size, part.left) == (2, pytest.approx(0.6))
    assert part.gamma(10) == pytest.approx(0.6 / 18 * 2)


@pytest.mark.parametrize("study", ["xue2025.toy", "xue2025.features"])
def test_a_new_grid_runs_as_printed(tmp_path: Path, study: str) -> None:
    (tmp_path / "grid.yaml").write_text(starting_grid(study))
    outcome = launch(tmp_path / "grid.yaml", executor="inline")
    assert (outcome.exit, outcome.failed) == (0, 0)
    assert outcome.computed > 0
