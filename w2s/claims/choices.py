"""Rules that choose a teacher before its student is known, two of them in comparison.

A rule takes the candidate with the least score; a hit is a choice whose student is the best or second-best of all candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from w2s.claims.claim import Verdict, above
from w2s.claims.seed_intervals import over_means
from w2s.summary.selection import select

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["more_hits"]


def more_hits(rows: DataFrame, candidates: str, scores: tuple[str, str], by: Sequence[str], threshold: float) -> Verdict:
    """Judge whether one rule hits more often than another, draw by draw: the difference of their shares above ``threshold``.

    ``candidates`` names the teacher, ``scores`` the columns that the rules minimise, ``by`` the fields of a draw; among them is
    the seed, over which the interval is.
    """
    first, second = (_hits(rows, candidates, score, by) for score in scores)
    value, interval, seeds = over_means(first.index, first - second, float)
    shares = f"{first.mean():.2f} by {scores[0]}, {second.mean():.2f} by {scores[1]}"
    return above(f"more of the two best ({shares})", value, interval, threshold, seeds)


def _hits(rows: DataFrame, candidates: str, score: str, by: Sequence[str]) -> Series[float]:
    """Share of hits among the draws of every seed."""
    chosen = select(rows, candidates, score=score, by=by)
    hits: Series[float] = (chosen["rank"] <= 2).astype(float).groupby(chosen["seed"]).mean()
    return hits
