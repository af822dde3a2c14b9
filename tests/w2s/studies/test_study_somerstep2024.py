"""Naive and refined students: written out label by label, other cuts, the law of their errors, and claims."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from accounting import check_account
from small_studies import check_cuts
from solving import one, solve

from sweeper import GridError, load_grid
from w2s.claims.claim import decide
from w2s.studies.somerstep2024.refinement.study import Refinement
from w2s.theory import somerstep2024 as theory
from w2s_kernels import NUMPY, permutation, stream, uniforms

STUDY = "somerstep2024.refinement"
CLAIMS = {claim.id: claim for claim in Refinement.claims}
NUMBERS = ["weak_error", "student_error", "ceiling_error", "misfit", "posterior", "student_error_theory"]
CELL: dict[str, Any] = {"contexts": 20, "concepts": 4, "n_transfer": 15}


def explicit(seed: int, cell: dict[str, Any]) -> dict[str, float]:
    """Bayes' rule label by label, with products of probabilities."""
    count, noise, m = cell["contexts"], cell.get("noise", 0.1), cell["n_transfer"]
    concepts = np.where(uniforms(stream("somerstep2024", "concepts", seed=seed), cell["concepts"], count, NUMPY) < 0.5, -1, 1)
    order = permutation(stream("somerstep2024", "contexts", seed=seed), count, NUMPY)
    truth, weak = concepts[0], concepts[0].copy()
    for context in order[: round(cell.get("bias", 0.2) * count)]:
        weak[context] = -weak[context]
    if cell.get("decoy") == "present":
        far = order[len(order) - round(cell["apart"] * count) :]
        concepts[1] = [-c if k in far else c for k, c in enumerate(weak)]
    inputs, flips = (uniforms(stream("somerstep2024", what, seed=seed), 1, m, NUMPY)[0] for what in ("inputs", "flips"))

    def student(rule: Any) -> Any:
        shown = [(int(x * count), rule[int(x * count)] * (-1 if f < noise else 1)) for x, f in zip(inputs, flips, strict=True)]
        if cell.get("student", "refined") == "naive":
            return [np.sign(sum(label for context, label in shown if context == k)) for k in range(count)]
        weights = [math.prod(1 - noise if concept[x] == y else noise for x, y in shown) for concept in concepts]
        means = [sum(w * concept[k] for w, concept in zip(weights, concepts, strict=True)) / sum(weights) for k in range(count)]
        return [0 if abs(mean) < 1e-9 else np.sign(mean) for mean in means]

    def wrong(answers: Any, classes: Any) -> float:
        return float(np.mean([0.5 * (1 - a * c) for a, c in zip(answers, classes, strict=True)]))

    answers = student(weak)
    return {"weak_error": wrong(weak, truth), "student_error": wrong(answers, truth), "misfit": wrong(answers, weak),
            "ceiling_error": wrong(student(truth), truth)}  # fmt: skip


@pytest.mark.parametrize("change", [
    {},
    {"student": "naive"},
    {"student": "naive", "n_transfer": 80, "bias": 0.35, "noise": 0.3},
    {"decoy": "present", "apart": 0.1},
    {"decoy": "present", "apart": 0.5, "bias": 0.5, "concepts": 2},
    {"n_transfer": 1, "noise": 0.45},
    {"bias": 0.0},
])  # fmt: skip
def test_labels_written_out_give_the_same_errors(change: dict[str, Any]) -> None:
    cell = CELL | change
    rows = solve(STUDY, seeds=[0, 1, 9], **cell)
    assert set(rows["status"]) == {"ok"}
    for row in rows.to_dict("records"):
        for name, value in explicit(row["seed"], cell).items():
            assert row[name] == pytest.approx(value, abs=1e-12), name


def test_other_cells_of_a_block_do_not_matter() -> None:
    axes = {"n_transfer": [30, 3, 200], "student": ["naive", "refined"], "bias": [0.0, 0.2], "concepts": [2, 5]}
    whole = check_cuts(STUDY, axes, NUMBERS, contexts=20)
    decoys = check_cuts(STUDY, {"apart": [0.1, 0.4], "n_transfer": [5, 50]}, NUMBERS, contexts=20, decoy="present", concepts=2)
    unbiased = whole[whole["bias"] == 0]
    assert (unbiased["student_error"] == unbiased["ceiling_error"]).all()
    assert whole["posterior_decoy"].isna().all()
    np.testing.assert_allclose(decoys["posterior"] + decoys["posterior_decoy"], 1.0)


@pytest.mark.parametrize("cell", [
    {"student": "naive", "n_transfer": 60, "bias": 0.25, "noise": 0.2},
    {"decoy": "present", "concepts": 2, "apart": 0.35, "bias": 0.1, "n_transfer": 12, "noise": 0.3},
    {"decoy": "present", "concepts": 2, "apart": 0.1, "bias": 0.25, "n_transfer": 30, "noise": 0.3},
])  # fmt: skip
def test_means_over_seeds_are_the_expectation_and_no_other(cell: dict[str, Any]) -> None:
    rows = solve(STUDY, seeds=600, contexts=20, **cell)
    error = rows["student_error"].sem()
    assert abs(rows["student_error"].mean() - rows["student_error_theory"].iloc[0]) <= 4 * error
    part, off, m, noise = cell["bias"], cell.get("apart", 0.0), cell["n_transfer"], cell["noise"]
    if cell.get("student") == "naive":  # as if every context had m / V labels
        nearest = part + (1 - 2 * part) * float(theory.minority(3, 1 - noise, noise))
    else:  # as if labels had no noise
        nearest = float(theory.refined_error(m, part, off, 0.0))
    assert abs(rows["student_error"].mean() - nearest) > 4 * error


def test_equal_posteriors_are_half_wrong() -> None:
    """Without a label in the contexts that tell the concepts apart nothing is known of them."""
    rows = solve(STUDY, seeds=40, contexts=20, concepts=2, decoy="present", apart=0.05, bias=0.05, n_transfer=1)
    silent = rows[(rows["posterior"] - 0.5).abs() < 1e-12]
    assert len(silent) > 10
    np.testing.assert_allclose(silent["student_error"], 0.05, atol=1e-12)


@pytest.mark.parametrize(("change", "message"), [
    ({"noise": 0.5}, "less than 0.5"),
    ({"noise": 0.0}, "greater than 0"),
    ({"apart": 0.2}, "apart"),
    ({"decoy": "near"}, "absent, present"),
    ({"bias": 0.6}, "less than or equal to 0.5"),
    ({"concepts": 1}, "greater than or equal to 2"),
])  # fmt: skip
def test_impossible_cells_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GridError, match=message):
        solve(STUDY, **(CELL | change))


def test_costs_are_the_sum_of_pieces() -> None:
    axes = {"n_transfer": [5, 500], "student": ["naive", "refined"], "concepts": [2, 9]}
    check_account(STUDY, load_grid({"study": STUDY, "axes": axes, "seeds": 2}).parts[0].block)


def test_one_demonstration_is_enough_to_start() -> None:
    assert 0 < one(STUDY, seeds=[3], **(CELL | {"n_transfer": 1}))["posterior"] < 1


# ---------------------------------------------------------------- claims


def table(errors: dict[int, float], *, spread: float = 0.02, **fixed: Any) -> pd.DataFrame:
    """Students with an error for each m, near it by seed where the error is not that of the last m."""
    rng, rows = np.random.default_rng(5), []
    last = max(errors)
    for (m, error), seed in itertools.product(errors.items(), range(16)):
        value = error if m == last else error + spread * rng.standard_normal()
        rows.append({"n_transfer": m, "seed": seed, "student_error": value, "student_error_theory": error})
    cell = {"contexts": 100, "concepts": 2, "bias": 0.2, "decoy": "absent", "apart": np.nan, "noise": 0.1, "student": "refined"}
    frame = pd.DataFrame(rows).assign(
        **(cell | {"weak_error": 0.2, "ceiling_error": 0.0, "limit_error_theory": 0.0, "status": "ok"})
    )
    frame = frame.assign(**fixed)
    frame.attrs["w2s"] = {"fields": [*cell, "n_transfer", "seed"]}
    return frame


NEAR = {"decoy": "present", "apart": 0.1, "limit_error_theory": 0.3}
CASES = {
    "naive_keeps_the_bias": (
        table({10: 0.4, 9000: 0.2}, student="naive", limit_error_theory=0.2),
        table({10: 0.4, 9000: 0.1}, student="naive", limit_error_theory=0.2),
    ),
    "expectations": (
        table({10: 0.2, 9000: 0.0}),
        table({10: 0.2, 9000: 0.0}).assign(student_error_theory=lambda t: t["student_error_theory"] + 0.1),
    ),
    "refinement_overcomes_the_bias": (table({10: 0.2, 9000: 0.0}), table({10: 0.2, 9000: 0.1})),
    "refinement_is_no_oracle": (table({10: 0.2, 9000: 0.3}, **NEAR), table({10: 0.2, 9000: 0.02}, **NEAR)),
}


@pytest.mark.parametrize("name", CASES)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(name: str) -> None:
    assert set(CASES) == set(CLAIMS)
    true, false = CASES[name]
    assert decide(CLAIMS[name], true).outcome == "holds", decide(CLAIMS[name], true).says
    assert decide(CLAIMS[name], false).outcome == "fails", decide(CLAIMS[name], false).says
    other = true[true["n_transfer"] == 10].assign(limit_error_theory=0.2, apart=0.19)
    assert decide(CLAIMS[name], other).outcome == "untestable"


def test_an_error_that_does_not_fall_contradicts_refinement() -> None:
    assert decide(CLAIMS["refinement_overcomes_the_bias"], table({10: 0.0, 9000: 0.0}, spread=0.001)).outcome == "fails"


def test_an_oracle_that_errs_as_much_contradicts_the_sentence() -> None:
    assert decide(CLAIMS["refinement_is_no_oracle"], table({10: 0.2, 9000: 0.3}, ceiling_error=0.3, **NEAR)).outcome == "fails"
