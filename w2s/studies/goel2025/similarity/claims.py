"""What the paper says of similarity and gain, and what two views with known features in common must show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, within, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_STUDENT, STUDENT_AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.claims.settings import each_setting, worst_mean
from w2s.claims.trends import lines_along
from w2s.measure.scales import CORRELATION

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Means = npt.NDArray[np.float64]


def _independent(table: DataFrame, limits: Thresholds) -> Verdict:
    """Judge similarity, and the oracle's error over the product of both models' errors, where no feature is shared."""
    found = []
    for place, rows in each_setting(table[table["overlap"] == 0]):
        value, interval, seeds = over_means(rows["seed"], rows["similarity"], float)
        found.append(within(f"similarity at {place}", value, interval, (-limits["similarity"], limits["similarity"]), seeds))
        pair = rows[["oracle_error_01", "oracle_error_01_theory"]].to_numpy(float)
        value, interval, seeds = over_means(rows["seed"], pair, lambda means: float(means[0] / means[1]))
        bounds = (1.0 - limits["share"], 1.0 + limits["share"])
        found.append(within(f"oracle's error / product of errors at {place}", value, interval, bounds, seeds))
    return worst(found, "needs views without a shared feature")


def _falls(table: DataFrame, limits: Thresholds) -> Verdict:
    """Judge the correlation, over overlaps, of mean similarity and mean gain, of students with the far better view."""
    names = ["similarity", "gain_01", "weak_error_01", "strong_error_01"]
    found = []
    for line in lines_along(table, "overlap", names, int(limits["overlaps"])):
        means = line.values.mean(axis=(0, 1))
        if means[3] > limits["better"] * means[2]:
            continue
        value, interval, seeds = over_means(line.seeds, line.values, _correlation, scale=CORRELATION)
        place = f"d_weak = {line.fields['d_weak']}, d_strong = {line.fields['d_strong']}, {line.fields['labels']} labels"
        found.append(below(f"correlation of gain and similarity at {place}", value, interval, limits["most"], seeds))
    return worst(found, f"needs {limits['overlaps']:g} overlaps of a supervisor and a student with the far better view")


def _correlation(means: Means) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):  # students without any gain have no correlation
        return float(np.corrcoef(means[:, 0], means[:, 1])[0, 1])


def _nested(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for place, rows in each_setting(table[(table["overlap"] == table["d_weak"]) & (table["labels"] == "soft")]):
        pair = rows[["gain_01", "weak_error_01", "ceiling_error_01"]].to_numpy(float)
        if not (rows["weak_error_01"].mean() - rows["ceiling_error_01"].mean()) > limits["gap"]:
            continue
        value, interval, seeds = over_means(rows["seed"], pair, lambda means: float(means[0] / (means[1] - means[2])))
        found.append(within(f"PGR at {place}", value, interval, (-limits["size"], limits["size"]), seeds))
    return worst(found, "needs students that see all that their supervisors see, and more")


def _below_mean(table: DataFrame, limits: Thresholds) -> Verdict:
    return worst_mean(
        table[table["overlap"] < table["d_strong"]],
        lambda rows: rows["student_error_01"] - rows["mean_error_01"],
        lambda name, value, interval, seeds: above(name, value, interval, limits["least"], seeds),
        "student's error less that of the mean of both models",
        "needs a student that has features of its own",
    )


def _gains(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["overlap"] == 0) & (table["labels"] == "soft")]
    found = []
    for place, part in each_setting(rows):
        if part["strong_error_01"].mean() > limits["better"] * part["weak_error_01"].mean():
            continue
        triple = part[["gain_01", "weak_error_01", "oracle_error_01"]].to_numpy(float)
        value, interval, seeds = over_means(part["seed"], triple, lambda means: float(means[0] / (means[1] - means[2])))
        found.append(within(f"share of the way to the oracle at {place}", value, interval, (limits["least"], 1.0), seeds))
    return worst(found, "needs a student with the far better view, and no shared feature")


_NO_CEILING = {"ceiling_is_teacher": "no ceiling is in the sentence"}
_COPY = {"flipped": "a copy errs as often as its supervisor: exchanged they are the same"}
_SIZES = dict.fromkeys(("teacher_up", "teacher_down"), "a tenth of the teacher's error changes no order of the gains by much")
_PART = {
    "student_is_ceiling": "the ceiling goes part of that way too, and not all of it",
    **dict.fromkeys(("teacher_up", "teacher_down"), "a tenth of the teacher's error is less than the room to both ends"),
}
_WORSE = dict.fromkeys(
    ("student_is_teacher", "student_constant", "student_shuffled", "teacher_up", "teacher_down", "teacher_noisy", "flipped"),
    "one-sided: supervisor, students of other cells and a constant err more often than the mean of both models too",
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "independent_views",
        "models of views without a common feature have similarity 0, and the oracle of both errs as often as two independent "
        "models err together",
        "definition of CAPA; control of ours",
        _independent,
        {"similarity": 1, "oracle_error_01_theory": 1},
        {"similarity": 0.02, "share": 0.05, "seeds": 8},
        basis="similarity: what 20,000 items leave of two independent models; share: half of the tenth that a sabotage takes",
        overlooks=NO_STUDENT | _NO_CEILING,
    ),
    Claim(
        "gain_falls_with_similarity",
        "the less alike supervisor and student err, the more the student gains, if its view is the better one",
        "weak-to-strong gain against similarity",
        _falls,
        {"overlap": 4},
        {"most": -0.5, "overlaps": 4, "better": 0.6, "seeds": 8},
        basis="most: half of a perfect correlation; better: views that see little more leave little to gain at any similarity",
        overlooks=STUDENT_AVERAGED | _SIZES,
    ),
    Claim(
        "complementary_view_gains",
        "without a common feature the student goes part of the way to the oracle that knows which of the two is right",
        "complementary knowledge",
        _gains,
        {"oracle_error_01": 1},
        {"least": 0.2, "better": 0.6, "seeds": 8},
        basis="least: a fifth, as of the gap elsewhere; better: as in gain_falls_with_similarity",
        overlooks=ANY_ORDER | AVERAGED | _PART,
    ),
    Claim(
        "nested_view_copies",
        "a student that sees all that its supervisor sees copies it: nothing is recovered, however much more it sees",
        "negative control of ours",
        _nested,
        {"pgr_01": 1},
        {"size": 0.1, "gap": 0.03, "seeds": 8},
        basis="size: half of the fifth that is asked of a student that does recover; gap: two standard errors of a difference "
        "of errors on a thousand items",
        overlooks=_COPY,
    ),
    Claim(
        "below_the_mean_of_both",
        "a student of weak labels alone errs more often than the mean of both models' answers, unless both see the same",
        "ceiling of mean predictions",
        _below_mean,
        {"mean_error_01": 1},
        {"least": 0.0, "seeds": 8},
        basis="the sentence is about a sign",
        overlooks=ANY_ORDER | STUDENT_AVERAGED | _NO_CEILING | _WORSE,
    ),
)
