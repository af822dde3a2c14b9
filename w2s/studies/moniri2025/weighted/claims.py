"""What is said of students whose penalty fits the target, as tests on a table.

Teachers are unweighted and have their optimal ridge d/n noise/signal, which is known from the law. The student's best ridge is
selected by the truth, for a mean over seeds, and every line says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING, NO_STUDENT, ONE_FACTOR, STUDENT_AVERAGED, TEACHER_AVERAGED
from w2s.claims.seed_intervals import over_least, over_means
from w2s.studies.moniri2025.limits import AGREEMENT, AGREEMENT_BASIS, agreement, pivot
from w2s.theory import moniri2025 as theory

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Values = npt.NDArray[np.float64]

_SELECTED = ", ridge selected by truth"


@dataclass(frozen=True)
class _Curves:
    """Gains over student ridges at ascending ratios, (seeds, ratios, ridges), relative to the teacher's mean error."""

    says: str
    seeds: list[int]
    ratios: Values
    ridges: Values
    gains: Values


def _unweighted_formula(cells: DataFrame) -> Values:
    """Compute the error of a student without weights."""
    d, names = cells["d"].to_numpy(float), ("ridge_weak", "ridge", "signal", "noise_variance")
    ratios = (d / cells[name].to_numpy(float) for name in ("n_labeled", "n_transfer"))
    return theory.ridge(*ratios, *(cells[name].to_numpy(float) for name in names)).student


def _limit(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["decay"] == 0) & (table["ratio_weak"] == 1) & (table["ratio"] != 1)]
    return agreement("student's error", rows, "student", _unweighted_formula, limits)


def _teacher_limit(table: DataFrame, limits: Thresholds) -> Verdict:
    def without(cells: DataFrame) -> Values:
        d, names = cells["d"].to_numpy(float), ("ridge_weak", "ridge_weak", "signal", "noise_variance")
        ratio = d / cells["n_labeled"].to_numpy(float)
        return theory.ridge(ratio, ratio, *(cells[name].to_numpy(float) for name in names)).teacher

    rows = table[(table["decay"] == 0) & (table["ratio_weak"] != 1)]
    return agreement("weighted teacher's error", rows, "weak", without, limits)


def _tuned(table: DataFrame, limits: Thresholds) -> Iterator[_Curves]:
    """Yield the curves of unweighted isotropic teachers that have their optimal ridge; all of the target in the first half."""
    rows = table[(table["decay"] == 0) & (table["ratio_weak"] == 1) & (table["share"] == 1) & (table["ridge"] > 0)]
    best = theory.optimal_ridge(
        rows["d"].to_numpy(float) / rows["n_labeled"].to_numpy(float),
        rows["signal"].to_numpy(float),
        rows["noise_variance"].to_numpy(float),
    )
    rows = rows[np.abs(rows["ridge_weak"] / best - 1.0) <= limits["near"]]
    for key, part in rows.groupby(["d", "n_labeled", "n_transfer", "signal", "noise_variance"]):
        seeds, wide = pivot(part, ["ratio", "ridge"], "gain")
        ratios, ridges = (np.unique(wide.columns.get_level_values(name)) for name in ("ratio", "ridge"))
        if seeds and wide.shape[1] == len(ratios) * len(ridges):
            weak = float(part["weak_error"].mean())
            gains = wide.to_numpy(float).reshape(len(seeds), len(ratios), len(ridges)) / weak
            yield _Curves(f"d = {key[0]}, n_labeled = {key[1]:g}", seeds, ratios, ridges, gains)


def _gains(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for curves in _tuned(table, limits):
        part = curves.gains[:, curves.ratios >= limits["ratio"]]
        if part.shape[1]:
            value, interval, count = over_least(curves.seeds, part, lambda means: means.max(axis=1))
            name = f"least relative gain of ratios from {limits['ratio']:g} on at {curves.says}{_SELECTED}"
            found.append(above(name, value, interval, limits["least"], count))
    return worst(found, "needs an optimally tuned teacher and a ratio of two or more")


def _rises(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for curves in _tuned(table, limits):
        part = curves.gains[:, curves.ratios >= 1.0]
        if part.shape[1] >= 3:
            value, interval, count = over_least(curves.seeds, part, lambda means: np.diff(means.max(axis=1)))
            name = f"least step of the relative gain from ratio to ratio at {curves.says}{_SELECTED}"
            found.append(above(name, value, interval, limits["least"], count))
    return worst(found, "needs an optimally tuned teacher and three ratios from 1 on")


def _none_without(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for curves in _tuned(table, limits):
        part = curves.gains[:, curves.ratios == 1.0]
        if part.shape[1]:
            value, interval, count = over_means(curves.seeds, part, lambda means: float(means.max()))
            found.append(below(f"largest relative gain at {curves.says}{_SELECTED}", value, interval, limits["most"], count))
    return worst(found, "needs an optimally tuned teacher and the ratio 1")


def _wrong_way(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for curves in _tuned(table, limits):
        wrong, plain = curves.gains[:, curves.ratios < 1.0], curves.gains[:, curves.ratios == 1.0]
        if wrong.shape[1] and plain.shape[1]:
            value, interval, count = over_least(curves.seeds, plain - wrong, lambda means: means.reshape(-1))
            name = f"least relative loss against a student without weights at {curves.says}, every ridge"
            found.append(above(name, value, interval, limits["least"], count))
    return worst(found, "needs an optimally tuned teacher, the ratio 1 and one below")


_RATIOS = {"ratio": 2, "ridge": 2}
_NEAR = "near: ridges that count as the optimal one"
_SCALED = ("teacher_up", "teacher_down")
_OF_STUDENT = (
    NO_CEILING
    | ANY_ORDER
    | AVERAGED
    | dict.fromkeys(_SCALED, "the sentence is about the student, whose limit knows the teacher's")
)
_NEARLY = {"flipped": "a student without weights and with a small ridge is nearly its teacher"}
_CEILING = {"student_is_ceiling": "the ceiling has the same weights and gains by them too; weighted_limit notices it"}
_MORE = {"teacher_up": "one-sided: the gain over a worse teacher is larger"}
_LESS = {"teacher_down": "one-sided: the gain over a better teacher is smaller"}
_NO_BETTER = {"student_constant": "one-sided: a constant is no better than this teacher either"}
_NO_TEACHER = dict.fromkeys((*_SCALED, "teacher_noisy"), "two students of one teacher are compared")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "weighted_limit",
        "the error of a student with weights is that of its limit, not that of a student without",
        "weighted ridge, student",
        _limit,
        thresholds=AGREEMENT,
        basis=AGREEMENT_BASIS,
        overlooks=_OF_STUDENT,
    ),
    Claim(
        "weighted_teacher_limit",
        "the error of a teacher with weights is that of its limit, not that of a teacher without",
        "weighted ridge, teacher",
        _teacher_limit,
        thresholds=AGREEMENT,
        basis=AGREEMENT_BASIS,
        overlooks=NO_STUDENT | NO_CEILING | TEACHER_AVERAGED | _NEARLY,
    ),
    Claim(
        "gains_over_tuned_teacher",
        "a student whose weights fit the target beats a teacher with the optimal ridge",
        "weighted ridge, better regularisation",
        _gains,
        _RATIOS,
        {"least": 0.05, "ratio": 2.0, "near": 0.05, "seeds": 8},
        basis=f"least: the limit's gain at a ratio of 2 is .079 of the teacher's error; {_NEAR}",
        overlooks=NO_CEILING | _CEILING | _MORE,
    ),
    Claim(
        "gain_rises_with_ratio",
        "the better the weights fit, the larger is the gain",
        "weighted ridge, better regularisation",
        _rises,
        {"ratio": 3},
        {"least": 0.0, "near": 0.05, "seeds": 8},
        basis=f"the sentence is about a direction; {_NEAR}",
        overlooks=NO_CEILING | _CEILING | ONE_FACTOR,
    ),
    Claim(
        "no_gain_without_weights",
        "without weights no student of that teacher gains",
        "derived: the optimal ridge is the Bayes rule",
        _none_without,
        {"ridge": 2},
        {"most": 0.02, "near": 0.05, "seeds": 8},
        basis=f"most: two parts in a hundred, for the largest of many means and for what is of order 1/d; {_NEAR}",
        overlooks=NO_CEILING | _NO_BETTER | _LESS,
    ),
    Claim(
        "wrong_weights_lose",
        "weights the wrong way round make a student worse than one without, at every ridge",
        "weighted ridge, better regularisation",
        _wrong_way,
        _RATIOS,
        {"least": 0.0, "near": 0.05, "seeds": 8},
        basis=f"the sentence is about a sign; {_NEAR}",
        overlooks=NO_CEILING | ANY_ORDER | _NO_TEACHER | STUDENT_AVERAGED,
    ),
)
