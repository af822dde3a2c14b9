"""Everything a row says about classifiers that predict the same items: errors, misfit, agreement, calibration, PGR intervals.

Probabilities have shape (n, K), truth (n,) holds class numbers. The declared loss is the cross-entropy; its Bregman divergence
is the Kullback-Leibler divergence, so misfit = E KL(labels || student), in nats, the labels being what the student was trained
on, and weak_distance = E KL(weak || student). Probabilities below 1e-12 count as 1e-12.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from w2s.measure import metrics
from w2s.measure.item_intervals import INTERVAL_COLUMNS, item_intervals

__all__ = [
    "SCORE_COLUMNS",
    "brier",
    "calibration_error",
    "cross_entropy",
    "divergence",
    "divergences",
    "scores",
    "surprisal",
]

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]

FLOOR = 1e-12
BINS = 10

SCORE_COLUMNS: Mapping[str, str] = {
    "agreement": "double",
    "agreement_right": "double",
    "agreement_wrong": "double",
    "misfit_squared": "double",
    "weak_distance_squared": "double",
    "weak_calibration": "double",
    "student_calibration": "double",
    "ceiling_calibration": "double",
    "weak_brier": "double",
    "student_brier": "double",
    "pgr_01_low": "double",
    "pgr_01_high": "double",
    "n_items": "int64",
    **{name: kind for name, kind in INTERVAL_COLUMNS.items() if not name.startswith("cross_term")},
}
"""Columns that :func:`scores` adds to the common ones; ``_low`` and ``_high`` are 95 % over items."""


def surprisal(probabilities: Matrix, truth: Classes) -> Vector:
    """Compute -log p(true class) of every item, (n,), in nats."""
    return np.asarray(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], FLOOR)))


def cross_entropy(probabilities: Matrix, truth: Classes) -> float:
    """Average -log p(true class), in nats."""
    return float(surprisal(probabilities, truth).mean())


def divergences(first: Matrix, second: Matrix) -> Vector:
    """Compute KL(first || second) of every item, (n,), in nats."""
    a, b = np.maximum(first, FLOOR), np.maximum(second, FLOOR)
    return np.asarray((first * (np.log(a) - np.log(b))).sum(axis=1))


def divergence(first: Matrix, second: Matrix) -> float:
    """Average KL(first || second) over items, in nats: zero only where the two agree."""
    return float(divergences(first, second).mean())


def brier(probabilities: Matrix, truth: Classes) -> float:
    """Average the squared distance to the one-hot truth, 0..2."""
    return float(np.square(probabilities - np.eye(probabilities.shape[1])[truth]).sum(axis=1).mean())


def calibration_error(probabilities: Matrix, truth: Classes, bins: int = BINS) -> float:
    """Compute the expected calibration error: |accuracy - confidence| over bins of equal width, weighted by size.

    Source: M. P. Naeini, G. F. Cooper and M. Hauskrecht, AAAI 2015.
    """
    if not np.isfinite(probabilities).all():
        return float("nan")
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))


_COMPARED = (
    *("misfit", "misfit_squared", "weak_distance", "weak_distance_squared"),
    *("disagreement", "agreement", "agreement_right", "agreement_wrong"),
)


def scores(
    truth: Classes,
    weak: Matrix,
    student: Matrix,
    ceiling: Matrix,
    strong: Matrix | None = None,
    labels: Matrix | None = None,
) -> dict[str, float | int]:
    """Compute all result columns of one cell, by name. ``strong`` (the strong baseline) may be missing.

    ``labels`` are those that the student was trained on, for these items: NaN where nobody knows them, None for the weak
    model's probabilities as they are.
    """
    labels = weak if labels is None else labels
    models = {"weak": weak, "student": student, "ceiling": ceiling} | ({} if strong is None else {"strong": strong})
    if wild := [name for name, values in models.items() if not np.isfinite(values).all()]:
        # The largest of NaNs is class 0: an error rate of such a model would be a number that means nothing.
        given = {name: values for name, values in models.items() if name not in wild}
        known = {f"{name}_error": cross_entropy(values, truth) for name, values in given.items()}
        known |= {f"{name}_error_01": float(np.mean(values.argmax(axis=1) != truth)) for name, values in given.items()}
        names = [f"{name}_error{suffix}" for name in wild for suffix in ("", "_01")]
        return {**dict.fromkeys((*names, *_COMPARED), float("nan")), **known, "n_items": len(truth)}
    right = {name: values.argmax(axis=1) == truth for name, values in models.items()}
    same = weak.argmax(axis=1) == student.argmax(axis=1)
    row: dict[str, float | int] = {f"{name}_error": cross_entropy(values, truth) for name, values in models.items()}
    row |= {f"{name}_error_01": float(1.0 - hits.mean()) for name, hits in right.items()}
    terms = {f"{name}_error": surprisal(values, truth) for name, values in models.items()}
    terms |= {f"{name}_error_01": (~hits).astype(np.float64) for name, hits in right.items()}
    terms |= {"misfit": divergences(labels, student), "weak_distance": divergences(weak, student)}
    terms |= {"agreement": same.astype(np.float64), "same_wrong": same * ~right["weak"]}
    return row | {
        "misfit": divergence(labels, student),
        "misfit_squared": float(metrics.misfit(student, labels)),
        "weak_distance": divergence(weak, student),
        "weak_distance_squared": float(metrics.weak_distance(student, weak)),
        "disagreement": float(1.0 - same.mean()),
        "agreement": float(same.mean()),
        "agreement_right": _share(same, right["weak"]),
        "agreement_wrong": _share(same, ~right["weak"]),
        "weak_calibration": calibration_error(weak, truth),
        "student_calibration": calibration_error(student, truth),
        "ceiling_calibration": calibration_error(ceiling, truth),
        "weak_brier": brier(weak, truth),
        "student_brier": brier(student, truth),
        "n_items": len(truth),
        **item_intervals(terms),
    }


def _share(hits: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> float:
    return float(hits[among].mean()) if among.any() else float("nan")
