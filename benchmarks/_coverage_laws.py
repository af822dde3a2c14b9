"""Laws with known answers, and how often an interval holds them: what the parts of `interval_coverage.py` share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray
Ends = tuple[Array, Array, Array]
"""Low and high ends of many intervals, and where a status warns."""
Law = Callable[[np.random.Generator, tuple[int, ...]], Array]

SEEDS, FROM_SEEDS = (3, 5, 8, 12, 16, 32, 64), 8
BAR = 0.015

LAWS: Mapping[str, tuple[Law, float]] = {
    "normal": (lambda g, s: 1.0 + 0.3 * g.standard_normal(s), 1.0),
    "lognormal, sd .5": (lambda g, s: np.exp(0.5 * g.standard_normal(s)), math.exp(0.125)),
    "squared normal": (lambda g, s: g.standard_normal(s) ** 2, 1.0),
    "2 of 20": (lambda g, s: g.binomial(20, 0.1, s) / 20.0, 0.1),
    "lognormal, sd 1": (lambda g, s: np.exp(g.standard_normal(s)), math.exp(0.5)),
}
"""Laws of one number, with their means. Skewness: 0, 1.8, 2.8, .6, 6.2."""
NOT_JUDGED = "lognormal, sd 1"


@dataclass
class Line:
    """Coverage of one interval on one law, by number of seeds or items: share covered, and share with a warning status."""

    interval: str
    law: str
    nominal: float
    least: int
    wide: bool = False  # meant to cover more often
    judged: bool = True
    covered: dict[int, float] = field(default_factory=dict)
    flagged: dict[int, float] = field(default_factory=dict)

    def add(self, count: int, ends: Ends, truth: float | Array) -> None:
        """Count how many intervals hold the truth: those without a status, or all where none is without."""
        low, high, warned = ends
        inside = (low <= truth) & (truth <= high)
        self.flagged[count] = float(np.mean(warned))
        self.covered[count] = float(np.mean(inside[~warned])) if (~warned).any() else float(np.mean(inside))

    def missed(self, tables: int) -> list[int]:
        """Numbers of seeds where it is off by more than the bar and twice the simulation's own error."""
        error = 2.0 * math.sqrt(self.nominal * (1.0 - self.nominal) / tables)
        found = []
        for count, share in self.covered.items():
            off = share - self.nominal
            if (
                count >= self.least
                and self.flagged[count] < 0.5
                and (off < -BAR - error or (off > BAR + error and not self.wide))
            ):
                found.append(count)
        return found


def rng(count: int, use: int) -> np.random.Generator:
    """Random numbers of one number of seeds (or items) for one use."""
    return np.random.Generator(np.random.Philox(key=[count, use]))


def errors(law: Law, count: int, tables: int) -> Array:
    """Errors of weak model, two students and ceiling: (4, tables, count); means in the ratio 1, .6, .5, .2."""
    return np.array([1.0, 0.6, 0.5, 0.2])[:, None, None] * law(rng(count, 1), (4, tables, count))
