"""Rows of the shift study in comparison: regimes, students of two methods on the same items, and who is trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from w2s.claims.claim import Thresholds, Verdict, worst
from w2s.claims.seed_intervals import over_share
from w2s.claims.settings import worst_setting
from w2s.studies.raven2025.shift.world import WORLD
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["SETTING", "WEIGHTS", "compared", "drawn_regime", "fast_weights", "less", "of_method", "share_found"]

Judge = Callable[..., Verdict]

SETTING = tuple(name for name in WORLD if name != "data")
WEIGHTS = ("rate", "easy", "start", "reset", "floor", "decay")
_PLAIN = {"start": "uniform", "reset": False, "floor": 0, "decay": 0}
"""How weights are learned in the paper."""


def drawn_regime(
    table: DataFrame, *, sharing: float = 0.0, gap: float = 0.0, errors: str = "visible", labels: str = "soft"
) -> DataFrame:
    """Keep the rows of a regime of drawn supervisors, one good and two bad ones as in the paper's settings."""
    found = table[(table["source"] == "drawn") & (table["bad"] == 2) & (table["labels"] == labels)]
    return found[(found["errors"] == errors) & (found["sharing"] == sharing) & (found["gap"] == gap)]


def fast_weights(table: DataFrame, limits: Thresholds) -> DataFrame:
    """Keep students whose weights move fast enough to get somewhere, and nothing holds them back."""
    found = table[(table["method"] == "raven") & (table["rate"] >= limits["rate"])]
    for name, value in _PLAIN.items():
        found = found[found[name] == value]
    return found


def compared(table: DataFrame, one: DataFrame, other: DataFrame, column: str) -> DataFrame:
    """Pair rows of two methods on the same items: their values as ``one`` and ``other``, with the fields of the world."""
    keys = [*SETTING, "labels", "seed"]
    left = one[[*keys, *WEIGHTS, column]].rename(columns={column: "one"})
    right = other[[*keys, column]].rename(columns={column: "other"})
    found = left.astype(dict.fromkeys(keys, object)).merge(right.astype(dict.fromkeys(keys, object)), on=keys)
    found.attrs = table.attrs
    return found


def less(rows: DataFrame, what: str, judge: Judge, nothing: str) -> Verdict:
    """Judge the mean of the first of two paired numbers less that of the second, in the worst setting."""
    return worst_setting(
        rows,
        [*SETTING, "labels", *WEIGHTS],
        ["one", "other"],
        lambda means: float(means[0] - means[1]),
        lambda at, value, interval, seeds: judge(f"{what}{at}", value, interval, seeds),
        nothing,
    )


def share_found(rows: DataFrame, judge: Judge, nothing: str) -> Verdict:
    """Judge in how many seeds the best supervisor has the largest weight, in the worst setting."""
    kept, by, found = rows.dropna(subset=["best_found"]), [*SETTING, *WEIGHTS], []
    vary = [name for name in by if kept[name].nunique(dropna=False) > 1]
    for key, part in kept.groupby(vary, dropna=False, sort=True) if vary else [((), kept)] if len(kept) else []:
        mean = part.groupby("seed")["best_found"].mean()
        where = ", ".join(f"{name} = {value_text(level)}" for name, level in zip(vary, key, strict=True))
        name = f"share of seeds with most weight on the best supervisor{' at ' if where else ''}{where}"
        found.append(judge(name, *over_share(mean.index, mean.to_numpy())))
    return worst(found, nothing)


def of_method(table: DataFrame, method: str) -> DataFrame:
    """Keep the rows of a method."""
    return table[table["method"] == method]
