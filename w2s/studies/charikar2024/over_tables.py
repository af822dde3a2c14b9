"""Statistics over the ladder of weak models of each table, with intervals over seeds; the worst table speaks for all.

Means are over seeds, and over splits where that is what a point is: ``weak_error - misfit`` is the paper's score, gain = misfit
its line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Verdict, worst
from w2s.claims.seed_intervals import over_means
from w2s.measure.ranking import rank_correlation
from w2s.measure.scales import REAL, Scale
from w2s.studies.charikar2024.ladder import ladder, table_name

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Line", "Means", "correlation", "distance", "excess", "fitted_line", "order", "worst_table"]

Number = npt.NDArray[np.float64]
Means = Mapping[str, Number]
"""Means over seeds, by name: arrays with one entry for each point of a table, a weak model or a weak model on a split."""
_MEANS = ("gain", "misfit", "student_error", "weak_error")


class Line(NamedTuple):
    """A line fitted to gains against misfits by least squares: gain = intercept + slope x misfit, and the share it explains."""

    slope: float
    intercept: float
    r2: float


def worst_table(
    table: DataFrame,
    name: str,
    statistic: Callable[[Means], float],
    decide: Callable[..., Verdict],
    asked: float | tuple[float, float],
    *,
    scale: Scale = REAL,
    splits: bool = False,
) -> Verdict:
    """Test every table with eight weak models by itself, with intervals over seeds; return the verdict of the worst one.

    A point is a weak model, averaged over published splits; with ``splits`` a weak model on one of them.
    """
    verdicts: list[Verdict] = []
    for data, rows in ladder(table).groupby("data"):
        seeds, values = _points(rows, splits)
        found, interval, count = over_means(
            seeds, values, lambda means: statistic(dict(zip(_MEANS, means, strict=True))), scale=scale
        )
        verdicts.append(decide(f"{name}, {table_name(data)}", found, interval, asked, count))
    return worst(verdicts, "no table has eight weak models")


def _points(rows: DataFrame, splits: bool) -> tuple[npt.NDArray[np.int64], Number]:
    """Return the seeds and the values (seeds, columns, points) of one table."""
    point = ["weak_features"]
    if splits and rows["split"].notna().any():
        point.append("split")
    wide = rows.pivot_table(index="seed", columns=point, values=list(_MEANS))
    return wide.index.to_numpy(), np.stack([wide[name].to_numpy(float) for name in _MEANS], axis=1)


def distance(means: Means) -> float:
    """Compute the mean of |gain - misfit| / student_error over the points."""
    return float(np.mean(np.abs(means["gain"] - means["misfit"]) / means["student_error"]))


def excess(means: Means) -> float:
    """Compute the mean of (misfit - gain) / student_error: by what share student_error exceeds weak_error - misfit."""
    return float(np.mean((means["misfit"] - means["gain"]) / means["student_error"]))


def correlation(means: Means) -> float:
    """Compute Pearson's correlation of gain and misfit over the points; NaN where one has no spread."""
    with np.errstate(invalid="ignore", divide="ignore"):  # copies of their teachers have no spread: no correlation
        return float(np.corrcoef(means["gain"], means["misfit"])[0, 1])


def order(means: Means) -> float:
    """Compute Spearman's correlation of weak_error - misfit and student_error over the points, the two columns of Table 1."""
    return rank_correlation(means["weak_error"] - means["misfit"], means["student_error"])


def fitted_line(misfit: npt.ArrayLike, gain: npt.ArrayLike) -> Line:
    """Fit gain = intercept + slope x misfit to points (n,) by least squares; NaN where misfits do not differ.

    R^2 is one minus the squared residuals over those of the mean gain; NaN where gains do not differ.
    """
    x, y = np.asarray(misfit, dtype=np.float64), np.asarray(gain, dtype=np.float64)
    at, up = x - x.mean(), y - y.mean()
    if not _spreads(x):
        return Line(np.nan, np.nan, np.nan)
    slope = float(at @ up) / float(at @ at)
    left = up - slope * at
    r2 = 1.0 - float(left @ left) / float(up @ up) if _spreads(y) else np.nan
    return Line(slope, float(y.mean() - slope * x.mean()), r2)


def _spreads(values: Number) -> bool:
    """Tell whether numbers differ by more than the rounding of their mean, and by enough for a square."""
    least = max(4.0 * np.finfo(float).eps * float(np.abs(values).max()), np.sqrt(np.finfo(float).tiny))
    return bool(np.ptp(values) > len(values) * least)
