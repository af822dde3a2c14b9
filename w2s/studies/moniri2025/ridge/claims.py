"""What is said of ridge students of ridge teachers, as tests on a table.

Limits are compared with means over seeds (:mod:`w2s.studies.moniri2025.limits`); signs and boundaries of the gain are those of
:mod:`w2s.theory.moniri2025`, for isotropic inputs. The optimal teacher's ridge is known from the law, never chosen by the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, untestable, within, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING, NO_STUDENT, STUDENT_AVERAGED, TEACHER_AVERAGED
from w2s.claims.sabotage import SABOTAGES
from w2s.claims.seed_intervals import over_means
from w2s.studies.moniri2025.limits import AGREEMENT, AGREEMENT_BASIS, agreement, crossing, pivot, signed_gains
from w2s.theory import moniri2025 as theory
from w2s.theory.moniri2025 import spectra

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Values = npt.NDArray[np.float64]

_MANY = 1e-12
"""An aspect ratio of as good as infinitely many rows."""


def _fresh(table: DataFrame, *, isotropic: bool = True) -> DataFrame:
    return table[(table["sample"] == "fresh") & ((table["decay"] == 0) == isotropic)]


def _ratios(table: DataFrame) -> tuple[Values, Values]:
    """Return d/n of both samples; the student's is the teacher's where it has no rows of its own."""
    d = table["d"].to_numpy(float)
    labeled, transfer = (table[name].to_numpy(float, na_value=np.nan) for name in ("n_labeled", "n_transfer"))
    return d / labeled, d / np.where(np.isnan(transfer), labeled, transfer)


def _numbers(table: DataFrame, *names: str) -> list[Values]:
    return [table[name].to_numpy(float) for name in names]


def _optimal(table: DataFrame) -> Values:
    return np.asarray(theory.optimal_ridge(_ratios(table)[0], *_numbers(table, "signal", "noise_variance")))


_TEACHERS = ("ridge_weak", "ridge", "signal", "noise_variance")


def _not_amplified(cells: DataFrame) -> Values:
    """Compute the teacher's error without the amplification by its own sample: bias and noise share at the effective ridge."""
    share = spectra.variance_share(np.ones(1), 1.0 / _ratios(cells)[0], cells["ridge_weak"].to_numpy(float))
    return np.asarray(cells["theory"].to_numpy(float) * (1.0 - share))


def _ceiling_not_amplified(cells: DataFrame) -> Values:
    """Compute the ceiling's error without the amplification by its own sample."""
    share = spectra.variance_share(np.ones(1), 1.0 / _ratios(cells)[1], cells["ridge"].to_numpy(float))
    return np.asarray(cells["theory"].to_numpy(float) * (1.0 - share))


def _isotropic(cells: DataFrame) -> Values:
    return theory.ridge(*_ratios(cells), *_numbers(cells, *_TEACHERS)).student


def _endless_rows(cells: DataFrame) -> Values:
    """Compute the student's error as if its inputs were the population."""
    return theory.ridge(_ratios(cells)[0], _MANY, *_numbers(cells, *_TEACHERS)).student


def _as_teacher(cells: DataFrame) -> Values:
    return theory.ridge(*_ratios(cells), *_numbers(cells, *_TEACHERS)).teacher


def _teacher_limit(table: DataFrame, limits: Thresholds) -> Verdict:
    return agreement("teacher's error", _fresh(table), "weak", _not_amplified, limits)


def _ceiling_limit(table: DataFrame, limits: Thresholds) -> Verdict:
    return agreement("ceiling's error", _fresh(table), "ceiling", _ceiling_not_amplified, limits)


def _student_limit(table: DataFrame, limits: Thresholds) -> Verdict:
    return agreement("student's error", _fresh(table), "student", _endless_rows, limits)


def _same_limit(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["sample"] == "same") & (table["decay"] == 0)]
    return agreement("error of a student on its teacher's rows", rows, "student", _isotropic, limits)


def _general_limit(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _fresh(table, isotropic=False)
    return agreement("student's error", rows, "student", _isotropic, limits)


def _projected(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _fresh(table)
    rows = rows[(_ratios(rows)[1] > 1.0) & (rows["ridge"] <= limits["small"]) & (rows["ridge_weak"] > 0)]
    return agreement("error of a student on fewer rows than dimensions", rows, "student", _as_teacher, limits)


def _wide_enough(table: DataFrame) -> DataFrame:
    """Keep isotropic students with a ridge, on rows of their own and more of them than dimensions, and noisy teachers."""
    rows = _fresh(table)
    return rows[(_ratios(rows)[1] < 1.0) & (rows["ridge"] > 0) & (rows["noise_variance"] > 0) & (rows["signal"] > 0)]


def _smallest(rows: DataFrame) -> DataFrame:
    """Keep the smallest of each student's ridges."""
    keys = ["d", "n_labeled", "n_transfer", "ridge_weak", "signal", "noise_variance"]
    return rows[rows["ridge"] == rows.groupby(keys)["ridge"].transform("min")]


def _under(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _smallest(_wide_enough(table))
    rows = rows[rows["ridge_weak"] <= limits["below"] * _optimal(rows)]
    return signed_gains(
        "gain at a small ridge", rows, lambda _rows: 1.0, "needs an under-regularised teacher and n_transfer > d"
    )


def _over(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _wide_enough(table)
    rows = rows[rows["ridge_weak"] >= limits["above"] * _optimal(rows)]
    return signed_gains("loss", rows, lambda _rows: -1.0, "needs an over-regularised teacher and n_transfer > d")


def _sign_change(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for key, part in _smallest(_wide_enough(table)).groupby(["d", "n_labeled", "n_transfer", "signal", "noise_variance"]):
        seeds, wide = pivot(part, ["ridge_weak"], "gain")
        levels, best = wide.columns.to_numpy(float), float(_optimal(part)[0])
        if not seeds or not levels.min() < best < levels.max():
            continue
        value, interval, count = over_means(seeds, wide.to_numpy(float), lambda means: crossing(levels, means) / best)  # noqa: B023
        name = f"sign change of the gain over the optimal ridge {best:.3g} at d = {key[0]}, n_transfer = {key[2]:g}"
        found.append(within(name, value, interval, (limits["least"], limits["most"]), count))
    return worst(found, "needs teachers on both sides of the optimal ridge and n_transfer > d")


def _boundary(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    keys = ["d", "n_labeled", "n_transfer", "ridge_weak", "signal", "noise_variance"]
    rows = _wide_enough(table)
    rows = rows[rows["ridge_weak"] <= limits["below"] * _optimal(rows)]
    for key, part in rows.groupby(keys):
        seeds, wide = pivot(part, ["ridge"], "gain")
        levels = wide.columns.to_numpy(float)
        d, labeled, transfer, weak, signal, noise = np.array(key, dtype=np.float64)
        end = float(theory.gain_interval(d / labeled, d / transfer, weak, signal, noise)[1])
        if not seeds or len(levels) < 4 or not levels.min() < limits["least"] * end < limits["most"] * end < levels.max():
            continue
        value, interval, count = over_means(seeds, wide.to_numpy(float), lambda means: crossing(levels, means) / end)  # noqa: B023
        name = f"end of the gain over its limit {end:.3g} at ridge_weak = {weak:g}"
        found.append(within(name, value, interval, (limits["least"], limits["most"]), count))
    return worst(found, "needs an under-regularised teacher and student ridges on both sides of the boundary")


def _best_teacher(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    rows = _fresh(table)
    rows = rows[
        (rows["noise_variance"] > 0) & (rows["signal"] > 0) & (rows["ridge"] > 0)
    ]  # without a ridge many are their teachers
    for key, part in rows.groupby(["d", "n_labeled", "signal", "noise_variance"]):
        seeds, teachers = pivot(part, ["ridge_weak"], "weak_error")
        same, students = pivot(part, ["ridge_weak", "n_transfer", "ridge"], "student_error")
        levels, best = teachers.columns.to_numpy(float), float(_optimal(part)[0])
        if seeds != same or not len(seeds) or np.abs(levels / best - 1.0).min() > limits["near"]:
            continue
        at, both = int(np.abs(levels - best).argmin()), np.concatenate([teachers, students], axis=1)
        count = len(levels)
        value, interval, number = over_means(seeds, both, lambda means: means[count:].min() / means[at])  # noqa: B023
        name = f"best student over the best teacher at d = {key[0]}, n_labeled = {key[1]:g}, students selected by truth"
        found.append(above(name, value, interval, limits["least"], number))
    return worst(found, "needs a teacher with the optimal ridge")


def _projection_sign(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _fresh(table)
    rows = _smallest(rows[rows["ridge"] > 0])
    ratios = _ratios(rows)
    rows = rows[(ratios[1] > 1.0) & (rows["ridge"] <= limits["small"])]
    worse = rows["weak_error_theory"] / rows["signal"] - 1.0
    rows = rows[worse.abs() >= limits["apart"]]
    noisy = rows["weak_error_theory"] > rows["signal"]
    if noisy.nunique() < 2:
        return untestable("needs n_transfer < d, a small ridge, teachers better and worse than predicting zero")

    def sign(part: DataFrame) -> Values:
        limit = theory.vanishing_ridge_gain(*_ratios(part), *_numbers(part, "ridge_weak", "signal", "noise_variance"))
        return np.sign(limit)

    return signed_gains("gain, or loss of students of good teachers,", rows, sign, "needs n_transfer < d and a small ridge")


def _no_ridge(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["ridge"] == 0) & (_ratios(table)[1] < 1.0)]
    if not len(rows):
        return untestable("needs students without a ridge, on more rows than dimensions")
    value = float((np.maximum((rows["student_error"] - rows["weak_error"]).abs(), rows["misfit"]) / rows["weak_error"]).max())
    name = f"largest relative distance of student and teacher, {len(rows):,} rows"
    return below(name, value, (value, value), limits["most"], int(rows["seed"].nunique()))


_RIDGES = {"ridge_weak": 2, "ridge": 2}
_SIGN = "the sentence is about a sign"
_NEAR = "ridges within this factor of the optimal one have gains near zero, which seeds do not decide"
_SCALED = ("teacher_up", "teacher_down")
_OF_SAME = (
    ANY_ORDER
    | NO_CEILING
    | TEACHER_AVERAGED
    | dict.fromkeys(_SCALED, "the sentence is about the student, whose limit knows the teacher's")
)
_OF_STUDENT = _OF_SAME | STUDENT_AVERAGED
_OF_TEACHER = NO_STUDENT | NO_CEILING | TEACHER_AVERAGED
_ROOM = {"teacher_up": "the gain of an under-regularised teacher ends later then, by less than the factor of two"}
_OF_CEILING = dict.fromkeys(
    (name for name in SABOTAGES if name != "ceiling_is_teacher"), "neither teacher nor weak labels are in the sentence"
)
_MORE = {"teacher_up": "one-sided: the gain over a worse teacher is larger"}
_LESS = {"teacher_down": "one-sided: the gain over a better teacher is smaller, and the signs that are asked leave room above"}
_NO_BETTER = {"student_constant": "one-sided: a constant is no better than these teachers either"}
_NO_GAIN = {"student_constant": "a constant is better than a teacher that is worse than zero, and worse than others"}
_OTHERS = {"student_shuffled": "one-sided: students of worse teachers, and of larger ridges, lose more"}
_SAME = dict.fromkeys(("student_is_teacher", "flipped"), "the sentence says that they are one")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "teacher_limit",
        "the teacher's error is that of its deterministic limit",
        "ridge regression, teacher",
        _teacher_limit,
        thresholds=AGREEMENT,
        basis=AGREEMENT_BASIS,
        overlooks=_OF_TEACHER,
    ),
    Claim(
        "ceiling_limit",
        "so is that of the same student on noisy true labels",
        "ridge regression, student",
        _ceiling_limit,
        {"ceiling_error_theory": 1},
        AGREEMENT,
        basis=AGREEMENT_BASIS,
        overlooks=_OF_CEILING,
    ),
    Claim(
        "student_limit",
        "the student's error is that of its deterministic limit, on fewer rows than dimensions as on more",
        "ridge regression, student",
        _student_limit,
        thresholds=AGREEMENT,
        basis=AGREEMENT_BASIS,
        overlooks=_OF_STUDENT,
    ),
    Claim(
        "same_sample_limit",
        "a student on its teacher's own rows has the error of the limit for one sample, not that for two",
        "derived: self-distillation",
        _same_limit,
        thresholds=AGREEMENT,
        basis=AGREEMENT_BASIS,
        overlooks=_OF_SAME,
    ),
    Claim(
        "general_limit",
        "for a covariance that falls like a power the student's error is that of its limit, not that of isotropic inputs",
        "ridge regression, general covariance",
        _general_limit,
        thresholds=AGREEMENT,
        basis=AGREEMENT_BASIS,
        overlooks=_OF_STUDENT,
    ),
    Claim(
        "projection",
        "without regularisation a student on fewer rows than dimensions is a random projection of its teacher, not the teacher",
        "ridge regression, over-parametrised student",
        _projected,
        thresholds={**AGREEMENT, "small": 1e-3},
        basis=f"{AGREEMENT_BASIS}; small: a ridge of no effect",
        overlooks=_OF_STUDENT,
    ),
    Claim(
        "under_regularised_gains",
        "on more rows than dimensions, a student with a small ridge beats a teacher whose ridge is below d/n noise/signal",
        "ridge regression, compensation of under-regularisation",
        _under,
        _RIDGES,
        {"below": 0.7, "seeds": 8},
        basis=f"{_SIGN}; below: {_NEAR}",
        overlooks=NO_CEILING | _MORE,
    ),
    Claim(
        "over_regularised_loses",
        "no ridge makes such a student better than a teacher whose ridge is above that",
        "ridge regression, compensation of under-regularisation",
        _over,
        _RIDGES,
        {"above": 1.4, "seeds": 8},
        basis=f"{_SIGN}; above: {_NEAR}",
        overlooks=NO_CEILING | _NO_BETTER | _LESS | _OTHERS,
    ),
    Claim(
        "sign_change",
        "the gain of a small ridge changes its sign at the teacher's optimal ridge",
        "ridge regression, compensation of under-regularisation",
        _sign_change,
        {"ridge_weak": 3},
        {"least": 0.75, "most": 1.33, "seeds": 8},
        basis="a third to each side: a tenth is of order 1/d, the rest is the distance of neighbouring ridges and of the seeds",
        overlooks=NO_CEILING,
    ),
    Claim(
        "gain_boundary",
        "the gain of an under-regularised teacher ends at the student's ridge that the limit gives",
        "derived: boundary of the phase diagram",
        _boundary,
        {"ridge": 4},
        {"below": 0.45, "least": 0.5, "most": 2.0, "seeds": 8},
        basis="least, most: a factor of two to each side on an axis of decades, along which the gain is flat where it ends; "
        "below: nearer to the optimal ridge the boundary moves to ridges of next to no gain, and seeds do not find it",
        overlooks=NO_CEILING | TEACHER_AVERAGED | _ROOM,
    ),
    Claim(
        "never_below_best_teacher",
        "no student, of any teacher, has a smaller error than the teacher with the optimal ridge, for isotropic inputs",
        "derived: the optimal ridge is the Bayes rule",
        _best_teacher,
        _RIDGES,
        {"least": 0.98, "near": 0.05, "seeds": 8},
        basis="least: two parts in a hundred for the least of many means; near: ridges that count as the optimal one",
        overlooks=NO_CEILING | _NO_BETTER | _LESS | TEACHER_AVERAGED,
    ),
    Claim(
        "projection_sign",
        "an unregularised student on fewer rows than dimensions gains only from a teacher that is worse than predicting zero",
        "ridge regression, over-parametrised student",
        _projection_sign,
        {"ridge_weak": 2},
        {"small": 1e-3, "apart": 0.1, "seeds": 8},
        basis=f"{_SIGN}; small: a ridge of no effect; apart: teachers within a tenth of the target's power are on neither side",
        overlooks=ANY_ORDER | NO_CEILING | AVERAGED | _NO_GAIN | _LESS,
    ),
    Claim(
        "no_ridge",
        "without a ridge a student on more rows than dimensions is its teacher",
        "ridge regression, student",
        _no_ridge,
        {"misfit": 1},
        {"most": 1e-9},
        basis="rounding",
        overlooks=NO_CEILING | _SAME,
    ),
)
