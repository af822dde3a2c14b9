"""What the paper says of naive finetuning and refinement, as tests on a table. The verdict is that of the worst setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, below, untestable, within, worst
from w2s.claims.overlooks import ANY_ORDER, STUDENT_AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.claims.settings import worst_setting
from w2s.claims.trends import lines_along

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Means = npt.NDArray[np.float64]

SETTING = ("contexts", "concepts", "bias", "decoy", "apart", "noise", "n_transfer", "student")


def _difference(means: Means) -> float:
    return float(means[0] - means[1])


def _many(table: DataFrame, limits: Thresholds) -> DataFrame:
    """Keep the rows with many demonstrations for each context."""
    found: DataFrame = table[table["n_transfer"] >= limits["per_context"] * table["contexts"]]
    return found


def _largest(rows: DataFrame, differences: Means, what: str, most: float, nothing: str) -> Verdict:
    """Judge the largest of some numbers, row by row: with many labels seeds agree, and their spread has nothing to say."""
    if not len(rows):
        return untestable(nothing)
    value = float(np.max(differences))
    return below(f"largest {what} of {len(rows):,} rows", value, (value, value), most, rows["seed"].nunique())


def _naive(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _many(table, limits)
    rows = rows[(rows["student"] == "naive") & (rows["bias"] > 0)]
    apart = np.abs(rows["student_error"].to_numpy(float) - rows["weak_error"].to_numpy(float))
    nothing = f"needs naive students of {limits['per_context']:g} labels for each context"
    return _largest(rows, apart, "distance of error and bias", limits["most"], nothing)


def _formula(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table.dropna(subset=["student_error_theory"])
    rows = rows[(rows["student_error_theory"] - rows["limit_error_theory"]).abs() > limits["away"]]
    return worst_setting(
        rows,
        SETTING,
        ["student_error", "student_error_theory"],
        _difference,
        lambda at, value, interval, seeds: within(
            f"error less its expectation{at}", value, interval, (-limits["most"], limits["most"]), seeds
        ),
        "needs students with an expectation that is not the limit",
    )


def _vanishes(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["student"] == "refined") & (table["bias"] <= 0.5 - limits["margin"])]
    closest = (rows["decoy"] == "absent") | (rows["apart"] >= rows["bias"] + limits["margin"])
    found = []
    for line in lines_along(rows[closest], "n_transfer", ["student_error"], 2):
        errors = line.values[:, [0, -1], 0]
        value, interval, seeds = over_means(line.seeds, errors, lambda means: float(means[1] - means[0]))
        where = f"m = {line.levels[-1]}, bias = {line.fields['bias']:g}, decoy {line.fields['decoy']}"
        name = f"error less that at m = {line.levels[0]}, at {where}"
        found.append(below(name, value, interval, -limits["fall"], seeds))
        left = float(errors[:, 1].max())
        found.append(below(f"largest error at {where}", left, (left, left), limits["left"], seeds))
    return worst(found, "needs refined students at two m whose true concept is the closest to the weak labels")


def _irreducible(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _many(table, limits)
    rows = rows[(rows["student"] == "refined") & (rows["decoy"] == "present")]
    rows = rows[rows["apart"] <= rows["bias"] - limits["margin"]]
    nothing = "needs refined students of many demonstrations, with a decoy that is closer to the weak labels than the truth"
    student, limit, best = (rows[name].to_numpy(float) for name in ("student_error", "limit_error_theory", "ceiling_error"))
    kept = _largest(rows, np.abs(student - limit), "distance of error and bias + apart", limits["most"], nothing)
    return worst(
        [kept, _largest(rows, best - student, "error on labels without bias less error", -limits["least"], nothing)], ""
    )


_TIED = {
    "student_is_teacher": "the student of many labels gives its teacher's answers, says the sentence",
    "flipped": "both errors are the same, says the sentence",
}
_NO_TEACHER = dict.fromkeys(("teacher_up", "teacher_down", "teacher_noisy"), "no error of the teacher is in the sentence")
_WEAK_CEILING = {"ceiling_is_teacher": "one-sided: the student is worse than the weak labels too"}
_NO_CEILING = {"ceiling_is_teacher": "no ceiling is in the sentence"}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "naive_keeps_the_bias",
        "a naive student of many weak labels has the error of the weak labels' bias",
        "naive finetuning has irreducible error",
        _naive,
        {"student": 1},
        {"most": 0.01, "per_context": 50, "seeds": 8},
        basis="ours: with 50 labels for a context the majority is right but in 1 of 10^9 contexts at a noise of 0.1",
        overlooks=ANY_ORDER | _TIED | _NO_CEILING,
    ),
    Claim(
        "expectations",
        "naive students, and refined ones of two concepts, have the expected error of a majority of votes, at any m",
        "derived",
        _formula,
        {"student_error_theory": 1},
        {"most": 0.05, "away": 0.01, "seeds": 8},
        basis="ours: what 400 seeds leave of a share; near the limit seeds agree, and other claims look there",
        overlooks=ANY_ORDER | _NO_TEACHER | _NO_CEILING | STUDENT_AVERAGED,
    ),
    Claim(
        "refinement_overcomes_the_bias",
        "where the true concept is the closest to the weak labels, the refined student's error falls to nothing as m grows",
        "refinement",
        _vanishes,
        {"n_transfer": 2},
        {"margin": 0.1, "fall": 0.02, "left": 0.005, "seeds": 8},
        basis="ours: a margin of a tenth of the contexts; a fall of two points, which a student without errors cannot show; less than "
        "one error in 200 at the largest m",
        overlooks=ANY_ORDER | _NO_TEACHER | _NO_CEILING | STUDENT_AVERAGED,
    ),
    Claim(
        "refinement_is_no_oracle",
        "where another concept is closer, the refined student keeps its error, above that of the weak labels, at any m",
        "later work: refinement has irreducible error against an oracle",
        _irreducible,
        {"limit_error_theory": 1},
        {"margin": 0.05, "most": 0.01, "least": 0.05, "per_context": 50, "seeds": 8},
        basis="ours: with 50 labels for a context the posterior is on one concept",
        overlooks=ANY_ORDER | _NO_TEACHER | _WEAK_CEILING,
    ),
)
