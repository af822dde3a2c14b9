"""Intervals over items, which account for noise in the weak and ceiling errors: about these models on new items.

A *term* is one number per item whose mean is a column of a row: an error, a misfit, a hit. Every metric of a row is a mean of
terms or a ratio of such means. Items are the unit here; over seeds, see :mod:`w2s.summary`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from w2s.measure.closed_forms import adjusted_skewness, corrected_quantiles, fieller_set, t_quantile, wilson_ends
from w2s.measure.scales import scale_of

__all__ = ["INTERVAL_COLUMNS", "item_intervals", "mean_bounds", "ratio_bounds"]

Vector = npt.NDArray[np.float64]
Bounds = tuple[float, float]

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

_NOTHING = (float("nan"), float("nan"))


def mean_bounds(terms: Vector, name: str = "", level: float = 0.95) -> Bounds:
    """Compute the interval of the mean of terms (n,): Wilson's for zeros and ones, else Student's corrected for skewness.

    ``name`` is that of the column, whose range the interval does not leave. NaN for one item, and where all items have the same
    number: their spread says nothing about others. Wilson's interval, which gains do not have, needs no spread. Source of the
    correction: Hall 1992 (:func:`w2s.measure.closed_forms.corrected_quantiles`).
    """
    n = len(terms)
    if n < 2 or not np.isfinite(terms).all():
        return _NOTHING
    mean = float(terms.mean())
    if ((terms == 0) | (terms == 1)).all() and name not in GAINS:
        low, high = wilson_ends(mean, n, level)
        return float(low), float(high)
    if np.ptp(terms) == 0:
        return _NOTHING
    centred = terms - mean
    squares = centred * centred
    second, third = float(np.mean(squares)), float(np.mean(squares * centred))  # centred**3 takes twenty times as long
    lower, upper = corrected_quantiles(t_quantile(n, level), adjusted_skewness(second, third, n) / np.sqrt(n))
    error = np.sqrt(second / (n - 1))
    low, high = scale_of(name).clip(np.array([mean - error * upper, mean - error * lower]))
    return float(low), float(high)


def ratio_bounds(top: Vector, bottom: Vector, level: float = 0.95) -> Bounds:
    """Compute Fieller's interval of mean(top) / mean(bottom) of paired terms (n,), (n,).

    NaN for one item, and where the items do not show that the denominator is above zero.
    """
    n = len(top)
    if n < 2 or not bottom.mean() > 0:
        return _NOTHING
    ratio = float(top.mean() / bottom.mean())
    e, d = top - ratio * bottom, bottom - bottom.mean()
    e = e - e.mean()  # zero up to rounding
    v_dd, v_de, v_ee = (np.asarray(np.mean(x * y) / (n - 1)) for x, y in ((d, d), (d, e), (e, e)))
    zero = np.zeros(())
    low, high, interval = fieller_set(np.asarray(bottom.mean()), zero, v_dd, v_de, v_ee, t_quantile(n, level))
    return (ratio + float(low), ratio + float(high)) if interval > 0 else _NOTHING


def item_intervals(terms: Mapping[str, npt.NDArray[np.generic]], level: float = 0.95) -> dict[str, float]:
    """Compute the interval columns ``<name>_low`` and ``<name>_high`` of every metric that the terms determine.

    ``terms`` maps names of ``MEANS`` to one number per item, (n,) each; ``same_wrong`` (weak model wrong, student predicts
    the same) adds agreement where the weak model is right and wrong. Gain and PGR come from the errors. Bounds of a ratio are
    NaN where the items do not resolve its denominator. Cost O(n) for each.
    """
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in terms.items()} | _differences(terms)
    found = {name: mean_bounds(columns[name], name, level) for name in (*MEANS, *GAINS) if name in columns}
    for suffix in ("", "_01"):
        if f"gap{suffix}" in columns:
            found[f"pgr{suffix}"] = ratio_bounds(columns[f"gain{suffix}"], columns[f"gap{suffix}"], level)
    if "same_wrong" in columns:
        same, wrong = columns["agreement"], columns["weak_error_01"] == 1.0
        found["agreement_wrong"], found["agreement_right"] = (
            mean_bounds(same[at], "agreement", level) for at in (wrong, ~wrong)
        )
    return {f"{name}_{side}": bound for name, pair in found.items() for side, bound in zip(("low", "high"), pair, strict=True)}


def _differences(terms: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Vector]:
    """Subtract the errors item by item, to gain and gap: before the sums, so that equal models have a gap of exactly zero."""
    found: dict[str, Vector] = {}
    for suffix in ("", "_01"):
        if f"weak_error{suffix}" in terms:
            weak, student, ceiling = (
                np.asarray(terms[f"{model}_error{suffix}"], dtype=np.float64) for model in ("weak", "student", "ceiling")
            )
            found |= {f"gain{suffix}": weak - student, f"gap{suffix}": weak - ceiling}
    return found
