"""Errors over stopping times, per seed and per value of a field, ready for statistics that resample seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.seed_intervals import over_means

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Curves", "curves_of", "groups", "stopped"]

Matrix = npt.NDArray[np.float64]
Statistic = Callable[[Matrix, Matrix], float]


@dataclass(frozen=True)
class Curves:
    """Weak errors (seeds, levels) and student errors (seeds, levels, times; NaN where a time is missing) of some rows."""

    levels: list[float]
    seeds: list[Any]
    weak: Matrix
    student: Matrix

    def statistic(self, of: Statistic) -> tuple[float, tuple[float, float], int]:
        """Compute ``of`` of mean weak and best mean student errors, each (levels,), with an interval over seeds."""

        def of_means(means: Matrix) -> float:
            return of(means[:, 0], np.nanmin(means[:, 1:], axis=-1))

        return over_means(self.seeds, np.concatenate([self.weak[:, :, None], self.student], axis=2), of_means)


def curves_of(rows: DataFrame, by: str) -> Curves | None:
    """Read the curves over stopping times at every level of a field, on the seeds that have all levels."""
    weak = rows.pivot_table(index="seed", columns=by, values="weak_error").dropna()
    if not len(weak):
        return None
    kept = rows[rows["seed"].isin(weak.index)]
    parts = [
        kept[kept[by] == level].pivot_table(index="seed", columns="time", values="student_error") for level in weak.columns
    ]
    times = sorted(set().union(*(part.columns for part in parts)))
    cube = np.stack([part.reindex(columns=times).to_numpy() for part in parts], axis=1)
    return Curves([float(level) for level in weak.columns], list(weak.index), weak.to_numpy(), cube)


def stopped(table: DataFrame, model: str, student: str) -> DataFrame:
    """Keep the rows of flow students of a linear target."""
    chosen = (table["model"] == model) & (table["student"] == student) & (table["student_filter"] == "flow")
    return table[chosen & ~(table["quadratic"] > 0) & ~(table["quartic"] > 0)]


def groups(rows: DataFrame, by: Sequence[str], over: str, least: int) -> Iterator[tuple[str, Curves]]:
    """Yield the settings of some fields in which another one takes ``least`` values or more, with their curves."""
    for key, part in rows.groupby(list(by)):
        curves = curves_of(part, over)
        if curves is not None and len(curves.levels) >= least:
            yield ", ".join(f"{name} = {value:g}" for name, value in zip(by, key, strict=True)), curves
