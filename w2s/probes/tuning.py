"""Choosing a ridge on held-out rows: what is tried, relative to the power of the features, and what is chosen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["CRITERIA", "RELATIVE_RIDGES", "best_ridge", "end_of_range", "end_text", "ridges_tried"]

Matrix = npt.NDArray[np.float64]

RELATIVE_RIDGES = 10.0 ** (np.arange(-20, 5) / 2.0)
"""Ridge strengths that are tried, in units of the feature power E |x|^2 after the fit's own preprocessing.

At the upper end every fit is the mean of its targets within one per cent, at the lower end it is the one of minimum norm.
"""

CRITERIA: Mapping[bool, str] = {
    False: "squared error on validation rows",
    True: "0-1 error on validation rows, then squared error",
}
"""What a ridge is chosen by, for regression and for classification (True)."""

_EQUAL = 1e-9
"""Part of the least squared error within which errors count as equal: what a change of units does to their last digits."""


def ridges_tried(power: float) -> Matrix:
    """Return the ridge strengths, ascending, for features of that power; features without any are taken to have power 1."""
    with np.errstate(over="ignore"):
        return np.asarray(RELATIVE_RIDGES * (power or 1.0))


def best_ridge(squared: Matrix, zero_one: Matrix | None = None) -> int:
    """Return the place of the best of the ridges tried, by their errors (L,): the 0-1 error first where there is one.

    Among equals the greatest ridge is taken. Errors that are not finite never win over those that are.
    """
    left = np.isfinite(squared)
    if not left.any():
        return len(squared) - 1
    if zero_one is not None:
        left &= zero_one == np.min(zero_one[left])
    left &= squared <= np.min(squared[left]) * (1.0 + _EQUAL)
    return int(np.flatnonzero(left)[-1])


def end_of_range(place: int) -> str:
    """Say at which end of the ridges tried a place is: ``least``, ``greatest``, or nothing."""
    return {0: "least", len(RELATIVE_RIDGES) - 1: "greatest"}.get(place, "")


def end_text(model: str, end: str) -> str:
    """Say that the best ridge of a model is the last one tried, and what that means."""
    relative = RELATIVE_RIDGES[0 if end == "least" else -1]
    meaning = "no regularisation" if end == "least" else "nothing learned beyond the mean"
    return f"{model}: the best ridge on validation rows is the {end} one tried, {relative:g} of the feature power ({meaning})"
