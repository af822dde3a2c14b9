"""Coverage of the intervals of claims: 99 % by resampled seeds, for every kind of statistic that claims take."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from _coverage_laws import FROM_SEEDS, LAWS, SEEDS, Array, Ends, Law, Line, errors, rng

from w2s.claims import seed_intervals
from w2s.claims.resampled import LEAST_SEEDS, is_wide, least_ends, resampled_ends
from w2s.claims.seed_intervals import over_share
from w2s.measure.scales import CORRELATION, REAL, Scale


def claim_ends(values: Array, statistic: Callable[[Array], Array], scale: Scale = REAL) -> Ends:
    """Intervals of functions of means, for tables (entries, tables, seeds): one resampling serves all tables."""
    count = values.shape[2]
    found = scale.to(statistics_of_resamples(values, statistic))
    value, drawn, left_out = found[0], found[1:1001].T, found[1001:].T
    low, high = (scale.back(ends) for ends in resampled_ends(value, drawn, left_out, count, 0.99))
    return low, high, (count < LEAST_SEEDS) | (np.ptp(drawn, axis=1) == 0) | is_wide(low, high, scale)


def least_claim_ends(values: Array, steps: Sequence[Callable[[Array], Array]]) -> Ends:
    """Intervals of the least of some functions of means, as claims about lines take them."""
    tables, count = values.shape[1:]
    found = np.stack([statistics_of_resamples(values, step) for step in steps])
    low, high = least_ends(
        found[:, 0], *(found[:, part].swapaxes(1, 2) for part in (slice(1, 1001), slice(1001, None))), count, 0.99
    )
    return low, high, np.full(tables, count < LEAST_SEEDS)


def statistics_of_resamples(values: Array, statistic: Callable[[Array], Array]) -> Array:
    """Values of a function of means for tables (entries, tables, seeds): (1 + resamples + groups, tables)."""
    entries, tables, count = values.shape
    means = seed_intervals.means_of_resamples(values.reshape(-1, count).T, 1000)
    return statistic(means.reshape(len(means), entries, tables).swapaxes(0, 1))


def recovered(means: Array, student: int = 1) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(means[0] > means[3], (means[0] - means[student]) / (means[0] - means[3]), np.nan)


def claims(tables: int) -> Iterator[Line]:
    """Statistics of the kinds that claims take, on means over seeds."""
    kinds: Mapping[str, tuple[Callable[[Array], Array], float]] = {
        "PGR": (recovered, 0.5),
        "difference of PGR": (lambda means: recovered(means, 2) - recovered(means), 0.125),
        "log of a ratio": (lambda means: np.log(means[0] / means[1]), math.log(1 / 0.6)),
    }
    steps: Mapping[str, tuple[int, float]] = {"least step": (2, 0.3), "least of equal steps": (1, 0.4)}
    for name, (law, mean) in LAWS.items():
        words = ("mean", *kinds, *steps, "median over seeds", "correlation")
        lines = {word: Line(word, name, 0.99, FROM_SEEDS, wide=word in steps) for word in words}
        for count in SEEDS:
            values = errors(law, count, tables)
            lines["mean"].add(count, claim_ends(values[:1], lambda means: means[0]), mean)
            for word, (statistic, truth) in kinds.items():
                lines[word].add(count, claim_ends(values, statistic), truth)
            for word, (middle, truth) in steps.items():
                each = (lambda m, k=middle: m[0] - m[k], lambda m, k=middle: m[k] - m[3])
                lines[word].add(count, least_claim_ends(values, each), truth * mean)
            lines["median over seeds"].add(count, median_ends(values[0]), float(np.median(law(rng(1, 5), (400_001,)))))
            lines["correlation"].add(count, *correlation_ends(law, mean, count, tables))
        yield from lines.values()
    for word, hits in (("0 or 1, nine in ten", 1), ("18 of 20", 20)):
        line = Line("share", word, 0.99, FROM_SEEDS)
        for count in SEEDS:
            shares = rng(count, 6).binomial(hits, 0.9, (tables, count)) / hits
            found = [over_share(range(count), row)[1] for row in shares]
            low, high = np.array(found).T
            line.add(count, (low, high, np.array([interval.status != "ok" for interval in found])), 0.9)
        yield line


def median_ends(values: Array) -> Ends:
    tables, count = values.shape
    chosen = np.stack(list(seed_intervals.places_of_resamples(count, 1000)))
    left = np.stack([np.delete(np.arange(count), k) for k in range(count)])
    low, high = np.empty(tables), np.empty(tables)
    for start in range(0, tables, 50):
        part = values[start : start + 50]
        drawn, left_out = np.median(part[:, chosen], axis=2), np.median(part[:, left], axis=2)
        low[start : start + 50], high[start : start + 50] = resampled_ends(
            np.median(part, axis=1), drawn, left_out, count, 0.99
        )
    tied = np.ptp(values, axis=1) == 0
    return low, high, tied | (count < LEAST_SEEDS)


def correlation_ends(law: Law, mean: float, count: int, tables: int) -> tuple[Ends, float]:
    """Correlation of gain and misfit over five models; both are means over seeds."""
    gain = np.linspace(0.0, 1.0, 5)
    misfit = np.array([0.1, 0.0, 0.6, 0.5, 1.0])
    noise = 0.5 * (law(rng(count, 8), (10, tables, count)) - mean) / mean
    values = np.concatenate([gain, misfit])[:, None, None] + noise

    def correlation(means: Array) -> Array:
        x, y = (part - part.mean(axis=0) for part in (means[:5], means[5:]))
        found: Array = (x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
        return found

    return claim_ends(values, correlation, CORRELATION), float(np.corrcoef(gain, misfit)[0, 1])
