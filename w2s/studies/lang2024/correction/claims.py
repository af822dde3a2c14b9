"""What the paper says of wrong and missing pseudolabels, as tests on a table.

The paper proves that wrong labels are corrected where the set of right ones expands to them. What is tested here is the content
of that: teachers with the same error have students with opposite ones, by where the errors lie. The worst setting decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, untestable, within, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, STUDENT_AVERAGED
from w2s.claims.settings import worst_setting
from w2s.claims.trends import lines_along, steps
from w2s.theory import lang2024 as theory

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Means = npt.NDArray[np.float64]

SETTING = (
    *("d", "distance", "spread", "n_transfer", "d_strong", "bandwidth", "ridge"),
    *("teacher_error", "structured", "abstains", "abstain"),
)


def _ratio(means: Means) -> float:
    return float(means[0] / means[1])


def _full(table: DataFrame, limits: Thresholds) -> DataFrame:
    """Keep the rows of teachers that are never silent, with an error for which the sentence is meant."""
    found: DataFrame = table[(table["abstains"] == "nowhere") & table["teacher_error"].between(limits["from"], limits["to"])]
    return found


def _inherited(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _full(table, limits)
    return worst_setting(
        rows[rows["structured"] == 1],
        SETTING,
        ["student_error", "weak_error"],
        _ratio,
        lambda at, value, interval, seeds: within(
            f"student's error / teacher's{at}", value, interval, (limits["least"], limits["most"]), seeds
        ),
        "needs teachers whose errors fill a region",
    )


def _corrected(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _full(table, limits)
    return worst_setting(
        rows[rows["structured"] == 0],
        SETTING,
        ["student_error", "weak_error"],
        _ratio,
        lambda at, value, interval, seeds: below(f"student's error / teacher's{at}", value, interval, limits["most"], seeds),
        "needs teachers whose errors are coins",
    )


def _decides(table: DataFrame, limits: Thresholds) -> Verdict:
    names = ["student_error", "expansion_correction"]
    rows = _full(table, limits).dropna(subset=names)
    lines = lines_along(rows, "structured", names, 3)
    nothing = "needs three parts of the errors in a region"
    errors = steps(lines, lambda m: m[:, 0], "the student's error", rises=True, threshold=limits["least"], nothing=nothing)
    spreads = steps(
        lines, lambda m: m[:, 1], "expansion to wrong labels", rises=False, threshold=-limits["least"], nothing=nothing
    )
    return worst([errors, spreads], nothing)


def _covers(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[table["abstains"].isin(["random", "across"]) & (table["structured"] == 0)]
    rows = rows[(rows["abstain"] <= limits["abstain"]) & rows["teacher_error"].between(limits["from"], limits["to"])]
    return worst_setting(
        rows,
        SETTING,
        ["student_error_uncovered", "weak_error"],
        _ratio,
        lambda at, value, interval, seeds: below(
            f"error on silent points / teacher's error{at}", value, interval, limits["most"], seeds
        ),
        "needs teachers that are silent at random, or across both classes",
    )


def _misses(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["abstains"] == "along") & (table["abstain"] >= limits["abstain"])]
    return worst_setting(
        rows,
        SETTING,
        ["student_error_uncovered", "student_error"],
        lambda means: float(means[0] - means[1]),
        lambda at, value, interval, seeds: above(
            f"error on silent points less that on covered ones{at}", value, interval, limits["least"], seeds
        ),
        "needs teachers that are silent about one class",
    )


def _identity(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table.dropna(subset=["student_error_bad"])
    expected = theory.error_from_agreement(rows["misfit"], rows["weak_error"], rows["student_error_bad"])
    apart = np.abs(rows["student_error"].to_numpy(float) - expected)
    if not len(rows):
        return untestable("needs teachers with an error")
    value = float(np.max(np.where(np.isnan(apart), np.inf, apart)))
    return below(f"largest distance of {len(rows):,} rows", value, (value, value), limits["most"], rows["seed"].nunique())


_RANGE = {"from": 0.1, "to": 0.3, "seeds": 8}
_ROOM = dict.fromkeys(("teacher_up", "teacher_down"), "a tenth is less than the room that the bounds leave")
_DOWN = {"teacher_down": "a tenth is less than what the bounds leave on that side"}
_ONE_CLASS = {"student_shuffled": "a student with more error on covered points has no less on silent ones"}
_NO_CEILING = {"ceiling_is_teacher": "no ceiling is in the sentence"}
_CEILING = {"student_is_ceiling": "random errors are corrected nearly to the ceiling, which is what the sentence says"}
_NO_TEACHER = dict.fromkeys(("teacher_up", "teacher_down", "teacher_noisy"), "no error of the teacher is in the sentence")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "region_errors_inherited",
        "wrong labels that fill a region are inherited: the student's error is the teacher's",
        "pseudolabel correction needs expansion; the control",
        _inherited,
        {"structured": 1},
        {"least": 0.85, "most": 1.15, **_RANGE},
        basis="ours: a smooth student rounds the region's border off, by less than 15 % of its mass",
        overlooks=_DOWN | _NO_CEILING,
    ),
    Claim(
        "random_errors_corrected",
        "wrong labels without structure are corrected: the student has less than half of the teacher's error",
        "pseudolabel correction",
        _corrected,
        {"structured": 1},
        {"most": 0.5, **_RANGE},
        basis="ours: half is far from the teacher's error and from the Bayes error, 0.023",
        overlooks=ANY_ORDER | _ROOM | AVERAGED | _NO_CEILING | _CEILING,
    ),
    Claim(
        "structure_decides",
        "at one teacher error, the more of it lies in a region, the less expands to it and the more the student repeats",
        "pseudolabel correction and expansion",
        _decides,
        {"structured": 3, "expansion_correction": 1},
        {"least": 0.0, **_RANGE},
        basis="the sentence is about a direction",
        overlooks=_NO_TEACHER | _NO_CEILING | ANY_ORDER | STUDENT_AVERAGED,
    ),
    Claim(
        "coverage_expands",
        "silent across both classes or at random: the student errs less on silent points than the teacher where it speaks",
        "coverage expansion",
        _covers,
        {"student_error_uncovered": 1},
        {"most": 1.0, "abstain": 0.5, **_RANGE},
        basis="the sentence is about a direction",
        overlooks=ANY_ORDER | _ROOM | AVERAGED | _NO_CEILING | _CEILING,
    ),
    Claim(
        "no_expansion_no_coverage",
        "where the silent points are one class, the student is wrong on them",
        "coverage expansion; a control of ours",
        _misses,
        {"student_error_uncovered": 1},
        {"least": 0.3, "abstain": 0.55, "seeds": 8},
        basis="ours: nearly all silent points are of a class without labels",
        overlooks=_NO_TEACHER | _NO_CEILING | STUDENT_AVERAGED | _ONE_CLASS,
    ),
    Claim(
        "error_from_agreement",
        "err(f, y|S) = err(f, y~|S) + alpha (2 err(f, y|S_bad) - 1): a student gains by the wrong labels it does not repeat",
        "two classes; derived",
        _identity,
        {"student_error_bad": 1},
        {"most": 1e-9},
        basis="rounding",
        overlooks=_NO_CEILING,
    ),
)
