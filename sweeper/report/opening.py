"""How the explorer opens: which axis lies along x, which one colours tell, and what is held where lines would be too many.

A reader changes all of it. Nothing is hidden: what is held is said in its own control, and above the chart how many settings
are shown of how many.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NOWHERE", "along_axis", "favourites", "opening"]

MOST_LINES, MOST_COLORS = 24, 6
"""Lines in one chart, and colours, that readers tell apart."""
NOWHERE = "-"
"""The value of an axis of numbers in settings whose field says nothing."""
_FAVOURITES = ("pgr", "gain", "student_error")

Axis = Mapping[str, Any]


def favourites(names: Collection[str]) -> list[str]:
    """List the metrics among ``names`` that a reader asks for first: PGR, gain, error.

    Where a student has a share of wrong answers, the metrics of accuracy come before those of squared error, as in the
    sentence of the digest.
    """
    accuracy = [f"{name}_01" for name in _FAVOURITES]
    first, then = (accuracy, _FAVOURITES) if "student_error_01" in names else (_FAVOURITES, accuracy)
    return [name for name in (*first, *then) if name in names]


def along_axis(axes: Sequence[Axis], codes: npt.NDArray[np.integer[Any]]) -> int:
    """Choose the axis for x: of the numeric ones, or of all where there are none, the one that joins the most points to lines.

    ``codes`` (axes, points) say which value a point has. A point counts the more the longer its line is, by the logarithm of
    the points on it: many lines of two points say less than half as many lines of twelve.
    """
    numeric = [k for k, axis in enumerate(axes) if axis["numeric"]] or list(range(len(axes)))
    return max(numeric, key=lambda k: (_joined(codes[:, _placed(axes[k], codes[k])], k), len(axes[k]["values"])))


def _placed(axis: Axis, codes: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """Tell which points have a place along an axis."""
    return np.asarray(np.array([not axis["numeric"] or value != NOWHERE for value in axis["values"]])[codes])


def _joined(codes: npt.NDArray[np.integer[Any]], along: int) -> float:
    """Add up, over lines of points that share all other axes, their points times the logarithm of their points."""
    _, sizes = np.unique(np.delete(codes, along, axis=0), axis=1, return_counts=True)
    return float((sizes * np.log(sizes)).sum())


def opening(
    axes: Sequence[Axis], codes: npt.NDArray[np.integer[Any]], metrics: Sequence[Mapping[str, Any]], along: int
) -> dict[str, Any]:
    """Choose metric, x, colour and held values; ``color`` is None where no axis has few enough values to be told apart.

    One axis after another is held at the value that most of the remaining points have, the one with the fewest values last,
    until at most ``MOST_LINES`` lines are left.
    """
    metric = _metric(metrics)
    color = _color(axes, codes, along)
    shown = np.array([value is not None for value in metrics[metric]["value"]]) & _placed(axes[along], codes[along])
    held: dict[str, int] = {}
    free = sorted((k for k in range(len(axes)) if k not in (along, color)), key=lambda k: -len(axes[k]["values"]))
    for k in free:
        if _lines(codes[:, shown], along) <= MOST_LINES:
            break
        if len(counts := np.bincount(codes[k, shown])):
            held[axes[k]["name"]] = int(np.argmax(counts))
            shown &= codes[k] == held[axes[k]["name"]]
    return {"metric": metric, "x": along, "color": color, "held": held}


def _metric(metrics: Sequence[Mapping[str, Any]]) -> int:
    """Choose the first favourite that half of the points or more have, else the metric that most have."""
    had = [sum(value is not None for value in metric["value"]) for metric in metrics]
    names = [metric["name"] for metric in metrics]
    for name in favourites(names):
        if 2 * had[names.index(name)] >= len(metrics[0]["value"]):
            return names.index(name)
    return int(np.argmax(had))


def _color(axes: Sequence[Axis], codes: npt.NDArray[np.integer[Any]], along: int) -> int | None:
    """Choose the axis with the most values of those with few enough."""
    few = [k for k, axis in enumerate(axes) if k != along and 1 < len(axis["values"]) <= MOST_COLORS]
    return max(few, key=lambda k: len(np.unique(codes[k])), default=None)


def _lines(codes: npt.NDArray[np.integer[Any]], along: int) -> int:
    return int(np.unique(np.delete(codes, along, axis=0), axis=1).shape[1])
