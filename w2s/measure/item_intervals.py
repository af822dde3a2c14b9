"""Intervals over items: all models of a cell resampled together, to account for noise in the weak and ceiling errors.

A *term* is one number per item whose mean is a column of a row: an error, a misfit, a hit. Every metric of a row is a mean of
terms or a ratio of such means, hence one resampling serves all of them. Items are the unit here; over seeds, see
:mod:`w2s.summary`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["INTERVAL_COLUMNS", "RESAMPLES", "item_intervals", "mean_bounds", "ratio_bounds", "resampled_means"]

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Bounds = tuple[float, float]

RESAMPLES = 1000
_HELD = 4_000_000  # drawn items held at once: 32 MB
_MODELS = ("weak", "student", "strong", "ceiling")
MEANS = (
    *(f"{model}_error{suffix}" for suffix in ("", "_01") for model in _MODELS),
    *("misfit", "weak_distance", "cross_term", "agreement"),
)
"""Terms whose mean is a column of its own."""
GAINS = ("gain", "gain_01")
RATIOS = ("pgr", "pgr_01", "agreement_right", "agreement_wrong")
INTERVAL_COLUMNS: Mapping[str, str] = {
    f"{name}_{side}": "double" for name in (*MEANS, *GAINS, *RATIOS) for side in ("low", "high")
}
"""Columns that :func:`item_intervals` gives, name -> type name."""


def resampled_means(terms: Matrix) -> Matrix:
    """Compute means of the terms (n, m) over n items drawn with replacement: (RESAMPLES, m).

    Deterministic: the draws depend on n alone, so equal items give equal intervals. One item says nothing about others: all is
    NaN. Cost O(RESAMPLES n m); memory 64 MB.
    """
    n = len(terms)
    if n == 1:
        return np.full((RESAMPLES, terms.shape[1]), np.nan)
    generator = np.random.Generator(np.random.Philox(key=[0x17E5, n]))
    means = np.empty((RESAMPLES, terms.shape[1]))
    batch = max(1, min(RESAMPLES, _HELD // n))
    for start in range(0, RESAMPLES, batch):
        drawn = generator.integers(0, n, size=(min(batch, RESAMPLES - start), n))
        counts = np.stack([np.bincount(items, minlength=n) for items in drawn])
        means[start : start + batch] = counts.astype(np.float64) @ terms / n
    return means


def mean_bounds(resampled: Vector, level: float = 0.95) -> Bounds:
    """Compute the percentile interval of a mean from its resamples (r,)."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(resampled, [tail, 1.0 - tail])
    return float(low), float(high)


def ratio_bounds(top: Vector, bottom: Vector, level: float = 0.95) -> Bounds:
    """Compute the percentile interval of a ratio of means from paired resamples (r,), (r,).

    A resample whose denominator is not positive lies beyond every bound, on the side of its numerator. Where that reaches a
    bound, the items do not resolve the denominator and both bounds are NaN.
    """
    tail = (1.0 - level) / 2.0
    if np.mean(bottom <= 0) > tail:
        return float("nan"), float("nan")
    ratio = np.divide(top, bottom, out=np.where(top < 0, -np.inf, np.inf), where=bottom > 0)
    low, high = np.quantile(ratio, [tail, 1.0 - tail], method="closest_observation")
    return (float(low), float(high)) if np.isfinite([low, high]).all() else (float("nan"), float("nan"))


def item_intervals(terms: Mapping[str, npt.NDArray[np.generic]], level: float = 0.95) -> dict[str, float]:
    """Compute the interval columns ``<name>_low`` and ``<name>_high`` of every metric that the terms determine.

    ``terms`` maps names of ``MEANS`` to one number per item, (n,) each; ``same_wrong`` (weak model wrong, student predicts
    the same) adds agreement where the weak model is right and wrong. Gain and PGR come from the errors. Bounds of a ratio are
    NaN where the items do not resolve its denominator.
    """
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in terms.items()} | _differences(terms)
    means = dict(zip(columns, resampled_means(np.column_stack([*columns.values()])).T, strict=True))
    found = {name: mean_bounds(means[name], level) for name in (*MEANS, *GAINS) if name in means}
    for suffix in ("", "_01"):
        if f"gap{suffix}" in means:
            found[f"pgr{suffix}"] = ratio_bounds(means[f"gain{suffix}"], means[f"gap{suffix}"], level)
    if "same_wrong" in means:
        same, wrong = means["same_wrong"], means["weak_error_01"]
        found["agreement_wrong"] = ratio_bounds(same, wrong, level)
        found["agreement_right"] = ratio_bounds(means["agreement"] - same, 1.0 - wrong, level)
    return {f"{name}_{side}": bound for name, pair in found.items() for side, bound in zip(("low", "high"), pair, strict=True)}


def _differences(terms: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Vector]:
    """Gain and gap item by item: subtracted before the sums, equal models have a gap of exactly zero."""
    found: dict[str, Vector] = {}
    for suffix in ("", "_01"):
        if f"weak_error{suffix}" in terms:
            weak, student, ceiling = (
                np.asarray(terms[f"{model}_error{suffix}"], dtype=np.float64) for model in ("weak", "student", "ceiling")
            )
            found |= {f"gain{suffix}": weak - student, f"gap{suffix}": weak - ceiling}
    return found
