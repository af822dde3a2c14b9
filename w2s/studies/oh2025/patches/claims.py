"""What the paper says of students on patches, as tests on a table. Errors are shares of wrong answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims import SABOTAGES, Claim, Verdict, above, below, over_means, untestable, within, worst
from w2s.claims.overlooks import ANY_ORDER, NO_CEILING, NO_STUDENT, STUDENT_AVERAGED
from w2s.measure.scales import CORRELATION, REAL, SHARE
from w2s.studies.oh2025.patches import along_steps as along
from w2s.theory import oh2025 as theory

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Thresholds = Any
_ORACLE = ", step selected by truth"


def _lines(table: DataFrame, limits: Thresholds) -> list[Any]:
    return along.relu_lines(along.abundant(table, limits["abundant"]), int(limits["steps"]))


_NO_LINES = "needs students of abundant data at several steps"


def _half_of_hard(table: DataFrame, limits: Thresholds) -> Verdict:
    return _seed_mean("weak error - p_hard / 2", table, table["weak_error"] - table["p_hard"] / 2, limits["most"])


def _closed_form(table: DataFrame, limits: Thresholds) -> Verdict:
    difference = table["weak_error"] - table["weak_error_theory"]
    return _seed_mean("weak error - its closed form", table, difference, limits["most"])


def _seed_mean(name: str, table: DataFrame, values: Any, most: float) -> Verdict:
    means = values.groupby(table["seed"]).mean()
    value, interval, seeds = over_means(means.index, means, float)
    return within(name, value, interval, (-most, most), seeds)


def _corrected(table: DataFrame, limits: Thresholds) -> Verdict:
    found = [
        above(f"label correction at {where}{_ORACLE}", value, interval, limits["least"], seeds)
        for where, value, interval, seeds in _at_oracle(table, limits, "label_correction")
    ]
    return worst(found, _NO_LINES)


def _nearly_perfect(table: DataFrame, limits: Thresholds) -> Verdict:
    found = [
        below(f"student error at {where}{_ORACLE}", value, interval, limits["most"], seeds)
        for where, value, interval, seeds in _at_oracle(table, limits, "student_error")
    ]
    return worst(found, _NO_LINES)


def _at_oracle(table: DataFrame, limits: Thresholds, name: str) -> Iterator[tuple[str, float, Any, int]]:
    for line in _lines(table, limits):
        found = along.at_stop(line, "student_error", lambda means, at: float(means[name][at]), SHARE)
        yield (along.setting_text(line.fields), *found)


def _forgotten(table: DataFrame, limits: Thresholds) -> Verdict:
    return _last(table, limits, "label correction", lambda means: float(means["label_correction"]))


def _falls_back(table: DataFrame, limits: Thresholds) -> Verdict:
    return _last(table, limits, "gain", lambda means: float(means["weak_error"] - means["student_error"]))


def _last(table: DataFrame, limits: Thresholds, name: str, of: Callable[[Any], float]) -> Verdict:
    found = []
    for line in _lines(table, limits):
        value, interval, seeds = along.at_last(line, of)
        found.append(
            below(f"{name} at the last step, {along.setting_text(line.fields)}", value, interval, limits["most"], seeds)
        )
    return worst(found, _NO_LINES)


def _truth_is_learnt(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = along.abundant(table, limits["abundant"])
    rows = rows[rows["step"] == rows["step"].max()]
    if not len(rows):
        return untestable(_NO_LINES)
    value = float(rows["ceiling_error"].max())
    name = f"largest ceiling error of {len(rows):,} networks"
    return below(name, value, (value, value), limits["most"], rows["seed"].nunique())


def _weak_validation(table: DataFrame, limits: Thresholds) -> Verdict:
    """Compare the gain at the step of the best fit to held-out weak labels with a share of that at the oracle's step."""

    def lead(means: Any, at: int) -> float:
        gains = means["weak_error"] - means["student_error"]
        return float(gains[at] - limits["share"] * gains.max())

    found = []
    for line in _lines(table, limits):
        value, interval, seeds = along.at_stop(line, "student_validation_misfit", lead, REAL)
        name = f"gain at the weak labels' step less {limits['share']:g} of the best gain, {along.setting_text(line.fields)}"
        found.append(below(name, value, interval, 0.0, seeds))
    return worst(found, _NO_LINES)


def _interpolates(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = along.scarce(table, limits["scarce"])
    if not len(rows):
        return untestable("needs students of scarce data")
    value = float(rows["train_fit"].min())
    name = f"least fit to the weak labels of {len(rows):,} students"
    return above(name, value, (value, value), limits["least"], rows["seed"].nunique())


def _benign(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = along.scarce(table, limits["scarce"])
    found = []
    for _, part in rows.groupby(["d", "n_transfer", "p_both", "p_hard", "sigma", "mu"]):
        wide = part.pivot_table(index="seed", columns="benign_theory", values="student_error_hard").dropna()
        low, high = wide.columns.min(), wide.columns.max()
        if low <= limits["harmful"] and high >= limits["benign"]:
            fall = (wide[low] - wide[high]).to_numpy()
            value, interval, seeds = over_means(wide.index, fall, float, scale=CORRELATION)
            name = f"fall of the hard error from index {low:.2g} to {high:.2g} at n = {part['n_transfer'].iloc[0]}"
            found.append(above(name, value, interval, limits["least"], seeds))
    return worst(found, "needs scarce data on both sides of the boundary")


def _harmful(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = along.scarce(table, limits["scarce"])
    rows = rows[rows["benign_theory"] <= limits["harmful"]]
    found = []
    for cell, seeds, values in along.by_setting(rows, "student_error"):
        floor = float(theory.harmful_error(cell["p_hard"]))
        value, interval, count = over_means(seeds, values / floor, float)
        found.append(above(f"error over 0.12 p_hard at {along.setting_text(cell)}", value, interval, 1.0, count))
    return worst(found, "needs scarce data below the boundary")


def _ordered(table: DataFrame, limits: Thresholds) -> Verdict:
    """Judge the correlation of the log of the index with the mean accuracy on hard inputs, over settings of scarce data."""
    rows = along.scarce(table, limits["scarce"])
    wide = rows.pivot_table(index="seed", columns="benign_theory", values="student_error_hard").dropna()
    if wide.shape[1] < limits["settings"]:
        return untestable(f"needs {limits['settings']:g} settings of scarce data")
    index = np.log(wide.columns.to_numpy(float))

    def correlation(means: npt.NDArray[np.float64]) -> float:
        return float(np.corrcoef(index, -means)[0, 1]) if np.ptp(means) > 0 else float("nan")

    value, interval, seeds = over_means(wide.index, wide.to_numpy(), correlation, scale=CORRELATION)
    return above(f"correlation over {wide.shape[1]} settings", value, interval, limits["least"], seeds)


def _no_bridge(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["p_both"] == 0) & (table["student"] == "relu")]
    found = [
        below(f"accuracy on hard inputs at {where}", value, interval, limits["most"], seeds)
        for where, value, interval, seeds in _hard_accuracies(rows)
    ]
    return worst(found, "needs students that never see both signals together")


def _linear_student(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["student"] == "linear") & (table["step"] > 0)]
    bounds = (0.5 - limits["most"], 0.5 + limits["most"])
    found = [
        within(f"accuracy on hard inputs at {where}", value, interval, bounds, seeds)
        for where, value, interval, seeds in _hard_accuracies(rows)
    ]
    return worst(found, "needs linear students")


def _hard_accuracies(rows: DataFrame) -> Iterator[tuple[str, float, Any, int]]:
    for cell, seeds, values in along.by_setting(rows, "student_error_hard"):
        where = f"{along.setting_text(cell)}, step {cell['step']}"
        yield (where, *over_means(seeds, 1.0 - values, float, scale=SHARE))


_NEEDS = {"student_error": 1}
_STEPS = {"step": 3, "student_error": 1}
_ABUNDANT = {"abundant": 50.0, "steps": 3, "seeds": 8}
_SCARCE = {"scarce": 5.0, "seeds": 8}
_NO_TEACHER = dict.fromkeys(("teacher_up", "teacher_down", "teacher_noisy"), "no error of the teacher is in the sentence")
_TRAINING = dict.fromkeys(
    ("student_shuffled", "seeds_permuted", "student_noisy"), "the sentence is about training examples, not about errors"
)
_LOW = {
    "student_constant": "one-sided: a constant gains nothing either; nearly_perfect_early notices it",
    "flipped": "one-sided: a student that is worse than its teacher gains nothing either; nearly_perfect_early notices it",
    "teacher_down": "one-sided: beside a better teacher the gain is smaller",
}
_HIGH = dict.fromkeys(
    ("student_is_teacher", "student_is_ceiling", "flipped"),
    "one-sided: they err at least as much there; benign_above_the_boundary and accuracy_rises_with_the_index notice them",
)
_FITS = dict.fromkeys(("student_is_teacher", "flipped"), "the teacher gives the labels, so it fits all of them")
_NO_READER = dict.fromkeys(("student_is_teacher", "flipped"), "the teacher reads no hard signal either")
_RISES_TOO = {"student_is_ceiling": "the truth teaches more where the signal is larger too"}
_NO_LEARNER = dict.fromkeys(SABOTAGES, "the sentence is about the ceiling alone")
_CEILING_ONLY = {name: why for name, why in _NO_LEARNER.items() if name != "ceiling_is_teacher"}
_CHECK = "a bar of ours, set from a separate implementation of the same setting"
_IN_LAW = "the sentence is about a law; a hundredth is room for the sampling of test inputs"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "teacher_misses_the_hard",
        "the linear teacher errs on half of the inputs with the hard signal only, and hardly elsewhere",
        "setting",
        _half_of_hard,
        {"weak_error": 1},
        {"most": 0.01, "seeds": 8},
        basis=_IN_LAW,
        overlooks=NO_STUDENT | NO_CEILING,
    ),
    Claim(
        "teacher_closed_form",
        "the teacher's errors are those of the closed form of its weights",
        "derived",
        _closed_form,
        {"weak_error_theory": 1},
        {"most": 0.01, "seeds": 8},
        basis=_IN_LAW,
        overlooks=NO_STUDENT | NO_CEILING,
    ),
    Claim(
        "labels_are_corrected",
        "abundant data: at an early step the student predicts the truth where its labels are wrong",
        "Theorem 3.6",
        _corrected,
        _STEPS | {"label_correction": 1},
        _ABUNDANT | {"least": 0.95},
        basis="the theorem says all of them; a twentieth is left to finite samples",
        overlooks=_NO_TEACHER | STUDENT_AVERAGED | NO_CEILING,
    ),
    Claim(
        "nearly_perfect_early",
        "abundant data: at an early step the student's error is nearly zero",
        "Theorem 3.6",
        _nearly_perfect,
        _STEPS,
        _ABUNDANT | {"most": 0.01},
        basis="an accuracy of 99 %, " + _CHECK,
        overlooks=_NO_TEACHER | STUDENT_AVERAGED | NO_CEILING | ANY_ORDER,
    ),
    Claim(
        "correction_is_forgotten",
        "abundant data: at the end of a long training few wrong labels are corrected",
        "Theorem 3.6",
        _forgotten,
        _STEPS | {"label_correction": 1},
        _ABUNDANT | {"most": 0.15},
        basis=_CHECK,
        overlooks=_NO_TEACHER | _TRAINING | NO_CEILING,
    ),
    Claim(
        "overtraining_returns_to_the_teacher",
        "abundant data: at the end of a long training the student is hardly better than its teacher",
        "Theorem 3.6",
        _falls_back,
        _STEPS,
        _ABUNDANT | {"most": 0.03},
        basis="an accuracy within 3 % of the teacher's, " + _CHECK,
        overlooks=_LOW | ANY_ORDER | NO_CEILING,
    ),
    Claim(
        "truth_is_learnt",
        "abundant data: the same student, trained on true labels, ends without errors",
        "existence of a network without errors",
        _truth_is_learnt,
        _STEPS | {"ceiling_error": 1},
        _ABUNDANT | {"most": 0.01},
        basis=_CHECK,
        overlooks=_CEILING_ONLY,
    ),
    Claim(
        "weak_labels_choose_late",
        "abundant data: the step with the best fit to held-out weak labels keeps less than half of the best gain",
        "ours: early stopping without the truth",
        _weak_validation,
        _STEPS | {"student_validation_misfit": 1},
        _ABUNDANT | {"share": 0.5},
        basis="half",
        overlooks=_NO_TEACHER | STUDENT_AVERAGED | NO_CEILING | ANY_ORDER,
    ),
    Claim(
        "scarce_interpolates",
        "scarce data: every student ends by fitting all its weak labels",
        "Theorem 3.4",
        _interpolates,
        _NEEDS | {"train_fit": 1},
        _SCARCE | {"least": 0.999},
        basis="all of them, but for rounding of a share",
        overlooks=_FITS | _NO_TEACHER | _TRAINING | NO_CEILING,
    ),
    Claim(
        "benign_above_the_boundary",
        "scarce data: from far below the boundary to far above it the error on hard inputs falls by a quarter or more",
        "Theorem 3.4",
        _benign,
        _NEEDS | {"student_error_hard": 1, "benign_theory": 2},
        _SCARCE | {"least": 0.25, "benign": 60.0, "harmful": 0.5},
        basis=_CHECK,
        overlooks=_RISES_TOO | _NO_TEACHER | STUDENT_AVERAGED | NO_CEILING | ANY_ORDER,
    ),
    Claim(
        "harmful_below_the_boundary",
        "scarce data: far below the boundary the error is at least 0.12 p_hard",
        "Theorem 3.4",
        _harmful,
        _NEEDS | {"benign_theory": 1},
        _SCARCE | {"harmful": 0.5},
        basis="the paper's constant; below which index it holds is a choice of ours",
        overlooks=_HIGH | _NO_TEACHER | STUDENT_AVERAGED | NO_CEILING | ANY_ORDER,
    ),
    Claim(
        "accuracy_rises_with_the_index",
        "scarce data: the accuracy on hard inputs rises with the logarithm of n p_both^2 nu^4 / (sigma^4 d)",
        "Theorem 3.4",
        _ordered,
        _NEEDS | {"student_error_hard": 1, "benign_theory": 6},
        _SCARCE | {"least": 0.8, "settings": 6},
        basis="a strong correlation; the theorem knows the index up to constants",
        overlooks=_RISES_TOO | _NO_TEACHER | STUDENT_AVERAGED | NO_CEILING | ANY_ORDER,
    ),
    Claim(
        "no_bridge_no_gain",
        "without inputs that hold both signals no student learns the hard one",
        "role of the inputs with both signals",
        _no_bridge,
        {"student_error_hard": 1},
        {"most": 0.6, "seeds": 8},
        basis="a coin, and a tenth for what students learn of the teacher's noise",
        overlooks=_NO_READER | _NO_TEACHER | NO_CEILING | ANY_ORDER,
    ),
    Claim(
        "linear_student_learns_nothing",
        "a linear student answers hard inputs like a coin at every step",
        "setting",
        _linear_student,
        {"student_error_hard": 1},
        {"most": 0.02, "seeds": 8},
        basis="an identity of the law: the sign of the hard signal is random and balanced among the test inputs",
        overlooks=_NO_TEACHER | NO_CEILING | ANY_ORDER,
    ),
)
