"""The temperature at which probabilities suit the truth best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["COLDEST", "HOTTEST", "fitted_temperature"]

COLDEST, HOTTEST = 0.05, 20.0
"""Bounds of a fitted temperature: where every item is right, or the classes are no better than chance, there is no best one."""

_FLOOR = 1e-12
_HALVINGS = 60


def fitted_temperature(values: npt.NDArray[np.float64], truth: npt.NDArray[np.int64]) -> float:
    """Fit T in [0.05, 20] so that p^(1/T), normalised, has the least cross-entropy with the true classes (n,).

    With b = 1/T the mean loss is convex in b, and its slope is E[sum_k q_k log p_k - log p_true], q being the tempered
    probabilities: the root is found by bisection in b. Probabilities (n, K) below 1e-12 count as 1e-12. Raises ValueError
    without items. Source: C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, ICML 2017.
    """
    if not len(truth):
        raise ValueError("a temperature is fitted on items with known classes; there are none")
    logs = np.log(np.maximum(values, _FLOOR))
    given = logs[np.arange(len(truth)), truth]

    def slope(b: float) -> float:
        powers = np.exp(b * (logs - logs.max(axis=1, keepdims=True)))
        tempered = powers / powers.sum(axis=1, keepdims=True)
        return float(np.mean((tempered * logs).sum(axis=1) - given))

    low, high = 1.0 / HOTTEST, 1.0 / COLDEST
    if slope(low) >= 0.0:
        return HOTTEST
    if slope(high) <= 0.0:
        return COLDEST
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if slope(middle) > 0.0 else (middle, high)
    return 2.0 / (low + high)
