"""How the explorer opens: which axis lies along x, which one colours tell, and what is held where lines would be too many.

A reader changes all of it. Nothing is hidden: what is held is said in its own control, and above the chart how many settings
are shown of how many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["along_axis", "opening"]

MOST_LINES, MOST_COLORS = 24, 6
"""Lines in one chart, and colours, that readers tell apart."""
_FAVOURITES = ("pgr", "pgr_01", "gain", "gain_01", "student_error", "student_error_01")

Axis = Mapping[str, Any]


def along_axis(axes: Sequence[Axis], codes: npt.NDArray[np.integer[Any]]) -> int:
    """Choose the axis for x: of the numeric ones, or of all where there are none, the one that joins the most points to lines.

    ``codes`` (axes, points) say which value a point has. Among axes that join as many, the one with the most values.
    """
    numeric = [k for k, axis in enumerate(axes) if axis["numeric"]] or list(range(len(axes)))
    return max(numeric, key=lambda k: (_joined(codes, k), len(axes[k]["values"])))


def _joined(codes: npt.NDArray[np.integer[Any]], along: int) -> int:
    """Count the points that share all other axes with a further point."""
    _, sizes = np.unique(np.delete(codes, along, axis=0), axis=1, return_counts=True)
    return int(sizes[sizes > 1].sum())


def opening(
    axes: Sequence[Axis], codes: npt.NDArray[np.integer[Any]], metrics: Sequence[Mapping[str, Any]], along: int
) -> dict[str, Any]:
    """Choose metric, x, colour and held values; ``color`` is None where no axis has few enough values to be told apart.

    One axis after another is held at the value that most of the remaining points have, the one with the fewest values last,
    until at most ``MOST_LINES`` lines are left.
    """
    metric = _metric(metrics)
    color = _color(axes, codes, along)
    shown = np.array([value is not None for value in metrics[metric]["value"]])
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
    for name in _FAVOURITES:
        if name in names and 2 * had[names.index(name)] >= len(metrics[0]["value"]):
            return names.index(name)
    return int(np.argmax(had))


def _color(axes: Sequence[Axis], codes: npt.NDArray[np.integer[Any]], along: int) -> int | None:
    """Choose the axis with the most values of those with few enough."""
    few = [k for k, axis in enumerate(axes) if k != along and 1 < len(axis["values"]) <= MOST_COLORS]
    return max(few, key=lambda k: len(np.unique(codes[k])), default=None)


def _lines(codes: npt.NDArray[np.integer[Any]], along: int) -> int:
    return int(np.unique(np.delete(codes, along, axis=0), axis=1).shape[1])
