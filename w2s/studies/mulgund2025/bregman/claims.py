"""What the paper says of gain and misfit beyond the squared loss, and what it leaves out, as tests on a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, untestable, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, STUDENT_AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.claims.settings import largest_distance, worst_mean
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]


def _rows(table: DataFrame, head: str, loss: str, error: str, target: str = "in_class") -> DataFrame:
    chosen = (table["head"] == head) & (table["loss"] == loss) & (table["error"] == error) & (table["target"] == target)
    return table[chosen & (table["noise"] > 0)]


def _never_short(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _rows(table, "mixture", "reverse", "forward")
    slack = (rows["gain"] - rows["misfit"]).dropna()
    if not len(slack):
        return untestable("needs mixtures that hold the truth, by reverse divergence, with forward errors")
    value = float(slack.min())
    name = f"least gain - misfit of {len(slack):,} rows"
    return above(name, value, (value, value), limits["least"], rows["seed"].nunique())


def _dual(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _rows(table, "logistic", "forward", "reverse")
    return largest_distance("gain - misfit", rows["gain"] - rows["misfit"], limits["most"], rows["seed"].nunique())


def _squared(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[table["head"] == "squared"]
    return largest_distance("relative gain - misfit", _excess(rows), limits["most"], rows["seed"].nunique())


def _identity(table: DataFrame, limits: Thresholds) -> Verdict:
    scale = np.maximum(table["weak_error"], table["misfit"])
    relative: npt.ArrayLike = (table["gain"] - table["gain_theory"]) / np.where(scale > 0, scale, 1.0)
    return largest_distance("relative gain - gain_theory", relative, limits["most"], table["seed"].nunique())


def _excess(rows: DataFrame) -> npt.ArrayLike:
    return np.asarray((rows["gain"] - rows["misfit"]) / rows["misfit"])


def _uncovered(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _rows(table, "logistic", "forward", "forward")
    return worst_mean(
        rows[rows["bias"] == 0],
        _excess,
        lambda name, value, interval, seeds: below(name, value, interval, limits["most"], seeds),
        "(gain - misfit) / misfit",
        "needs linear heads by cross-entropy, with forward errors, and teachers without a linear error",
    )


def _outside(table: DataFrame, limits: Thresholds) -> Verdict:
    return worst_mean(
        _rows(table, "logistic", "forward", "reverse", "outside"),
        _excess,
        lambda name, value, interval, seeds: below(name, value, interval, limits["most"], seeds),
        "(gain - misfit) / misfit",
        "needs linear heads by cross-entropy of a truth that is none, with reverse errors",
    )


def _rate(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _rows(table, "mixture", "reverse", "forward", "outside")
    others = [name for name in columns.cell_fields(rows) if name not in ("components", "seed")]
    found, nothing = [], f"needs mixtures of {limits['sizes']:g} sizes or more, without the truth, by reverse divergence"
    if not len(rows):
        return untestable(nothing)
    for _, part in rows.assign(short=rows["misfit"] - rows["gain"]).groupby(columns.group_codes(rows, others)[0]):
        wide = part.pivot_table(index="seed", columns="components", values="short").dropna(axis=1)
        if wide.shape[1] < limits["sizes"]:
            continue
        logs = np.log(wide.columns.to_numpy(float))

        def slope(means: npt.NDArray[np.float64], logs: npt.NDArray[np.float64] = logs) -> float:
            return float(np.polyfit(logs, np.log(means), 1)[0]) if (means > 0).all() else float("nan")

        name = f"log-log slope of misfit - gain in the number of heads at noise = {part['noise'].iloc[0]:g}"
        value, interval, seeds = over_means(wide.index, wide.to_numpy(), slope)
        found.append(below(name, value, interval, limits["most"], seeds))
    return worst(found, nothing)


_ROUNDING = "rounding, and the fit's own tolerance"
_SAME = {"student_is_teacher": "a copy of the teacher has neither gain nor misfit: equality"}
_BEST = {"student_is_ceiling": "the truth itself has gain = misfit = the teacher's error"}
_AT_ODDS = {"teacher_up": "one-sided: a worse teacher leaves more gain at the same misfit"}
_SHORT_TOO = {
    "teacher_down": "one-sided: a better teacher leaves less gain at the same misfit",
    "flipped": "one-sided: a loss is short of any misfit",
}
_DISTANT = {"student_is_ceiling": "the ceiling, which did not see these labels, gains less than its distance from them too"}
_RATES = {
    "student_is_ceiling": "the ceiling, the mixture nearest to the truth, approaches it at the same rate",
    **dict.fromkeys(("teacher_up", "teacher_down"), "a tenth of the teacher's error is small beside what mixtures lack"),
}
_CEILING = {"ceiling_is_teacher": "no ceiling is in the sentence"}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "reverse_mixture",
        "students by reverse divergence, over mixtures of heads that hold the truth: the gain is never below the misfit",
        "main inequality for classification",
        _never_short,
        {"misfit": 1},
        {"least": -1e-9},
        basis=_ROUNDING,
        overlooks=_SAME | _BEST | _AT_ODDS | _CEILING,
    ),
    Claim(
        "dual_identity",
        "linear heads by cross-entropy, truth a linear head: gain = misfit for errors KL(. || truth), on the sample",
        "derived by us: the dual of the inequality, for classes that are affine in the logits",
        _dual,
        {"misfit": 1},
        {"most": 1e-10},
        basis=_ROUNDING,
        overlooks=_SAME | _BEST | _CEILING,
    ),
    Claim(
        "squared_identity",
        "squared loss, linear students, truth linear: gain = misfit",
        "control: the case that was known",
        _squared,
        {"misfit": 1},
        {"most": 1e-12},
        basis="rounding",
        overlooks=_BEST | _CEILING,
    ),
    Claim(
        "three_point_identity",
        "gain - misfit is the mean of (a - b)(log b - log c) over items and classes, whatever the class and the loss",
        "the identity behind the inequality",
        _identity,
        {"gain_theory": 1},
        {"most": 1e-12},
        basis="rounding",
        overlooks=_CEILING,
    ),
    Claim(
        "cross_entropy_falls_short",
        "ordinary cross-entropy is not covered: linear heads gain less than their misfit for errors KL(truth || .), of "
        "teachers whose errors no head can follow",
        "why the student must come first in its divergence",
        _uncovered,
        {"misfit": 1},
        {"most": 0.0, "seeds": 8},
        basis="the sentence is about a sign",
        overlooks=_CEILING | _SHORT_TOO | STUDENT_AVERAGED,
    ),
    Claim(
        "truth_outside",
        "the dual identity needs a truth in the class: outside of it, the gain is below the misfit",
        "negative control of ours",
        _outside,
        {"misfit": 1},
        {"most": 0.0, "seeds": 8},
        basis="the sentence is about a sign",
        overlooks=_CEILING | _SHORT_TOO | _DISTANT | STUDENT_AVERAGED,
    ),
    Claim(
        "mixtures_approach",
        "mixtures of k heads that do not hold the truth: gain falls short of misfit by an order of 1/sqrt(k), or less",
        "convex combinations of k strong models, error O(sqrt(c/k))",
        _rate,
        {"components": 3},
        {"most": -0.5, "sizes": 4, "seeds": 8},
        basis="the paper's order",
        overlooks=ANY_ORDER | AVERAGED | _CEILING | _RATES,
    ),
)
