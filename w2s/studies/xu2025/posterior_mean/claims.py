"""What the paper says of students that are the mean of their teachers, as tests on a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, below, within, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, TEACHER_AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.claims.settings import each_setting, largest_distance, worst_mean
from w2s.claims.trends import lines_along, steps

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Means = npt.NDArray[np.float64]


def _ratio(means: Means) -> float:
    return float(means[0] / means[1]) if means[1] > 0 else float("nan")


def _ratios(means: Means) -> Means:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(means[:, 0] / means[:, 1])


def _mean_identity(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["student"] == "mean") & (table["beside"] == "pool") & (table["teachers"] > 1)]
    relative: Means = np.asarray((rows["gain"] - rows["misfit"]) / rows["weak_error"])
    return largest_distance("(gain - misfit) / weak_error", relative, limits["most"], rows["seed"].nunique())


def _identity(table: DataFrame, limits: Thresholds) -> Verdict:
    scale = np.maximum(table["weak_error"], table["misfit"])
    relative: Means = np.asarray((table["gain"] - table["gain_theory"]) / scale)
    return largest_distance("relative gain - gain_theory", relative, limits["most"], table["seed"].nunique())


def _fresh(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for place, rows in each_setting(table[table["ratio_theory"].notna()]):
        pair, wanted = rows[["gain", "misfit"]].to_numpy(float), float(rows["ratio_theory"].iloc[0])
        value, interval, seeds = over_means(rows["seed"], pair, _ratio)
        bounds = wanted - limits["off"], wanted + limits["off"]
        found.append(within(f"mean gain / mean misfit at {place}", value, interval, bounds, seeds))
    return worst(found, "needs means of teachers in regression, beside fresh teachers")


def _towards_one(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["student"] == "mean") & (table["beside"] == "fresh")]
    lines = lines_along(rows, "teachers", ["gain", "misfit"], int(limits["levels"]))
    nothing = f"needs {limits['levels']:g} numbers of teachers, beside fresh teachers"
    return steps(lines, _ratios, "gain / misfit along teachers", rises=True, threshold=limits["least"], nothing=nothing)


def _wider(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["student"] == "fitted") & (table["beside"] == "pool")]
    lines = lines_along(rows, "d_strong", ["gain", "misfit"], int(limits["levels"]))
    nothing = f"needs {limits['levels']:g} widths of fitted students"
    return steps(lines, _ratios, "gain / misfit along d_strong", rises=True, threshold=limits["least"], nothing=nothing)


def _primal(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["student"] == "primal") & (table["beside"] == "pool") & (table["teachers"] > 1)]
    return worst_mean(
        rows,
        lambda part: np.asarray((part["gain"] - part["misfit"]) / part["weak_error"]),
        lambda name, value, interval, seeds: below(name, value, interval, limits["most"], seeds),
        "(gain - misfit) / weak_error",
        "needs classifiers, and the mean of their probabilities",
    )


_CEILING = {"ceiling_is_teacher": "no ceiling is in the sentence"}
_SAME = {"student_is_teacher": "a copy of one teacher has neither gain nor misfit: equality"}
_BEST = {"student_is_ceiling": "the ceilings of wider students are nearer to the truth too"}
_LITTLE = dict.fromkeys(("teacher_up", "teacher_down"), "a tenth of the teachers' error moves all numbers of a line alike")
_SHORT = dict.fromkeys(
    ("student_is_ceiling", "student_constant", "student_shuffled", "teacher_down", "teacher_noisy", "flipped"),
    "one-sided: the sentence is about the sign of a shortfall, which students apart from these teachers have too",
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "mean_identity",
        "a student that is the mean of its teachers, of classifiers the dual mean, gains exactly its misfit",
        "posterior mean; the identity for finite pools is derived by us",
        _mean_identity,
        {"misfit": 1},
        {"most": 1e-10},
        basis="rounding",
        overlooks=_SAME | _CEILING,
    ),
    Claim(
        "three_point_identity",
        "gain - misfit is twice the product of (mean of teachers - student) and (student - truth), or its like for KL",
        "the identity behind the decomposition",
        _identity,
        {"gain_theory": 1},
        {"most": 1e-12},
        basis="rounding",
        overlooks=_CEILING,
    ),
    Claim(
        "fresh_teachers",
        "beside a teacher that it has not seen, the mean of B teachers has gain / misfit = (B - 1)/(B + 1)",
        "posterior mean, at a finite number of teachers; derived by us",
        _fresh,
        {"ratio_theory": 3},
        {"off": 0.1, "seeds": 8},
        basis="off: what some hundred draws of one teacher leave open; a tenth of the teachers' error moves the ratio by more",
        overlooks=ANY_ORDER | AVERAGED | _CEILING,
    ),
    Claim(
        "ratio_rises",
        "with every teacher more the gain comes nearer to the misfit",
        "students approach the posterior mean",
        _towards_one,
        {"teachers": 3},
        {"least": 0.0, "levels": 4, "seeds": 8},
        basis="the sentence is about a direction",
        overlooks=ANY_ORDER | AVERAGED | _CEILING | _LITTLE,
    ),
    Claim(
        "wider_students",
        "larger students come nearer to the mean of their teachers, and their gain to the misfit",
        "larger students approach the posterior mean",
        _wider,
        {"d_strong": 3},
        {"least": 0.0, "levels": 3, "seeds": 8},
        basis="the sentence is about a direction",
        overlooks=ANY_ORDER | TEACHER_AVERAGED | _CEILING | _BEST | _LITTLE,
    ),
    Claim(
        "primal_mean_falls_short",
        "the mean of the probabilities is not the mean that counts: it gains less than its misfit",
        "why the mean is dual; control of ours",
        _primal,
        {"misfit": 1},
        {"most": 0.0, "seeds": 8},
        basis="the sentence is about a sign",
        overlooks=_SHORT | _CEILING,
    ),
)
