"""What the paper says of students of surrogates, as tests on a table.

A student and the ceiling of its row share inputs and noise, so their ratio is that of two fits to one sample. A claim about
several settings has the verdict of the worst of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, within, worst
from w2s.claims.overlooks import ANY_ORDER, STUDENT_AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.claims.settings import worst_setting
from w2s.claims.trends import lines_along

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Means = npt.NDArray[np.float64]

SETTING = ("d", "decay", "signal_decay", "n_transfer", "ridge", "noise", "surrogate", "keep", "n_labeled")


def _ratio(means: Means) -> float:
    return float(means[0] / means[1])


def _equivalent(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[table["n_transfer"] >= limits["rows"]]
    return worst_setting(
        rows,
        SETTING,
        ["student_error", "student_error_theory"],
        _ratio,
        lambda at, value, interval, seeds: within(
            f"error / deterministic equivalent{at}", value, interval, (limits["least"], limits["most"]), seeds
        ),
        f"needs students of {limits['rows']:g} rows or more",
    )


def _against_truth(surrogate: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    """Make a test that students of a surrogate have less error than those of true labels, on the same rows and noise."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        rows = table[(table["surrogate"] == surrogate) & (table["n_transfer"] < table["d"]) & ~(table["ridge"] > 0)]
        return worst_setting(
            rows,
            SETTING,
            ["student_error", "ceiling_error"],
            _ratio,
            lambda at, value, interval, seeds: below(
                f"error / error on true labels{at}", value, interval, limits["most"], seeds
            ),
            f"needs minimum-norm students of the surrogate {surrogate}",
        )

    return test


def _too_weak(table: DataFrame, limits: Thresholds) -> Verdict:
    few = table["keep"] <= limits["part"] * table["kept_theory"]
    return worst_setting(
        table[(table["surrogate"] == "first") & few],
        SETTING,
        ["student_error", "ceiling_error"],
        _ratio,
        lambda at, value, interval, seeds: above(f"error / error on true labels{at}", value, interval, limits["least"], seeds),
        f"needs surrogates with at most {limits['part']:g} of the features that the best mask keeps",
    )


def _exponent(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["surrogate"] == "optimal") & (table["noise"] == 0) & ~(table["ridge"] > 0)]
    found = []
    for line in lines_along(rows, "n_transfer", ["student_error", "ceiling_error"], 3):
        logs = np.log(line.levels.astype(float))
        value, interval, seeds = over_means(line.seeds, line.values, functools.partial(_slopes, logs))
        name = f"exponent of optimal less that of true labels over {len(logs)} counts of rows, decay = {line.fields['decay']:g}"
        found.append(within(name, value, interval, (-limits["most"], limits["most"]), seeds))
    return worst(found, "needs noiseless students of the optimal surrogate at three counts of rows")


def _slopes(logs: Means, means: Means) -> float:
    """Fit slopes to the logarithms of both columns (levels, 2); return their difference, NaN where an error is not positive."""
    if not (means > 0).all():
        return float("nan")
    first, second = np.polyfit(logs, np.log(means), 1)[0]
    return float(first - second)


_NEAR = dict.fromkeys(("student_is_teacher", "flipped"), "a surrogate is nearer to the target than any student of it")
_NO_CEILING = {"ceiling_is_teacher": "no ceiling is in the sentence"}
_BELOW = {"ceiling_is_teacher": "one-sided: a surrogate is nearer to the target than its student too"}
_OWN = dict.fromkeys(("teacher_up", "teacher_down", "teacher_noisy"), "no error of the teacher is in the sentence")
_NOT_BETTER = {
    "student_constant": "one-sided: a constant is worse than a student of true labels too",
}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "deterministic_equivalent",
        "the student's risk is that of the deterministic equivalent, for any surrogate",
        "characterisation of the risk",
        _equivalent,
        {"student_error_theory": 1},
        {"least": 0.9, "most": 1.1, "rows": 100, "seeds": 8},
        basis="the equivalent is a limit; at 100 rows and more its error is a few per cent, and 48 seeds leave as much again",
        overlooks=_OWN | _NO_CEILING,
    ),
    Claim(
        "optimal_below_truth",
        "a student of the optimal surrogate has less error than one of true labels",
        "optimal surrogate",
        _against_truth("optimal"),
        {},
        {"most": 1.0, "seeds": 8},
        basis="the sentence is about a direction",
        overlooks=_OWN | _NEAR,
    ),
    Claim(
        "weaker_teacher_better_student",
        "a student of a masked, so weaker, surrogate has less error than one of true labels",
        "masked surrogate",
        _against_truth("mask"),
        {},
        {"most": 1.0, "seeds": 8},
        basis="the sentence is about a direction",
        overlooks=_OWN | _NEAR,
    ),
    Claim(
        "too_weak_hurts",
        "a surrogate with a quarter of the best mask's features, or less, makes the student worse than true labels do",
        "masked surrogate; a control of ours",
        _too_weak,
        {"keep": 1},
        {"least": 1.0, "part": 0.25, "seeds": 8},
        basis="the sentence is about a direction; a quarter is far from the best mask",
        overlooks=_OWN | _NOT_BETTER | _BELOW | STUDENT_AVERAGED | ANY_ORDER,
    ),
    Claim(
        "exponent_unchanged",
        "the optimal surrogate changes the constant of the scaling law, not its exponent",
        "scaling laws",
        _exponent,
        {"n_transfer": 3},
        {"most": 0.05, "seeds": 8},
        basis="the limit of the difference is 0; exponents themselves are near 1",
        overlooks=_OWN,
    ),
)
