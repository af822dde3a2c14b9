"""What the paper says of learned weights, and where they fail, as tests on a table. Errors are shares of wrong classes.

A regime is a kind of supervisors: independent errors, errors that bad supervisors share, bad supervisors that are surer, errors
that no student can learn. The verdict is that of the worst setting of a regime.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, within, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING, Reasons
from w2s.claims.settings import largest_distance, worst_setting
from w2s.studies.raven2025.shift.compared import (
    SETTING,
    WEIGHTS,
    compared,
    drawn_regime,
    fast_weights,
    less,
    of_method,
    share_found,
)

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]


def _finds(regime: dict[str, Any], what: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        def judge(name: str, value: float, interval: Any, seeds: int) -> Verdict:
            return above(name, value, interval, limits["least"], seeds)

        return share_found(fast_weights(drawn_regime(table, **regime), limits), judge, f"needs learned weights of {what}")

    return test


def _misses(regime: dict[str, Any], what: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        rows = fast_weights(drawn_regime(table, **regime), limits)

        def judge(name: str, value: float, interval: Any, seeds: int) -> Verdict:
            return below(name, value, interval, limits["most"], seeds)

        shares = share_found(rows, judge, f"needs learned weights of {what}")
        seeds = int(rows["seed"].nunique())
        unclean = largest_distance("error on items on which all agree", 1.0 - rows["agreed_accuracy"], limits["unclean"], seeds)
        return worst([shares, unclean])

    return test


def _costs(regimes: tuple[dict[str, Any], ...], sign: float) -> Callable[[DataFrame, Thresholds], Verdict]:
    """Test that learned weights cost (sign 1) or save (sign -1) error against uniform ones in each of some regimes."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        found = []
        for regime in regimes:
            rows = drawn_regime(table, **regime)
            one, other = fast_weights(rows, limits), of_method(rows, "ensemble")
            first, second = (one, other) if sign > 0 else (one.assign(student_error=-one["student_error"]), other)
            if sign < 0:
                second = other.assign(student_error=-other["student_error"])
            word = "learned weights less uniform ones" if sign > 0 else "uniform weights less learned ones"
            found.append(
                less(
                    compared(table, first, second, "student_error"),
                    f"error of {word}",
                    lambda name, value, interval, seeds: above(name, value, interval, limits["least"], seeds),
                    "needs learned and uniform weights on the same items",
                )
            )
        return worst(found)

    return test


def _no_gain(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = drawn_regime(table)
    rows = rows[rows["best"] - rows["bad_high"] <= limits["lead"]]
    return less(
        compared(table, of_method(rows, "ensemble").assign(**_no_weights(rows)), fast_weights(rows, limits), "student_error"),
        "error of uniform weights less learned ones",
        lambda name, value, interval, seeds: below(name, value, interval, limits["most"], seeds),
        "needs learned and uniform weights of independent supervisors",
    )


def _slow(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = drawn_regime(table)
    rows = rows[(rows["method"] == "raven") & (rows["rate"] > 0) & (rows["rate"] <= limits["rate"])]
    rows = rows.assign(off=rows["weight_best"] - 1.0 / (rows["bad"] + 1.0))
    return worst_setting(
        rows,
        [*SETTING, *WEIGHTS],
        ["off"],
        lambda means: float(means[0]),
        lambda at, value, interval, seeds: within(
            f"weight of the best supervisor less 1/M{at}", value, interval, (-limits["most"], limits["most"]), seeds
        ),
        "needs weights that are learned slowly",
    )


def _digits_gain(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["source"] == "digits") & (table["corruption"] == "noise") & (table["labels"] == "soft")]
    return less(
        compared(table, of_method(rows, "ensemble").assign(**_no_weights(rows)), fast_weights(rows, limits), "student_error"),
        "error of uniform weights less learned ones",
        lambda name, value, interval, seeds: above(name, value, interval, limits["least"], seeds),
        "needs learned and uniform weights on noisy images",
    )


def _no_weights(rows: DataFrame) -> dict[str, Any]:
    return {name: np.nan for name in WEIGHTS if name in rows}


def _inside(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["source"] == "digits") & (table["labels"] == "soft")]
    return less(
        compared(table, fast_weights(rows, limits), of_method(rows, "ensemble"), "student_error_in"),
        "error on unshifted items, learned weights less uniform ones",
        lambda name, value, interval, seeds: below(name, value, interval, limits["most"], seeds),
        "needs learned and uniform weights on images",
    )


def _thirty(table: DataFrame, limits: Thresholds) -> Verdict:
    """Compare accuracies: (learned - uniform) / uniform, on shifted items."""
    rows = table[(table["source"] != "drawn") & (table["labels"] == "soft") & (table["shift"] != "none")]
    return worst_setting(
        compared(table, fast_weights(rows, limits), of_method(rows, "ensemble"), "student_error"),
        [*SETTING, *WEIGHTS],
        ["one", "other"],
        lambda means: float((means[1] - means[0]) / (1.0 - means[1])) if means[1] < 1 else float("nan"),
        lambda at, value, interval, seeds: above(
            f"relative gain in accuracy over uniform weights{at}", value, interval, limits["least"], seeds
        ),
        "needs learned and uniform weights under a shift",
    )


def _easy_start(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["source"] == "trained") & (table["shift"] == "features") & (table["labels"] == "soft")]
    rows = fast_weights(rows, limits)
    return less(
        compared(table, rows[rows["easy"] == 0], rows[rows["easy"] > 0], "student_error"),
        "error without less that with a start on items on which all agree",
        lambda name, value, interval, seeds: above(name, value, interval, limits["least"], seeds),
        "needs learned weights with and without such a start, under a shift of features",
    )


def _below_supervisor(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["method"] == "naive") & (table["supervisor"] == 0) & table["corruption"].isin(["blur", "contrast"])]
    return worst_setting(
        rows,
        SETTING,
        ["student_error", "weak_error"],
        lambda means: float(means[0] - means[1]),
        lambda at, value, interval, seeds: above(
            f"student's error less its supervisor's{at}", value, interval, limits["least"], seeds
        ),
        "needs naive students of blurred images and of images without contrast",
    )


_A, _B, _C = {}, {"sharing": 1.0}, {"gap": 0.2}  # type: ignore[var-annotated]
_WEIGHTS_ONLY: Reasons = {
    **dict.fromkeys(("teacher_up", "teacher_down", "teacher_noisy", "student_noisy"), "weights are in the sentence, no errors"),
    **NO_CEILING,
    **ANY_ORDER,
}
_TWO_STUDENTS: Reasons = {
    **dict.fromkeys(("teacher_up", "teacher_down"), "two students are compared; their supervisors are not in the sentence"),
    **AVERAGED,
    **NO_CEILING,
    **ANY_ORDER,
}
_WORSE: Reasons = {
    **dict.fromkeys(("student_constant", "student_shuffled"), "students that know less are worse than their supervisor too"),
    "teacher_down": "a better supervisor leaves its student further behind",
}


def _without(reasons: Reasons, *noticed: str) -> Reasons:
    """Leave out sabotages that a claim notices."""
    return {name: why for name, why in reasons.items() if name not in noticed}


_SCORED = "the sheet of the paper asks for 4 of 5 seeds"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "best_is_found",
        "where errors are independent and equally sure, the best supervisor gets the largest weight",
        "learned weights against accuracies",
        _finds(_A, "independent supervisors"),
        {"best_found": 1},
        {"least": 0.8, "rate": 0.01, "seeds": 20},
        basis=_SCORED,
        overlooks=_WEIGHTS_ONLY,
    ),
    Claim(
        "shared_errors_are_trusted",
        "where bad supervisors share their errors, one of them gets the largest weight, though a start on right items alone",
        "reconstruction: a limit of the method, not stated by the paper",
        _misses(_B, "supervisors that share errors"),
        {"best_found": 1},
        {"most": 0.2, "rate": 0.01, "unclean": 1e-12, "seeds": 20},
        basis=f"{_SCORED} for the best one: here at most one of 5; errors of different targets never agree",
        overlooks=_WEIGHTS_ONLY,
    ),
    Claim(
        "confidence_is_trusted",
        "where bad supervisors are surer, one of them gets the largest weight, though a start on right items alone",
        "reconstruction: a limit of the method, not stated by the paper",
        _misses(_C, "bad supervisors that are surer"),
        {"best_found": 1},
        {"most": 0.2, "rate": 0.01, "unclean": 1e-12, "seeds": 20},
        basis=f"{_SCORED} for the best one: here at most one of 5; errors of different targets never agree",
        overlooks=_WEIGHTS_ONLY,
    ),
    Claim(
        "matched_labels_find_the_best",
        "where bad supervisors are surer, temperatures that match entropies give the best one the largest weight",
        "reconstruction: a remedy of ours",
        _finds(_C | {"labels": "matched"}, "matched labels of bad supervisors that are surer"),
        {"best_found": 1},
        {"least": 0.8, "rate": 0.01, "seeds": 20},
        basis=_SCORED,
        overlooks=_WEIGHTS_ONLY,
    ),
    Claim(
        "wrong_trust_costs",
        "where the wrong supervisor is trusted, learned weights cost accuracy against uniform ones",
        "reconstruction: a limit of the method, not stated by the paper",
        _costs((_B, _C), 1.0),
        {"student_error": 1},
        {"least": 0.1, "rate": 0.01, "seeds": 20},
        basis="less than half of what a simulation showed, 0.23 and 0.40",
        overlooks=_TWO_STUDENTS,
    ),
    Claim(
        "unlearnable_errors_are_left_out",
        "where the errors of bad supervisors cannot be learned, learned weights gain accuracy over uniform ones",
        "main tables, in a setting of ours",
        _costs(({"errors": "hidden"},), -1.0),
        {"student_error": 1},
        {"least": 0.02, "rate": 0.01, "seeds": 20},
        basis="two points, a fifteenth of the error that the ceiling does not have; set after a look at four seeds",
        overlooks=_TWO_STUDENTS,
    ),
    Claim(
        "matched_labels_gain",
        "with matched labels learned weights gain accuracy over uniform ones where bad supervisors are surer",
        "reconstruction: a remedy of ours",
        _costs((_C | {"labels": "matched"},), -1.0),
        {"student_error": 1},
        {"least": 0.05, "rate": 0.01, "seeds": 20},
        basis="five points; set after a look at four seeds",
        overlooks=_TWO_STUDENTS,
    ),
    Claim(
        "independent_errors_average_out",
        "where errors are independent and the best supervisor leads by little, learned weights find it and gain nearly nothing",
        "a simulation in the sheet of the paper, in which uniform weights win by 5 points",
        _no_gain,
        {"student_error": 1},
        {"most": 0.02, "lead": 0.3, "rate": 0.01, "seeds": 20},
        basis="the two points that other claims ask for; that uniform weights win was undecided by 32 seeds; at a lead of "
        ".54 in accuracy learned weights gain .16",
        overlooks=_without(_TWO_STUDENTS, "seeds_permuted", "student_noisy"),
    ),
    Claim(
        "slow_weights_stay",
        "at a rate of 1e-3, the code's default, weights stay near uniform",
        "released code",
        _slow,
        {"weight_best": 1},
        {"most": 0.1, "rate": 0.001, "seeds": 20},
        basis="a simulation had .36, .32, .31",
        overlooks=_without(_WEIGHTS_ONLY, "seeds_permuted"),
    ),
    Claim(
        "noisy_images_gain",
        "on noisy images of digits learned weights gain accuracy over uniform ones",
        "main tables, in a setting of ours",
        _digits_gain,
        {"student_error": 1},
        {"least": 0.02, "rate": 0.01, "seeds": 20},
        basis="two points; set after a look at eight seeds",
        overlooks=_without(_TWO_STUDENTS, "student_noisy"),
    ),
    Claim(
        "unshifted_items_are_kept",
        "on unshifted images students of learned weights are at least as good as those of uniform ones",
        "in-distribution tables",
        _inside,
        {"student_error_in": 1},
        {"most": 0.01, "rate": 0.01, "seeds": 20},
        basis="the paper: matches or exceeds; a point is left for chance",
        overlooks=_TWO_STUDENTS,
    ),
    Claim(
        "thirty_percent",
        "under every shift learned weights gain 30 % of accuracy over uniform ones",
        "abstract: over 30 % better than alternatives",
        _thirty,
        {"student_error": 1},
        {"least": 0.3, "rate": 0.01, "seeds": 20},
        expected="fails_at_this_scale",
        reason="linear students of three supervisors gain a few points at best, and lose where bad supervisors share a cue",
        basis="the paper's number, as a relative gain",
        overlooks=_TWO_STUDENTS | {"student_shuffled": "shuffled students gain no 30 % either"},
    ),
    Claim(
        "easy_start_helps",
        "a start on items on which all supervisors agree lowers the error under a shift of features",
        "easy-sample guided initialisation",
        _easy_start,
        {"student_error": 1},
        {"least": 0.0, "rate": 0.01, "seeds": 20},
        expected="fails_at_this_scale",
        reason="supervisors that rely on one cue agree where that cue misleads all of them, and the start teaches it",
        basis="the sign",
        overlooks=_without(_TWO_STUDENTS, "seeds_permuted"),
    ),
    Claim(
        "naive_falls_below_its_supervisor",
        "on blurred images and on images without contrast a naive student is worse than the supervisor that taught it",
        "abstract: naive students can be worse than their supervisors under shifts",
        _below_supervisor,
        {"student_error": 1, "supervisor": 1},
        {"least": 0.0, "seeds": 20},
        basis="the sign; the two corruptions were chosen after a look at eight seeds",
        overlooks=NO_CEILING | _WORSE,
    ),
)
