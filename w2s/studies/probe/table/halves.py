"""Which weak models have what a choice needs: seeds to choose on, and others to report on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["in_both_halves"]


def in_both_halves(table: DataFrame, by: Sequence[str], metric: str) -> DataFrame:
    """Keep the rows of groups that have a number on an even seed, and one on an odd seed.

    The others have nothing to choose on, or to report: those of one seed, of seeds that a launch has not come to, of a grid
    whose seeds are all odd.
    """
    group, names = columns.group_codes(table, list(by))
    there = columns.usable(table) & np.isfinite(columns.numbers(table, metric))
    odd = table["seed"].to_numpy(dtype=np.int64) % 2 == 1
    halves = [np.bincount(group[there & half], minlength=len(names)) > 0 for half in (~odd, odd)]
    kept: DataFrame = table[(halves[0] & halves[1])[group]]
    return kept
