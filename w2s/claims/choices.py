"""Rules that choose a teacher before its student is known, two of them in comparison.

A rule takes the candidate with the least score; a hit is a choice whose student is the best or second-best of all candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from w2s.claims.claim import Verdict, above, untestable
from w2s.claims.seed_intervals import over_means
from w2s.measure.scales import CORRELATION
from w2s.summary.selection import select

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["more_hits"]


def more_hits(rows: DataFrame, candidates: str, scores: tuple[str, str], by: Sequence[str], threshold: float) -> Verdict:
    """Judge whether one rule hits more often than another, draw by draw: the difference of their shares above ``threshold``.

    ``candidates`` names the teacher, ``scores`` the columns that the rules minimise, ``by`` the fields of a draw; among them is
    the seed, over which the interval is. Untestable where the rules choose alike in every draw.
    """
    first, second = (select(rows, candidates, score=score, by=by) for score in scores)
    if (first[candidates] == second[candidates]).all():
        return untestable(f"{scores[0]} and {scores[1]} choose the same {candidates} in all {len(first):,} draws")
    shares, others = (_hits(chosen) for chosen in (first, second))
    value, interval, seeds = over_means(shares.index, shares - others, float, scale=CORRELATION)
    said = f"{shares.mean():.2f} by {scores[0]}, {others.mean():.2f} by {scores[1]}"
    return above(f"more of the two best ({said})", value, interval, threshold, seeds)


def _hits(chosen: DataFrame) -> Series[float]:
    """Compute the share of hits among the draws of every seed."""
    hits: Series[float] = (chosen["rank"] <= 2).astype(float).groupby(chosen["seed"]).mean()
    return hits
