"""Where a number can lie, and scales without ends for intervals of numbers that have some.

An error is not below zero, an accuracy lies in [0, 1], a correlation in [-1, 1]; an interval says nothing beyond.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["CORRELATION", "POSITIVE", "REAL", "SHARE", "Scale", "scale_of"]

FloatArray = npt.NDArray[np.float64]
Map = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Scale:
    """The range of a number, and an increasing map ``to`` of its inside onto the whole line, with its inverse ``back``."""

    low: float
    high: float
    to: Map
    back: Map

    def inside(self, value: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Mark the numbers strictly inside the range: the others have no place on the line."""
        return np.asarray((np.asarray(value) > self.low) & (np.asarray(value) < self.high))

    def clip(self, value: FloatArray) -> FloatArray:
        """Bring ends of intervals into the range; no number is lost, since none lies outside."""
        return np.clip(value, self.low, self.high)


REAL = Scale(-math.inf, math.inf, lambda x: x, lambda z: z)
"""Any number, as it is: gains, ratios."""
POSITIVE = Scale(0.0, math.inf, np.log, np.exp)
"""Numbers from zero on, by their logarithm: errors, misfits."""
SHARE = Scale(0.0, 1.0, lambda x: np.log(x) - np.log1p(-x), lambda z: 1.0 / (1.0 + np.exp(-z)))
"""Numbers in [0, 1], by their logit: accuracies, agreements, 0-1 errors."""
CORRELATION = Scale(-1.0, 1.0, np.arctanh, np.tanh)
"""Numbers in [-1, 1], by Fisher's z: correlations, gains of 0-1 errors."""

_SHARES = (
    *("_error_01", "_accuracy", "_calibration", "_share", "_accuracy_rest", "_accuracy_labeled", "_accuracy_selected"),
    *("_worst_class", "_worst_pair", "_intact", "_attacked", "_certified"),
)
_SHARE_NAMES = {
    *("disagreement", "weight_best", "coverage", "deception", "deception_base", "self_labelled", "train_fit", "edit_precision"),
    *("break_rate", "copy_rate", "edit_rate", "fix_rate", "kept_items", "agreed_items", "effective_items", "largest_class"),
}
_POSITIVE = ("_error", "_error_theory", "_brier", "_power", "_misfit", "weak_distance")


def scale_of(name: str) -> Scale:
    """Return the scale of a column, judged by its name; `REAL` for a name that says nothing."""
    if name.endswith(_SHARES) or name.startswith("agreement") or name in _SHARE_NAMES:
        return SHARE
    if name == "gain_01" or "correlation" in name:
        return CORRELATION
    return POSITIVE if name.endswith(_POSITIVE) or name.startswith("misfit") or name == "epsilon" else REAL
