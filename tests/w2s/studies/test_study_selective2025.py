"""Chosen labels on features: written out seed by seed, other cuts, limits, laws, claims."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from accounting import check_account
from small_studies import check_cuts
from solving import solve

from sweeper import GridError, load_grid
from w2s.claims.claim import decide
from w2s.studies.selective2025.regions.sample import own_answers, part_of
from w2s.studies.selective2025.regions.solve import NUMBERS
from w2s.studies.selective2025.regions.study import Regions
from w2s_kernels import NUMPY, normals, stream, uniforms

STUDY = "selective2025.regions"
CLAIMS = {claim.id: claim for claim in Regions.claims}
CELL: dict[str, Any] = {"n_labeled": 120, "n_transfer": 100, "n_test": 150, "d_weak": 8, "k": 4}


def logistic(rows: Any, p: Any, ridge: float, weights: Any) -> Any:
    """Fit one weight vector to P(class 1) by Newton steps on |w|^2 split over two columns that sum to it, as softmax heads do."""
    w = np.zeros(rows.shape[1])
    for _ in range(50):
        q = 1 / (1 + np.exp(-rows @ w))
        gradient = rows.T @ (weights * (q - p)) + ridge * w
        curve = rows.T @ (rows * (weights * q * (1 - q))[:, None]) + ridge * np.eye(len(w))
        w = w - np.linalg.solve(curve, gradient)
    return w


def drawn(role: str, count: int, seed: int, cell: dict[str, Any]) -> dict[str, Any]:
    z = normals(stream("selective2025", role, "inputs", seed=seed), count, 20, NUMPY)
    e = normals(stream("selective2025", role, "noise", seed=seed), count, 9, NUMPY)
    shown = np.column_stack([z[:, 0], z[:, 1] * z[:, 2], z[:, 3] ** 2 - 1, cell.get("visible", 1.0) * z[:, 4]])
    w = normals(stream("selective2025", "weak", "frequencies", seed=seed), cell["d_weak"], 20, NUMPY) / np.sqrt(20)
    b = normals(stream("selective2025", "weak", "offsets", seed=seed), cell["d_weak"], 1, NUMPY)[:, 0]
    return {
        "y": (1.5 * z[:, 0] + z[:, 1] * z[:, 2] + 0.7 * z[:, 3] ** 2 > 0.7).astype(float),
        "strong": np.column_stack([shown + 0.3 * e[:, :4], e[:, 4:]]),
        "hidden": np.column_stack([np.maximum(z @ w.T + b, 0), np.ones(count)]),
        "region": z[:, 4] > 0,
        "coins": uniforms(stream("selective2025", role, "answers", seed=seed), count, 1, NUMPY)[:, 0],
    }


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def judge(x: Any, right: Any) -> Any:
    """P(right) by a balanced logistic regression on standardised features, as a function of other features."""
    center, scale = x.mean(axis=0), x.std(axis=0)
    weights = np.where(right, 0.5 / right.sum(), 0.5 / (~right).sum())
    w = logistic(np.column_stack([(x - center) / scale, np.ones(len(x))]), right.astype(float), 1e-2, weights)
    return lambda other: sigmoid((other - center) / scale @ w[:-1] + w[-1])


def spread_out(x: Any, weak: Any, own: Any, known: Any, k: int, beta: float, anchors: str) -> Any:
    """Smooth weak labels by a dense solve, on a graph made by sorting."""
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosine = unit @ unit.T
    edges = np.zeros(cosine.shape)
    for i in range(len(x)):
        order = [j for j in np.argsort(-cosine[i]) if j != i][:k]
        edges[i, order] = edges[order, i] = 1
    if anchors == "left_out":
        edges[known] = edges[:, known] = 0
    degree = edges.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.where(edges > 0, edges / np.sqrt(np.outer(degree, degree)), 0.0)
    start = np.column_stack([1 - weak, weak])
    start[known] = np.column_stack([1 - own, own])[known]
    fixed = known | (degree == 0)
    system, right = np.eye(len(x)) - beta * s, (1 - beta) * start
    system[fixed], right[fixed] = np.eye(len(x))[fixed], start[fixed]
    found = np.linalg.solve(system, right)
    return np.where(known, weak, found[:, 1] / found.sum(axis=1))


def explicit(seed: int, cell: dict[str, Any]) -> dict[str, float]:
    """One cell, one model after another."""
    a, b, t = (drawn(role, cell[size], seed, cell) for role, size in _SIZES.items())
    everyone = np.full(len(a["y"]), 1 / len(a["y"]))
    # A softmax head of two classes has the logit of one of them only: the ridge is that of one weight vector.
    weak = logistic(a["hidden"], a["y"], 1e-3, everyone)
    held = np.empty(len(a["y"]))
    fold = np.arange(len(a["y"])) % 2
    for f in (0, 1):
        held[fold == f] = sigmoid(a["hidden"][fold == f] @ logistic(a["hidden"], a["y"], 1e-3, (fold != f) / (fold != f).sum()))
    weak_b = sigmoid(b["hidden"] @ weak)

    def own(part: Any, wrong: Any) -> Any:
        assert cell.get("overlap", 0) == 0
        return np.where(part["coins"] < np.where(part["region"], 0.05, 0.45), 1 - part["y"], part["y"])

    own_a, own_b = own(a, None), own(b, None)
    right_a = own_a == a["y"]
    there = np.empty(len(a["y"]))
    for f in (0, 1):
        there[fold == f] = judge(a["strong"][fold != f], right_a[fold != f])(a["strong"][fold == f])
    if cell.get("rule") == "fixed":
        tau = cell["threshold"]
    else:
        lead = right_a.astype(float) - ((held > 0.5) == a["y"])
        order = np.argsort(-there)
        gains = np.cumsum(lead[order])
        best = int(np.argmax(gains))
        tau = 0.5 * (there[order[best]] + there[order[best + 1]]) if gains[best] > 0 else 1.0
    known = judge(a["strong"], right_a)(b["strong"]) > tau
    smooth = (
        weak_b if cell["beta"] == 0 else spread_out(b["strong"], weak_b, own_b, known, cell["k"], cell["beta"], cell["anchors"])
    )
    labels = np.where(known, own_b, smooth)

    def student(part: Any, p: Any) -> Any:
        rows = np.column_stack([part["strong"], np.ones(len(p))])
        w = logistic(rows, p, 1e-3, np.full(len(p), 1 / len(p)))
        return [np.column_stack([q["strong"], np.ones(len(q["y"]))]) @ w > 0 for q in (t, b)]

    answers, followed = student(b, labels)
    return {
        "weak_error": ((t["hidden"] @ weak > 0) != t["y"]).mean(),
        "student_error": (answers != t["y"]).mean(),
        "naive_error": (student(b, weak_b)[0] != t["y"]).mean(),
        "self_error": (student(b, own_b)[0] != t["y"]).mean(),
        "ceiling_error": (student(b, b["y"])[0] != t["y"]).mean(),
        "strong_error": (student(a, a["y"])[0] != t["y"]).mean(),
        "misfit": (followed != (labels > 0.5)).mean(),
        "weak_distance": (answers != (t["hidden"] @ weak > 0)).mean(),
        "selected_share": known.mean(),
        "judge_threshold": tau,
        "own_accuracy": (own_b == b["y"]).mean(),
        "weak_label_accuracy": ((weak_b > 0.5) == b["y"]).mean(),
        "smoothed_accuracy_rest": ((smooth > 0.5) == b["y"])[~known].mean(),
        "label_accuracy": ((labels > 0.5) == b["y"]).mean(),
        "error_overlap": ((weak_b > 0.5) != b["y"])[own_b != b["y"]].mean(),
    }


_SIZES = {"labeled": "n_labeled", "transfer": "n_transfer", "test": "n_test"}


@pytest.mark.parametrize("change", [
    {"beta": 0.5, "anchors": "clamped"},
    {"beta": 0.8, "anchors": "left_out", "rule": "fixed", "threshold": 0.5},
    {"beta": 0.0, "visible": 3.0},
])  # fmt: skip
def test_cells_written_out_have_the_same_columns(change: dict[str, Any]) -> None:
    cell = {"anchors": "clamped"} | CELL | change
    for row in solve(STUDY, seeds=[0, 5], **cell).to_dict("records"):
        for name, value in explicit(row["seed"], cell).items():
            assert row[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


def test_other_cells_of_a_block_do_not_matter() -> None:
    axes = {"beta": [0.0, 0.5], "rule": ["best", "not_worse"], "errors": ["structured", "shuffled"], "overlap": [0.0, 0.7]}
    whole = check_cuts(STUDY, axes, list(NUMBERS), ("beta", "errors"), **CELL)
    assert np.abs(whole["label_accuracy"] - whole["label_accuracy_theory"]).max() <= 1e-12


def test_limits_and_laws_of_the_threshold() -> None:
    axes = {"threshold": [0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0], "beta": [0.0, 0.6]}
    rows = solve(STUDY, axes=axes, seeds=5, rule="fixed", **CELL)
    bare = rows[rows["beta"] == 0].set_index(["threshold", "seed"])
    assert (bare.loc[1.0, "student_error"] == bare.loc[1.0, "naive_error"]).all()  # the student of weak labels itself
    assert (bare.loc[1.0, "label_accuracy"] == bare.loc[1.0, "weak_label_accuracy"]).all()
    assert (bare.loc[0.0, "student_error"] == bare.loc[0.0, "self_error"]).all()
    shares = rows.pivot_table(index="threshold", columns=["seed", "beta"], values="selected_share")
    assert (shares.diff().dropna() <= 0).all(axis=None)
    assert (shares.loc[0.0] == 1).all()
    assert (shares.loc[1.0] == 0).all()
    assert np.abs(rows["label_accuracy"] - rows["label_accuracy_theory"]).max() <= 1e-12
    assert rows[rows["threshold"] == 1]["own_accuracy_selected"].isna().all()
    assert rows[rows["threshold"] == 0]["smoothed_accuracy_rest"].isna().all()


def test_shuffled_errors_are_as_many_and_elsewhere() -> None:
    rows = solve(STUDY, axes={"errors": ["structured", "shuffled"]}, seeds=3, beta=0, rule="fixed", threshold=1, **CELL)
    one, other = (part for _, part in rows.groupby("errors"))
    assert one["weak_label_accuracy"].tolist() == other["weak_label_accuracy"].tolist()
    assert (one["naive_error"].to_numpy() != other["naive_error"].to_numpy()).any()


@pytest.mark.parametrize("overlap", [0.0, 0.5, 1.0])
def test_own_answers_are_as_right_as_they_should_be(overlap: float) -> None:
    world = {"visible": 1.0, "noise": 0.3, "known": 0.3, "right_inside": 0.9, "right_outside": 0.6, "overlap": overlap}
    part = part_of("test", 30_000, world, [1, 2], NUMPY)
    weak_wrong = np.random.default_rng(0).random(part.classes.shape) < 0.25
    wrong = own_answers(part, weak_wrong, world, NUMPY) != part.classes
    for s, (inside, error) in itertools.product((0, 1), ((True, 0.1), (False, 0.4))):
        here = part.region[s] == inside
        assert here.mean() == pytest.approx(0.3 if inside else 0.7, abs=0.01)
        assert wrong[s][here].mean() == pytest.approx(error, abs=0.02)
        together = wrong[s][here & weak_wrong[s]].mean()  # P(own wrong | weak wrong), between e and min(1, e / .25)
        assert together == pytest.approx(error + overlap * (min(1.0, error / 0.25) - error), abs=0.03)


@pytest.mark.parametrize(("change", "message"), [
    ({"known": 1.0}, "less than 1"),
    ({"beta": 1.0}, "less than 1"),
    ({"threshold": 0.5}, "threshold"),
    ({"errors": "none"}, "structured, shuffled"),
])  # fmt: skip
def test_impossible_cells_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GridError, match=message):
        solve(STUDY, **(CELL | change))


def test_costs_are_the_sum_of_pieces() -> None:
    axes = {"beta": [0, 0.5], "k": [5, 10], "errors": ["structured", "shuffled"]}
    check_account(STUDY, load_grid({"study": STUDY, "axes": axes, "seeds": 2}).parts[0].block)


# ---------------------------------------------------------------- claims


def table(settings: list[dict[str, Any]], **means: float) -> pd.DataFrame:
    """Rows of settings with some noise around the given means, which a setting may change."""
    rng, rows = np.random.default_rng(2), []
    for setting, seed in itertools.product(settings, range(16)):
        values = {"label_accuracy": 0.85, "weak_label_accuracy": 0.76, "own_accuracy": 0.75, "naive_error": 0.2} | means
        values |= {name: value for name, value in setting.items() if name not in _CELL}
        noisy = {name: value + 0.002 * rng.standard_normal() for name, value in {"student_error": 0.13, **values}.items()}
        rows.append({**_CELL, **{k: v for k, v in setting.items() if k in _CELL}, **noisy, "seed": seed, "status": "ok"})
    frame = pd.DataFrame(rows)
    frame.attrs["w2s"] = {"fields": [*_CELL, "seed"]}
    return frame


_CELL = {"n_labeled": 2000, "n_transfer": 2000, "d_weak": 40, "noise": 0.3, "known": 0.5, "right_inside": 0.95}
_CELL |= {"right_outside": 0.55, "visible": 1.0, "overlap": 0.0, "errors": "structured", "rule": "best", "k": 10, "beta": 0.5}
_CELL |= {"anchors": "clamped"}
_BLIND = {"visible": 0.0, "beta": 0.0, "label_accuracy": 0.755, "student_error": 0.2}
_CLEAR = {"visible": 10.0, "beta": 0.0}
CASES = {
    "chosen_labels_are_better": (table([{}]), table([{}], label_accuracy=0.73)),
    "labels_follow_the_arithmetic": (table([_CLEAR]), table([_CLEAR], label_accuracy=0.80)),
    "chance_judge_no_better_labels": (table([_BLIND]), table([_BLIND | {"label_accuracy": 0.80}])),
    "chance_judge_no_better_student": (table([_BLIND]), table([_BLIND | {"student_error": 0.15}])),
    "smoothing_helps": (
        table([{"beta": 0.0, "student_error": 0.15}, {}]),
        table([{"beta": 0.0, "student_error": 0.11}, {}]),
    ),
    "coinciding_errors_hurt": (
        table([{}, {"overlap": 1.0, "student_error": 0.15}]),
        table([{}, {"overlap": 1.0, "student_error": 0.11}]),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(name: str) -> None:
    assert set(CASES) == set(CLAIMS)
    true, false = CASES[name]
    assert decide(CLAIMS[name], true).outcome == "holds", decide(CLAIMS[name], true).says
    assert decide(CLAIMS[name], false).outcome == "fails", decide(CLAIMS[name], false).says
    assert decide(CLAIMS[name], true.assign(rule="fixed")).outcome == "untestable"
