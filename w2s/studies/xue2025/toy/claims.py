"""What the paper says of PredGap, on a toy where the population is known, as tests on a table.

Where a claim is about several settings the worst one decides. Predictions are compared with PredGap of the population, as
ratios of means over seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, within, worst
from w2s.claims.overlooks import ANY_ORDER, NO_CEILING, STUDENT_AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.claims.settings import largest_distance
from w2s.measure.ranking import rank_correlation
from w2s.measure.scales import POSITIVE
from w2s.studies.xue2025.orders import Ladder, ladders
from w2s.studies.xue2025.settings import each_ratio

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

_LADDER = ("student_error", "pred_gap", "pred_gap_theory", "score_trace", "score_operator")
_NOTHING = "needs weak models that miss a fifth of the latent coordinates or more, on the first ones as they are"


def _missing(table: DataFrame, principal: str = "latent") -> DataFrame:
    """Keep the weak models that see at most four fifths of the latent coordinates, these undisturbed."""
    rows = table[(table["principal"] == principal) & (table["cosine"] == 1.0)]
    return rows[rows["d_weak"] <= 0.8 * rows["latent"]]


def _ordinary(rows: DataFrame) -> DataFrame:
    """Keep the ridges that are no smaller than what the tails add to them."""
    return rows[(rows["ridge"] >= rows["gamma_strong"]) & (rows["ridge_weak"] >= rows["gamma_weak"])]


def _predicted(principal: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        bounds = limits["least"], limits["most"]
        rows = _ordinary(_missing(table, principal))
        return each_ratio(rows, "formula / PredGap", "pred_gap_theory", ["pred_gap"], within, bounds, _NOTHING)

    return test


def _understated(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _missing(table)
    rows = rows[(rows["ridge"] <= 2.0 * rows["gamma_strong"]) & (rows["ridge_weak"] <= 2.0 * rows["gamma_weak"])]
    name = "PredGap / formula with full kernels"
    return each_ratio(rows, name, "pred_gap", ["pred_gap_full_theory"], above, limits["least"], _NOTHING)


def _forgotten(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _missing(table)
    rows = rows[(rows["ridge"] <= 0.1 * rows["gamma_strong"]) & (rows["tail_width"] >= 5 * rows["n_transfer"])]
    nothing = "needs students of a small ridge with tails much wider than the rows are many"
    fit = each_ratio(
        rows, "misfit on the student's rows / misfit", "student_fit_error", ["misfit"], below, limits["fit"], nothing
    )
    bounds = limits["least"], limits["most"]
    return worst(
        [fit, each_ratio(rows, "formula / PredGap", "pred_gap_theory", ["pred_gap"], within, bounds, nothing)], nothing
    )


def _sum(table: DataFrame, limits: Thresholds) -> Verdict:
    bounds = limits["least"], limits["most"]
    rows = _ordinary(_missing(table))
    rows = rows[rows["ridge"] <= limits["ridge"]]
    name = "student_error / (ceiling_error + PredGap)"
    return each_ratio(rows, name, "student_error", ["ceiling_error", "pred_gap"], within, bounds, _NOTHING)


def _limit(table: DataFrame, limits: Thresholds) -> Verdict:
    bounds = limits["least"], limits["most"]
    rows = _ordinary(_missing(table))
    return each_ratio(rows, "closed form / PredGap", "pred_gap_limit_theory", ["pred_gap"], within, bounds, _NOTHING)


def _below_bound(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _missing(table)
    name = "PredGap / (operator score x label power)"
    return each_ratio(rows, name, "pred_gap", ["pred_gap_bound_theory"], below, limits["most"], _NOTHING)


def _identity(table: DataFrame, limits: Thresholds) -> Verdict:
    difference = table["same_sample_gap"] - table["pred_gap_full_theory"]
    name = "distance of the gap on one sample from the formula"
    return largest_distance(name, difference, limits["most"], table["seed"].nunique())


def _by_width(table: DataFrame) -> list[Ladder]:
    rows = table[(table["principal"] == "latent") & (table["cosine"] == 1.0)]
    return ladders(rows, ["d_weak"], _LADDER, 4)


def _by_cosine(table: DataFrame) -> list[Ladder]:
    rows = table[(table["principal"] == "latent") & (table["d_weak"] == table["latent"]) & (table["cosine"] < 1.0)]
    return ladders(rows, ["cosine"], _LADDER, 4)


def _least_order(found: list[Ladder], column: str, limits: Thresholds) -> Verdict:
    """Judge the least rank correlation, over seeds and settings, of a score and the student's error."""
    place, verdicts = _LADDER.index(column), []
    for ladder in found:
        each = [rank_correlation(values[:, place], values[:, 0]) for values in ladder.values]
        value = float(np.min(each))
        name = f"least rank correlation of {len(each)} seeds over {ladder.models} weak models"
        verdicts.append(above(name, value, (value, value), limits["least"], len(each)))
    return worst(verdicts, "needs four weak models on the same seeds")


def _saturated(table: DataFrame, limits: Thresholds) -> Verdict:
    """Judge by how much less the operator score tells weak models apart than their students' PredGap does."""
    place, gap, verdicts = _LADDER.index("score_operator"), _LADDER.index("pred_gap"), []
    rows = _missing(table)

    def spread(means: npt.NDArray[np.float64]) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            score, apart = np.ptp(np.log(means[:, [place, gap]]), axis=0)
            return float(score / apart)

    for ladder in ladders(rows, ["d_weak"], _LADDER, 3):
        value, interval, seeds = over_means(ladder.seeds, ladder.values, spread, scale=POSITIVE)
        name = f"spread of log operator score / spread of log PredGap over {ladder.models} weak models"
        verdicts.append(below(name, value, interval, limits["most"], seeds))
    return worst(verdicts, "needs three weak models that miss latent coordinates")


_SAMPLE = "a tenth, for rows in a finite number: label power of 800 rows alone has a standard deviation of 5 %"
_ROUNDING = "rounding"
_ORDER = "the sentence is about an order without an exception"
_NO_TEACHER = dict.fromkeys(("teacher_up", "teacher_down", "teacher_noisy"), "no error of the teacher is in the sentence")
_MEANS = ANY_ORDER | _NO_TEACHER
_LARGER = dict.fromkeys(
    ("student_is_teacher", "student_constant", "flipped"), "one-sided: a student farther from the ceiling has a larger gap"
)
_CLOSE = {"flipped": "a teacher's error is near its student's, where it misses whole directions"}
_SUM = dict.fromkeys(
    ("student_is_teacher", "student_constant", "student_shuffled", "flipped"),
    "the sum is exact but for a product with the ceiling's own error, whoever the student is",
)
_SAME_ORDER = {
    "student_is_teacher": "teachers have the order of their students",
    "flipped": "teachers have the order of their students",
    "seeds_permuted": "the order is the same for every seed",
}
_SPREAD = dict.fromkeys(
    ("student_is_teacher", "seeds_permuted", "student_noisy", "flipped", "ceiling_is_teacher"),
    "their gaps are still far more apart than the scores",
)
_BELOW = dict.fromkeys(
    ("student_is_teacher", "student_shuffled", "flipped", "ceiling_is_teacher"), "one-sided: such gaps are below the bound too"
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "same_sample_identity",
        "On one sample, with full kernels, PredGap is the formula: (P_s (I - P_w) y)^2 in the mean.",
        "Theorem 3.8, exact for one sample",
        _identity,
        {"same_sample_gap": 1, "pred_gap_full_theory": 1},
        {"most": 1e-10},
        basis=_ROUNDING,
        overlooks=_NO_TEACHER,
    ),
    Claim(
        "principal_kernels_predict",
        "Principal kernels with ridges beta + gamma predict PredGap.",
        "Theorem 3.8",
        _predicted("latent"),
        {"pred_gap_theory": 1, "d_weak": 2},
        {"least": 0.9, "most": 1.1, "seeds": 8},
        basis=_SAMPLE,
        overlooks=_NO_TEACHER,
    ),
    Claim(
        "eigengap_predicts",
        "They do so too where the principal directions are those before the widest quotient of eigenvalues.",
        "Theorem 3.8, principal representations",
        _predicted("eigengap"),
        {"pred_gap_theory": 1},
        {"least": 0.9, "most": 1.1, "seeds": 8},
        basis=_SAMPLE,
        overlooks=_MEANS,
    ),
    Claim(
        "full_kernels_understate",
        "Full kernels, in which the tails fit the labels, understate PredGap by a factor.",
        "principal representations",
        _understated,
        {"pred_gap_full_theory": 1, "d_weak": 2},
        {"least": 2.0, "seeds": 8},
        basis="a separate simulation of the setting has 2.2 to 2.4",
        overlooks=_LARGER | _MEANS,
    ),
    Claim(
        "fitted_and_forgotten",
        "A student that fits every weak label forgets what is outside its principal directions: principal kernels predict it.",
        "benign overfitting",
        _forgotten,
        {"student_fit_error": 1},
        {"fit": 0.05, "least": 0.85, "most": 1.15, "seeds": 8},
        basis="fit: its own rows have a twentieth of the misfit of others; least, most: a tenth as elsewhere, and a twentieth "
        "for tails of a finite width",
        overlooks=_CLOSE | _MEANS,
    ),
    Claim(
        "closed_form_of_many_rows",
        "Where a direction is seen or not, PredGap is near sum_j theta_j^2 phi_s^2 (1 - phi_w)^2, phi = 1/(1 + beta + gamma).",
        "Theorem 3.8, derived for the toy",
        _limit,
        {"pred_gap_limit_theory": 1},
        {"least": 0.9, "most": 1.1, "seeds": 8},
        basis=_SAMPLE,
        overlooks=_CLOSE | {"student_is_teacher": _CLOSE["flipped"]} | _MEANS,
    ),
    Claim(
        "student_error_is_ceiling_plus_gap",
        "The student's error is the ceiling's and PredGap together, where the ceiling's ridge shrinks little.",
        "Introduction of PredGap",
        _sum,
        {"pred_gap": 1, "d_weak": 2},
        {"least": 0.9, "most": 1.1, "ridge": 0.02, "seeds": 8},
        basis="least, most: a tenth, for the product of PredGap and the ceiling's own error; ridge: a fiftieth of eigenvalues",
        overlooks=_SUM | STUDENT_AVERAGED | _MEANS,
    ),
    Claim(
        "prediction_orders_students",
        "The formula orders the students of all weak models.",
        "experiments, student error against the formula",
        lambda table, limits: _least_order(_by_width(table), "pred_gap_theory", limits),
        {"d_weak": 4},
        {"least": 0.999, "seeds": 8},
        basis=_ORDER,
        overlooks=_SAME_ORDER | _NO_TEACHER | NO_CEILING,
    ),
    Claim(
        "trace_score_orders_students",
        "So does ||P_s (I - P_w)||_F^2 / tr P_s, without labels.",
        "label-free metric, derived",
        lambda table, limits: _least_order(_by_width(table), "score_trace", limits),
        {"d_weak": 4},
        {"least": 0.999, "seeds": 8},
        basis=_ORDER,
        overlooks=_SAME_ORDER | _NO_TEACHER | NO_CEILING,
    ),
    Claim(
        "operator_score_orders_partial_sights",
        "The operator norm orders weak models that see every direction in part.",
        "label-free metric",
        lambda table, limits: _least_order(_by_cosine(table), "score_operator", limits),
        {"cosine": 4},
        {"least": 0.999, "seeds": 8},
        basis=_ORDER,
        overlooks=_SAME_ORDER | _NO_TEACHER | NO_CEILING,
    ),
    Claim(
        "operator_score_saturates",
        "It does not tell apart weak models that miss whole directions, however many.",
        "label-free metric, derived",
        _saturated,
        {"d_weak": 3},
        {"most": 0.05, "seeds": 8},
        basis="a twentieth of the spread of PredGap",
        overlooks=_SPREAD | _NO_TEACHER,
    ),
    Claim(
        "gap_below_label_free_bound",
        "PredGap is below ||P_s (I - P_w)||_op^2 times the label power.",
        "label-free metric",
        _below_bound,
        {"pred_gap_bound_theory": 1},
        {"most": 1.0, "seeds": 8},
        basis="the bound",
        overlooks=_BELOW | STUDENT_AVERAGED | _MEANS,
    ),
)
"""Claims of :class:`w2s.studies.xue2025.toy.study.Toy`."""
