"""Settings in comparison: the median over a task's comparisons, and the verdict of the worst task.

A setting is all that a cell says but its seed. A comparison is a tuple of settings that are looked at together: one alone, or
several that differ in one thing. Its statistic is a function of means over the seeds that all compared settings of a task have.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Verdict, untestable, worst
from w2s.claims.seed_intervals import over_means

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Seeded", "by_task", "median_over", "median_task", "worst_task"]

Values = npt.NDArray[np.float64]
Interval = tuple[float, float]


class Seeded(Protocol):
    """Anything measured once per seed, such as a setting."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the seeds, all different."""

    @property
    def values(self) -> Values:
        """Return the measured numbers, one entry per seed: (seeds, ...)."""


S = TypeVar("S", bound=Seeded)
Statistic = Callable[[tuple[S, ...], list[Values]], float]


def by_task(table: DataFrame, settings_of: Callable[[DataFrame], list[S]]) -> Iterator[tuple[str, list[S]]]:
    """Yield every task of a table with the settings that ``settings_of`` makes of its rows; tasks in alphabetical order."""
    for task, rows in table.groupby("task", sort=True):
        rows.attrs = table.attrs
        yield str(task), settings_of(rows)


def median_over(comparisons: Sequence[tuple[S, ...]], statistic: Statistic[S]) -> tuple[float, Interval, int]:
    """Take the median over comparisons of a statistic of means over seeds.

    ``statistic(comparison, means)`` gets a comparison and, for each of its settings, the mean of ``values`` over the seeds that
    all settings of all comparisons have. Returns the median, its interval over these seeds (:func:`over_means`) and their
    number; without a common seed the median is NaN and the interval infinite.
    """
    members = [setting for comparison in comparisons for setting in comparison]
    seeds = sorted(set.intersection(*(set(setting.seeds) for setting in members)))
    kept = [setting.values[[setting.seeds.index(seed) for seed in seeds]] for setting in members]
    shapes = [values.shape[1:] for values in kept]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])

    def of_means(means: Values) -> float:
        parts = iter([part.reshape(shape) for part, shape in zip(np.split(means, ends[:-1]), shapes, strict=True)])
        return float(np.median([statistic(comparison, [next(parts) for _ in comparison]) for comparison in comparisons]))

    together = np.concatenate([values.reshape(len(seeds), -1) for values in kept], axis=1) if seeds else np.empty((0, ends[-1]))
    return over_means(seeds, together, of_means)


def median_task(
    table: DataFrame,
    settings_of: Callable[[DataFrame], list[S]],
    compare: Callable[[list[S]], list[tuple[S, ...]]],
    statistic: Statistic[S],
    judge: Callable[[str, float, Interval, int], Verdict],
    least: float,
    nothing: str,
) -> Verdict:
    """Judge the median over tasks of the median over each task's comparisons: one number for a domain of tasks.

    ``compare`` and ``statistic`` are those of :func:`worst_task`; ``judge(what, value, interval, seeds)`` gets the number of
    tasks. With fewer than ``least`` tasks that have a comparison the verdict is ``untestable``, for the reason ``nothing``.
    """
    chosen = [found for _, settings in by_task(table, settings_of) if (found := compare(settings))]
    if len(chosen) < least:
        return untestable(nothing)
    ends = {id(comparisons[0][0]): [len(one) for one in comparisons] for comparisons in chosen}
    whole = [tuple(setting for comparison in comparisons for setting in comparison) for comparisons in chosen]

    def of_task(settings: tuple[S, ...], means: list[Values]) -> float:
        places = np.cumsum([0, *ends[id(settings[0])]]).tolist()
        parts = itertools.pairwise(places)
        return float(np.median([statistic(settings[low:high], means[low:high]) for low, high in parts]))

    return judge(f"median of {len(chosen)} tasks", *median_over(whole, of_task))


def worst_task(
    table: DataFrame,
    settings_of: Callable[[DataFrame], list[S]],
    compare: Callable[[list[S]], list[tuple[S, ...]]],
    statistic: Statistic[S],
    judge: Callable[[str, float, Interval, int], Verdict],
    nothing: str,
) -> Verdict:
    """Judge the median over each task's comparisons; return the verdict of the worst task.

    ``compare`` chooses the comparisons among a task's settings; a task without one is left out. ``judge(what, value, interval,
    seeds)`` makes the verdict of a task, ``what`` being its name and the number of comparisons. ``nothing`` is the reason given
    where no task has a comparison (the verdict is then ``untestable``).
    """
    verdicts = []
    for task, settings in by_task(table, settings_of):
        if chosen := compare(settings):
            verdicts.append(judge(f"{task}, median of {len(chosen)}", *median_over(chosen, statistic)))
    return worst(verdicts, nothing)
