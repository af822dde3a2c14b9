"""What the paper says of many weak models of one strong model, on real features, as tests on a table.

Statistics are functions of means over seeds: other ways to part the same data set, with the same weak models. Of several
settings of one data set (published splits) the mean counts, of several data sets the worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, within, worst
from w2s.claims.overlooks import ANY_ORDER, NO_CEILING, STUDENT_AVERAGED, TEACHER_AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.measure.ranking import rank_correlation
from w2s.measure.scales import CORRELATION, POSITIVE, Scale
from w2s.studies.xue2025.orders import MODEL, Ladder, ladders

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Matrix = npt.NDArray[np.float64]
Statistic = Callable[[Matrix], float]
"""Of means (models, columns) of one setting."""
_NAMES = (
    "student_error",
    "pred_gap",
    "pred_gap_theory",
    "score_trace",
    "score_operator",
    "d_weak_principal",
    "n_labeled",
)
_AT = {name: place for place, name in enumerate(_NAMES)}


def _each_data(
    name: str, statistic: Statistic, decide: Callable[..., Verdict], threshold: str, scale: Scale
) -> Callable[[DataFrame, Thresholds], Verdict]:
    """Make a test of a statistic: its mean over the settings of every data set, the worst data set for all."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        verdicts = []
        for data, seeds, together in _data_sets(table, limits):
            mean = over_means(seeds, together, lambda means: float(np.mean([statistic(part) for part in means])), scale=scale)
            count = f"{together.shape[2]} weak models of {data}"
            verdicts.append(decide(f"{name}, {count}", mean[0], mean[1], limits[threshold], mean[2]))
        return worst(verdicts, f"no setting has {limits['models']:g} weak models on the same seeds")

    return test


def _data_sets(table: DataFrame, limits: Thresholds) -> Iterator[tuple[str, npt.NDArray[np.int64], Matrix]]:
    """Yield the name, the seeds and the values (seeds, settings, models, columns) of every data set with enough weak models."""
    found = ladders(table, MODEL, _NAMES, int(limits["models"]))
    for data in dict.fromkeys(ladder.data for ladder in found):
        settings = _alike([ladder for ladder in found if ladder.data == data])
        yield data, settings[0].seeds, np.stack([ladder.values for ladder in settings], axis=1)


def _alike(found: list[Ladder]) -> list[Ladder]:
    """Keep the settings that have the weak models and the seeds of the first one."""
    first = found[0]
    return [
        ladder for ladder in found if ladder.values.shape == first.values.shape and np.array_equal(ladder.seeds, first.seeds)
    ]


def _order(first: str, second: str) -> Statistic:
    return lambda means: rank_correlation(means[:, _AT[first]], means[:, _AT[second]])


def _orders(what: str, first: str, second: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    return _each_data(f"rank correlation of {what}", _order(first, second), above, "least", CORRELATION)


def _part(means: Matrix) -> Matrix:
    """Compute formula / PredGap of every weak model."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Matrix = means[:, _AT["pred_gap_theory"]] / means[:, _AT["pred_gap"]]
    return found


def _narrow(table: DataFrame, limits: Thresholds) -> Verdict:
    """Judge formula / PredGap, on average over the settings of a data set, of every narrow weak model; the worst decides."""
    verdicts = []
    for data, seeds, together in _data_sets(table, limits):
        directions, labeled = (together[..., _AT[name]].mean(axis=(0, 1)) for name in ("d_weak_principal", "n_labeled"))
        for place in np.flatnonzero(limits["rows"] * directions <= labeled):
            ratio = over_means(seeds, together[:, :, place], lambda means: float(np.mean(_part(means))), scale=POSITIVE)
            name = f"formula / PredGap, {data}, {directions[place]:.0f} directions"
            verdicts.append(within(name, ratio[0], ratio[1], (limits["least"], limits["most"]), ratio[2]))
    return worst(verdicts, "no weak model has so many labelled rows for each principal direction")


_STRONG = {"least": 0.7, "models": 8, "seeds": 8}
_BASIS = "least: what is called a strong rank correlation; models: a ladder of the paper's size, or near it, and 8 at the least"
_NO_TEACHER = dict.fromkeys(("teacher_up", "teacher_down"), "no error of the teacher is in the sentence") | TEACHER_AVERAGED
_COPIES = dict.fromkeys(
    ("student_is_teacher", "flipped"), "the formula orders the errors of weak models too, nearly as those of their students"
)
_MEANS = ANY_ORDER | _NO_TEACHER
_CLOSE = dict.fromkeys(("student_is_teacher", "flipped"), "the student of a narrow weak model errs nearly as its teacher")
_AVERAGED = _MEANS | STUDENT_AVERAGED
_FARTHER = dict.fromkeys(
    ("student_is_teacher", "student_constant", "student_shuffled", "flipped", "ceiling_is_teacher"),
    "some weak model is farther from the formula with such students too",
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "formula_orders_students",
        "Over the weak models of one strong model the student's error rises with ||P_s (I - P_w) y||^2.",
        "experiments on molecules and texts",
        _orders("formula and student_error", "pred_gap_theory", "student_error"),
        {"weak_features": 1, "pred_gap_theory": 8},
        _STRONG,
        basis=_BASIS,
        overlooks=_COPIES | _AVERAGED | NO_CEILING,
    ),
    Claim(
        "formula_orders_gaps",
        "So does PredGap.",
        "Theorem 3.8 on real features",
        _orders("formula and PredGap", "pred_gap_theory", "pred_gap"),
        {"weak_features": 1, "pred_gap_theory": 8},
        _STRONG,
        basis=_BASIS,
        overlooks=_COPIES | _AVERAGED,
    ),
    Claim(
        "trace_score_orders_students",
        "Without labels ||P_s (I - P_w)||_F^2 / tr P_s orders the students too.",
        "label-free metric, derived",
        _orders("trace score and student_error", "score_trace", "student_error"),
        {"weak_features": 1, "score_trace": 8},
        _STRONG,
        basis=_BASIS,
        overlooks=_COPIES | _AVERAGED | NO_CEILING,
    ),
    Claim(
        "operator_score_orders_students",
        "Without labels ||P_s (I - P_w)||_op orders the students too.",
        "label-free metric",
        _orders("operator score and student_error", "score_operator", "student_error"),
        {"weak_features": 1, "score_operator": 8},
        _STRONG,
        basis=_BASIS,
        overlooks=_COPIES | _AVERAGED | NO_CEILING,
    ),
    Claim(
        "formula_near_gap_of_narrow_models",
        "The formula is PredGap within a quarter, for weak models with forty labelled rows or more per principal direction.",
        "Theorem 3.8 on real features",
        _narrow,
        {"weak_features": 1, "pred_gap_theory": 8},
        {"least": 0.75, "most": 1.25, "models": 8, "rows": 40, "seeds": 8},
        basis="least, most: a quarter, more than the toy's tenth; rows: ours; with twenty, the 65 test "
        "molecules of FreeSolv leave it open",
        overlooks=_CLOSE | _MEANS,
    ),
    Claim(
        "formula_is_the_gap",
        "The formula is PredGap for every weak model, within a quarter.",
        "Theorem 3.8 on real features",
        _each_data("least formula / PredGap", lambda means: float(np.min(_part(means))), above, "least", POSITIVE),
        {"weak_features": 1, "pred_gap_theory": 8},
        {"least": 0.75, "models": 8, "seeds": 8},
        basis="a quarter: far more than the toy's tenth",
        overlooks=_FARTHER | _AVERAGED,
        expected="fails_at_this_scale",
        reason="the theorem is about many rows; here a wide weak model has a few labelled rows for each of its directions, and "
        "the student copies a part of its estimation error, which is not in the formula",
    ),
)
"""Claims of :class:`w2s.studies.xue2025.features.study.Features`."""
