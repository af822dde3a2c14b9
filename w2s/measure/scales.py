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
"""Numbers from zero on, by their logarithm: errors, distances, entropies."""
SHARE = Scale(0.0, 1.0, lambda x: np.log(x) - np.log1p(-x), lambda z: 1.0 / (1.0 + np.exp(-z)))
"""Numbers in [0, 1], by their logit: accuracies, agreements, 0-1 errors, total variations."""
CORRELATION = Scale(-1.0, 1.0, np.arctanh, np.tanh)
"""Numbers in [-1, 1], by Fisher's z: correlations, cosines, gains of 0-1 errors."""

_SHARE_ENDS = (
    *("_error_01", "_error_easy", "_error_hard", "_error_both", "_error_in", "_error_bad", "_error_uncovered", "_train_error"),
    *("_accuracy", "_accuracy_rest", "_accuracy_labeled", "_accuracy_selected", "_calibration", "_share", "_variation"),
    *("_worst_class", "_worst_pair", "_intact", "_attacked", "_certified", "edit_rate"),
    *("agreement_right", "agreement_wrong"),
)
_SHARE_NAMES = {
    *("agreement", "disagreement", "weight_best", "coverage", "deception", "deception_base", "self_labelled", "train_fit"),
    *("break_rate", "copy_rate", "fix_rate", "edit_precision", "kept_items", "agreed_items", "effective_items", "best_found"),
    *("largest_class", "largest_class_ceiling", "label_correction", "label_error", "naive_error", "self_error"),
    *("error_overlap", "stacked_expected", "judge_auroc", "posterior", "posterior_decoy", "confidence", "variation_apart"),
    "weak_rule",
    *(f"{signal}_{network}" for signal in ("easy", "hard") for network in ("weak", "before", "after")),
}
_POSITIVE_ENDS = ("_error", "_brier", "_power", "_misfit", "weak_distance", "_entropy", "_divergence", "_slopes")
_POSITIVE_NAMES = {
    *("weak_distance_squared", "distance_to_mean", "epsilon", "loss_ratio", "optimality", "same_sample_gap", "weak_tilt"),
    *("lower_bound", "variation_bound", "score_operator", "score_trace", "expansion_correction", "expansion_coverage"),
    *("bits_per_byte", "other_bits_per_byte"),
}


def scale_of(name: str) -> Scale:
    """Return the scale of a column, judged by its name; `REAL` for a name that says nothing.

    A closed form and the ends of an interval lie where their number does: ``_theory``, ``_low`` and ``_high`` do not count.
    """
    known = name.removesuffix("_theory").removesuffix("_low").removesuffix("_high")
    if known.endswith(_SHARE_ENDS) or known in _SHARE_NAMES:
        return SHARE
    if known == "gain_01" or "correlation" in known or known.startswith("corr_") or known.endswith("_cosine"):
        return CORRELATION
    positive = known.startswith(("misfit", "pred_gap")) or known.endswith(_POSITIVE_ENDS) or known in _POSITIVE_NAMES
    return POSITIVE if positive else REAL
