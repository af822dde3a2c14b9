"""Seeds until a number is known well enough: when to look, and which settings a look settles. Pure functions of numbers.

A setting is everything in a cell but its seed. It is looked at when it has 32, 64, 128, ... seeds, never in between. Every look
may end it, so each has an interval of its own: with K possible looks at the level 1 - 0.05 / K, by Bonferroni's inequality.
Then all K hold together in 95 of 100 settings, whichever look ends one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from w2s.summary.columns import FloatArray
from w2s.summary.intervals import MeanInterval, RatioInterval, fieller, mean_interval

__all__ = ["STATES", "State", "Until", "describe_level", "settle"]

State = Literal["open", "tight", "unresolved", "max"]
STATES: tuple[State, ...] = get_args(State)
"""A setting takes more seeds; is known well enough; has a ratio without bounds, or no spread; has as many seeds as allowed."""

_LEVEL = 0.95


@dataclass(frozen=True)
class Until:
    """When a setting has seeds enough.

    Attributes
    ----------
    metric : a column of the table, or a ratio such as ``pgr``.
    half_width : half of the interval's length that is enough.
    max : seeds at which a setting ends in any case.
    max_unresolved : seeds at which it ends where the interval has no bounds: a gap that is not resolved, or no spread at all.
    first : seeds of the first look.

    """

    metric: str
    half_width: float
    max: int
    max_unresolved: int
    first: int = 32

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of seeds at which a setting is looked at: doubled from ``first`` up to ``max``."""
        counts = [min(self.first, self.max)]
        while counts[-1] < self.max:
            counts.append(min(2 * counts[-1], self.max))
        return tuple(counts)

    @property
    def level(self) -> float:
        """Coverage of the interval of one look."""
        return 1.0 - (1.0 - _LEVEL) / len(self.looks)


def describe_level(until: Until) -> str:
    """Say in a few words which interval decides, and why it is wider than the usual one."""
    looks = len(until.looks)
    return f"intervals of {100 * until.level:.4g} %, so that all {looks} looks together hold in {100 * _LEVEL:g} %"


def settle(until: Until, top: FloatArray, bottom: FloatArray | None = None) -> npt.NDArray[np.str_]:
    """Judge settings at a look: arrays (settings, seeds) in, one of :data:`STATES` for each setting out.

    ``top`` are the numbers, NaN where a row has none; with ``bottom`` the metric is the ratio of their means, and its interval
    is Fieller's set. Else it is that of :func:`w2s.summary.intervals.mean_interval`. Deterministic; the state of a setting
    depends on its own numbers alone.
    """
    seeds = top.shape[-1]
    found: MeanInterval | RatioInterval
    if bottom is None:
        found = mean_interval(top, until.level)
        known = found.status == "ok"
    else:
        found = fieller(top, bottom, until.level)
        known = (found.status == "ok") & (_means(top, bottom) > 0)
    with np.errstate(invalid="ignore"):
        tight = known & ((found.high - found.low) / 2.0 <= until.half_width)
    given_up = ~known & (seeds >= until.max_unresolved)
    states = np.where(tight, "tight", np.where(given_up, "unresolved", "max" if seeds >= until.max else "open"))
    return np.asarray(states, dtype=np.str_)


def _means(top: FloatArray, bottom: FloatArray) -> FloatArray:
    """Average the denominators of the pairs that are whole, by setting; 0 where there is none."""
    whole = np.isfinite(top) & np.isfinite(bottom)
    total = np.where(whole, bottom, 0.0).sum(axis=-1)
    means: FloatArray = total / np.maximum(whole.sum(axis=-1), 1)
    return means
