"""One statistic in every setting of a table: a function of means over seeds, and the verdict of the worst setting.

A setting is what some fields of a cell say. Rows of a setting and a seed are averaged before anything else is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Verdict, worst
from w2s.claims.seed_intervals import over_several
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from pandas import DataFrame

    from w2s.claims.resampled import Interval

__all__ = ["worst_setting"]


def worst_setting(
    table: DataFrame,
    by: Sequence[str],
    columns: Sequence[str],
    statistic: Callable[[npt.NDArray[np.float64]], float],
    judge: Callable[[str, float, Interval, int], Verdict],
    nothing: str,
) -> Verdict:
    """Judge a statistic of the means of ``columns`` in each setting of the fields ``by``; return the worst verdict.

    ``statistic`` gets the means (columns,) over the seeds of a setting. ``judge(where, value, interval, seeds)`` makes a
    verdict, ``where`` naming the setting by the fields that vary. Rows without one of the columns are left out. ``nothing`` is
    the reason of ``untestable`` where no row is left.
    """
    rows = table.dropna(subset=list(columns))
    vary = [name for name in by if rows[name].nunique(dropna=False) > 1]
    settings: dict[tuple[int, ...], list[tuple[str, npt.NDArray[np.float64]]]] = {}
    parts = rows.groupby(vary, dropna=False, sort=True) if vary else [((), rows)] if len(rows) else []
    for key, part in parts:
        means = part.groupby("seed")[list(columns)].mean()
        where = ", ".join(f"{name} = {value_text(level)}" for name, level in zip(vary, key, strict=True))
        named = (f" at {where}" if where else "", means.to_numpy(float))
        settings.setdefault(tuple(means.index), []).append(named)
    found = []
    for seeds, members in settings.items():  # settings of the same seeds share their draws
        together = np.stack([values for _, values in members], axis=1)  # (seeds, settings, columns)
        results = over_several(seeds, together, lambda means: np.array([statistic(setting) for setting in means]))
        found += [judge(where, *result) for (where, _), result in zip(members, results, strict=True)]
    return worst(found, nothing)
