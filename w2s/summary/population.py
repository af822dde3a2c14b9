"""What an interval over seeds is about, and how much more other data sets would vary.

Seeds of a table part one data set anew: their spread is that of new parts of these rows, and a mean over many seeds comes to
rest at a number of this data set. Seeds of a text task share their test items. Both say nothing of how far that number lies
from the one of the population; this module adds what is known of it.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from w2s.summary import columns
from w2s.summary.columns import BoolArray, FloatArray, IntArray
from w2s.summary.intervals import Beyond
from w2s.summary.moments import group_mean
from w2s.summary.stored import Rows

__all__ = ["Population", "SeedsDraw", "about", "population_of", "seeds_draw_of"]

SeedsDraw = Literal["fresh", "pool", "test_part"]
"""What seeds draw anew: ``fresh``: all data, from a law; ``pool``: the parts of one data set, test rows too; ``test_part``: the
training rows, while all seeds are tested on the same items."""

_SIZES = ("n_test", "n_labeled", "n_transfer")
_NORMAL = 1.959964  # bounds over items are of 95 %


def seeds_draw_of(df: Rows) -> SeedsDraw | None:
    """Read from a table's metadata what its seeds draw anew; None where it does not say."""
    found = df.attrs.get("w2s", {}).get("seeds_draw")
    return found if found in get_args(SeedsDraw) else None


_OVER_SEEDS = {"fresh": ", each with data of its own", "pool": ", for this data set", "test_part": ", for these test items"}


def about(seeds_draw: SeedsDraw | None, population: bool = False, level: float = 0.95) -> str:
    """Say in a few words what an interval covers: ``95 % over seeds, for this data set``."""
    percent = f"{100 * level:g} %"
    if population and seeds_draw == "pool":
        return f"at least {percent} over data sets of this size"
    if population and seeds_draw == "test_part":
        return f"at least {percent} over seeds and test items"
    return f"{percent} over seeds{_OVER_SEEDS.get(seeds_draw or '', '')}"


class Population(NamedTuple):
    """Variance of group means beyond what seeds show, for the metrics of one table."""

    seeds_draw: SeedsDraw
    factor: FloatArray  # (groups,)

    def of_mean(self, df: Rows, name: str, group: IntArray, entered: BoolArray) -> Beyond | None:
        """Return what to add for a mean; None where the rows do not say how it varies over test items."""
        if self.seeds_draw != "test_part":
            return Beyond(factor=self.factor)
        return _items(df, name, group, entered, np.ones(len(df)), len(self.factor))

    def of_ratio(self, df: Rows, name: str, group: IntArray, entered: BoolArray, den: FloatArray) -> Beyond | None:
        """Return what to add for a ratio of means, ``den`` (rows,) being its denominators; None as for a mean."""
        if self.seeds_draw != "test_part":
            return Beyond(factor=self.factor)
        return _items(df, name, group, entered, den, len(self.factor))


def _items(df: Rows, name: str, group: IntArray, entered: BoolArray, unit: FloatArray, groups: int) -> Beyond | None:
    """Average over rows the variance over test items, from the rows' own bounds, in squares of ``unit``.

    All seeds are tested on the same items, so their noise does not average out. Groups with a row without bounds get NaN.
    """
    if any(f"{name}_{side}" not in df.columns for side in ("low", "high")):
        return None
    low, high = (columns.numbers(df, f"{name}_{side}")[entered] for side in ("low", "high"))
    variance = ((high - low) / (2.0 * _NORMAL) * unit[entered]) ** 2
    return Beyond(added=group_mean(variance, group[entered], groups)[1])


def population_of(df: Rows, population: bool | SeedsDraw, group: IntArray, groups: int) -> Population | None:
    """Return what lies beyond the seeds of a table's groups; None where intervals over seeds are asked for.

    ``population`` True asks the table what its seeds draw; a word says it. For ``pool`` the correction of Nadeau and Bengio:
    the mean over n seeds has the variance s^2 (1/n + n_test / n_train), n_train = n_labeled + n_transfer. It takes seeds to
    have as much in common as the noise of test rows makes them: right for errors, wider than it must be for differences of
    models that are tested on the same rows, and where the data set is much larger than its parts. For ``test_part`` the
    variance over test items that the rows' own bounds tell is added, as if all of it were common to the seeds: wider than it
    must be where seeds err on other items. So both cover at least as often as ``level`` says.

    Raises ValueError where the table does not say what its seeds draw, lacks the columns, or holds rows of another kind.

    Source: C. Nadeau and Y. Bengio, "Inference for the generalization error", Mach. Learn. 52 (2003) 239-281.
    """
    if population is False:
        return None
    draws = seeds_draw_of(df) if population is True else population
    if draws is None or draws not in get_args(SeedsDraw):
        raise ValueError(
            f"population={population!r}: the table does not say what its seeds draw; allowed: {', '.join(get_args(SeedsDraw))} "
            "(all data anew, the parts of one data set, the training rows of one data set tested on the same items)"
        )
    if draws != "pool":
        return Population(draws, np.zeros(groups))
    columns.need(df, _SIZES, "population needs the numbers of test and training rows")
    _refuse(df, "evaluate", lambda values: (values != "fresh").to_numpy(bool), "errors on training rows, not on test rows")
    _refuse(df, "split", lambda values: values.notna().to_numpy(bool), "published test rows, which all seeds share")
    tested, labeled, transfer = (columns.numbers(df, name) for name in _SIZES)
    ratio = tested / (labeled + transfer)
    factor = np.zeros(groups)
    np.maximum.at(factor, group, np.nan_to_num(ratio, nan=np.inf))
    if not (np.isfinite(factor) & (factor > 0)).all():
        raise ValueError("population: rows without n_test, n_labeled or n_transfer")
    return Population(draws, factor)


def _refuse(df: Rows, name: str, other: Any, what: str) -> None:
    if name not in df.columns:
        return
    found: npt.NDArray[np.bool_] = other(df[name])
    if found.any():
        raise ValueError(f"population: {int(found.sum())} rows have {name}={df[name][found].iloc[0]!r}: {what}; leave them out")
