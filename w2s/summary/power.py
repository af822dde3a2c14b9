"""How many seeds an interval of a given width takes, judged from a pilot; how many a decision takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from w2s.measure.closed_forms import t_quantile
from w2s.summary.summarize import summarize

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["chance_to_decide", "seeds_needed", "seeds_to_decide"]


def seeds_needed(df: pd.DataFrame, metric: str, half_width: float, level: float = 0.95) -> pd.DataFrame:
    """Estimate how many seeds each group of cells needs for an interval of ``metric`` of half width ``half_width``.

    From the half width h of n pilot seeds: h = t(n - 1) s / sqrt(n) gives s, and the answer is the least m with
    t(m - 1) s / sqrt(m) <= half_width. For ratios (PGR, OPR) h is half of Fieller's interval, which shrinks like 1 / sqrt(m)
    once the gap is resolved; before, the status says so and no number is given. A pilot of 8 seeds knows s to about 25 %.

    Returns
    -------
    DataFrame with the group's fields, ``seeds``, ``value``, ``half_width``, ``needed`` (null where unresolved) and ``status``.

    Raises ValueError for a half width that is not positive, and in the cases in which `summarize` does.
    """
    if not half_width > 0:
        raise ValueError(f"half_width={half_width} must be above 0")
    summary = summarize(df, metrics=[metric], level=level)
    keys = summary.attrs["w2s_summary"]["by"]
    now = (summary[f"{metric}_high"] - summary[f"{metric}_low"]) / 2.0
    seeds = summary["seeds"].to_numpy()
    status = summary[f"{metric}_status"] if f"{metric}_status" in summary else summary["status"]
    out: pd.DataFrame = summary[keys].copy()
    out["seeds"], out["value"], out["half_width"] = seeds, summary[metric], now
    spread = now.to_numpy() * np.sqrt(seeds) / t_quantile(seeds, level)
    out["needed"] = [_for_half_width(s, half_width, level) for s in spread]
    out["status"] = status.to_numpy()
    out["needed"] = out["needed"].astype("Int64")
    return out


def chance_to_decide(distance: float, seeds: int, level: float = 0.99) -> float:
    """Compute how often an interval from normal numbers leaves out a threshold on the right side.

    ``distance`` is that of the true mean from the threshold in standard deviations of one seed, d. Student's interval decides
    where T > t, T of the noncentral law with n - 1 degrees of freedom and noncentrality d sqrt(n): at d = 1.6 and level .99,
    3 seeds decide in 8 %, 8 in 80 % and 16 in more than 99 % of the cases. Intervals that are widened for skewness decide less
    often, 8 seeds in 61 % (docs/claims.md). Without a second seed nothing is decided.
    """
    from scipy.stats import nct

    if seeds < 2:
        return 0.0
    return float(nct.sf(float(t_quantile(seeds, level)), seeds - 1, abs(distance) * np.sqrt(seeds)))


def seeds_to_decide(
    value: float, interval: tuple[float, float], threshold: float, seeds: int, level: float = 0.99, chance: float = 0.8
) -> int | None:
    """Estimate the least number of seeds that decides with some ``chance``, if the truth is what these seeds show.

    From the half width h of an interval of n seeds: h = t(n - 1) s / sqrt(n) gives s, and with it :func:`chance_to_decide`.
    None where the interval is infinite, or the value is at the threshold to 1 % of s: no affordable number does.
    """
    half = (interval[1] - interval[0]) / 2.0
    if not (np.isfinite(half) and np.isfinite(value) and seeds > 1 and half > 0):
        return None
    distance = abs(value - threshold) * float(t_quantile(seeds, level)) / (half * np.sqrt(seeds))
    if not distance > 0.01:
        return None
    return _least(lambda count: chance_to_decide(distance, count, level) >= chance)


def _for_half_width(spread: float, half_width: float, level: float) -> int | None:
    """Find the least m >= 2 with t(m - 1) spread / sqrt(m) <= half_width; None for an unknown spread."""
    if not np.isfinite(spread):
        return None
    return _least(lambda count: float(t_quantile(count, level) * spread / np.sqrt(count)) <= half_width)


def _least(enough: Callable[[int], bool]) -> int:
    """Find the least count >= 2 that is enough, where all larger ones are too, by doubling and bisection."""
    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
