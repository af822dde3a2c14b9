"""Ratios of means, setting by setting, for the claims on the toy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from w2s.claims.claim import Verdict, worst
from w2s.claims.seed_intervals import over_means
from w2s.claims.settings import each_setting
from w2s.measure.scales import POSITIVE

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["each_ratio"]

Decide = Callable[..., Verdict]


def each_ratio(
    rows: DataFrame, name: str, top: str, bottom: Sequence[str], decide: Decide, asked: object, nothing: str
) -> Verdict:
    """Judge the ratio of two means over seeds in every setting; the worst setting speaks for all.

    ``bottom`` are columns whose sum is the denominator; ``decide`` is one of the builders of :mod:`w2s.claims.claim`.
    """
    verdicts = []
    for place, part in each_setting(rows):
        values = part[[top, *bottom]].to_numpy(float)
        found = over_means(part["seed"], values, lambda means: _divided(means[0], float(means[1:].sum())), scale=POSITIVE)
        verdicts.append(decide(f"{name} at {place}", found[0], found[1], asked, found[2]))
    return worst(verdicts, nothing)


def _divided(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else float("nan")
