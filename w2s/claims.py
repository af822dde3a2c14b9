"""Claims: sentences of a paper as statistical tests on a finished table, each of which can fail.

A claim is tested with thresholds that were frozen when its run was launched. Cells with one seed share draws, so a test
resamples seeds, never rows; :func:`over_seeds` and the verdict builders below are all that most claims need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Claim", "Outcome", "Verdict", "above", "below", "decide", "missing", "over_seeds", "untestable", "within"]

Outcome = Literal["holds", "fails", "unresolved", "untestable"]
Thresholds = Mapping[str, float]

LEVEL = 0.99
"""Two-sided coverage of a claim's interval, unless its test says otherwise."""


@dataclass(frozen=True)
class Verdict:
    """What a test found.

    Attributes
    ----------
    outcome : ``holds``, ``fails``, ``unresolved`` (the interval contains the threshold) or ``untestable`` (no such rows).
    says : one line with the numbers, for people.
    statistic : the tested number; None when untestable.
    interval : its interval over seeds; equal ends for an exact identity.
    threshold : what it was compared with; NaN when untestable.
    seeds : how many seeds the interval rests on.

    """

    outcome: Outcome
    says: str
    statistic: float | None = None
    interval: tuple[float, float] | None = None
    threshold: float = float("nan")
    seeds: int = 0


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper and the test that decides it.

    Attributes
    ----------
    id : short, unique within a study: ``gain_is_misfit``.
    says : the sentence, in our words.
    where : its place: ``Theorem 1, Fig. 2a``.
    test : finished table and frozen thresholds to a verdict. The table holds rows without ``failed`` ones.
    needs : columns that must be there, each with the least number of different values (1: not all null).
    thresholds : the numbers that decide, by name; written into a run's metadata when it is launched.
    expected : ``fails_at_this_scale`` for a sentence that is known not to hold where we can afford to look.
    reason : why it is expected to fail; required then.

    """

    id: str
    says: str
    where: str
    test: Callable[[DataFrame, Thresholds], Verdict]
    needs: Mapping[str, int] = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=dict)
    expected: Literal["holds", "fails_at_this_scale"] = "holds"
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse an expected failure without a reason."""
        if self.expected != "holds" and not self.reason:
            raise ValueError(f"claim {self.id!r} is expected to fail: say why in `reason`")

    def as_expected(self, verdict: Verdict) -> bool:
        """Whether the verdict is the one that was expected; a change either way is news."""
        return verdict.outcome == ("holds" if self.expected == "holds" else "fails")


def decide(claim: Claim, table: DataFrame, thresholds: Thresholds | None = None) -> Verdict:
    """Test a claim on a table; ``untestable`` when the table lacks what it needs.

    ``thresholds`` are those frozen with the run; without, the claim's own. Raises KeyError when a frozen threshold is missing.
    """
    usable = table[table["status"] != "failed"] if "status" in table else table
    if problem := missing(claim, usable):
        return untestable(problem)
    return claim.test(usable, claim.thresholds if thresholds is None else thresholds)


def missing(claim: Claim, table: DataFrame) -> str:
    """What a table lacks for a claim, in words; empty when nothing."""
    for name, count in claim.needs.items():
        found = int(table[name].nunique()) if name in table else 0
        if found < count:
            values = "no values" if not found else f"{found} value{'s' if found > 1 else ''}"
            return f"needs {count} or more values of {name}, the table has {values}"
    return ""


def over_seeds(
    table: DataFrame, statistic: Callable[[DataFrame], float], *, level: float = LEVEL, resamples: int = 1000
) -> tuple[float, tuple[float, float], int]:
    """Value, percentile interval and number of seeds of any statistic of a table, whole seeds resampled.

    Deterministic: the draws depend on the number of seeds alone. With one seed the interval is infinite. Resampled values that
    are not finite count as lying beyond both ends. Cost: ``resamples`` evaluations, so summarise large tables per seed first.

    Source: B. Efron, Ann. Statist. 7 (1979) 1-26; clusters resampled as in A. C. Davison and D. V. Hinkley, Bootstrap Methods
    and their Application (1997), section 3.8.
    """
    groups = [np.asarray(rows) for rows in table.groupby("seed", sort=True).indices.values()]
    value = float(statistic(table))
    if len(groups) < 2:
        return value, (-np.inf, np.inf), len(groups)
    generator = np.random.Generator(np.random.Philox(key=[0xC1A1, len(groups)]))
    drawn = np.empty(resamples)
    for r in range(resamples):
        chosen = generator.integers(len(groups), size=len(groups))
        drawn[r] = statistic(table.iloc[np.concatenate([groups[k] for k in chosen])])
    tail = (1.0 - level) / 2.0
    low = np.quantile(np.where(np.isfinite(drawn), drawn, -np.inf), tail, method="lower")
    high = np.quantile(np.where(np.isfinite(drawn), drawn, np.inf), 1.0 - tail, method="higher")
    return value, (float(low), float(high)), len(groups)


def above(name: str, value: float, interval: tuple[float, float], threshold: float, seeds: int) -> Verdict:
    """``name`` is above ``threshold``: holds or fails where the whole interval says so, else unresolved."""
    low, high = interval
    outcome: Outcome = "holds" if low > threshold else "fails" if high < threshold else "unresolved"
    return Verdict(outcome, _line(name, value, interval, f"above {threshold:.4g}", seeds), value, interval, threshold, seeds)


def below(name: str, value: float, interval: tuple[float, float], threshold: float, seeds: int) -> Verdict:
    """``name`` is below ``threshold``: holds or fails where the whole interval says so, else unresolved."""
    low, high = interval
    outcome: Outcome = "holds" if high < threshold else "fails" if low > threshold else "unresolved"
    return Verdict(outcome, _line(name, value, interval, f"below {threshold:.4g}", seeds), value, interval, threshold, seeds)


def within(name: str, value: float, interval: tuple[float, float], bounds: tuple[float, float], seeds: int) -> Verdict:
    """``name`` lies in ``bounds``: holds when the interval lies inside, fails when it lies wholly outside."""
    (low, high), (least, most) = interval, bounds
    outcome: Outcome = "holds" if least <= low and high <= most else "fails" if high < least or low > most else "unresolved"
    nearest = least if abs(value - least) <= abs(value - most) else most
    says = _line(name, value, interval, f"in [{least:.4g}, {most:.4g}]", seeds)
    return Verdict(outcome, says, value, interval, nearest, seeds)


def untestable(why: str) -> Verdict:
    """Nothing in the table decides the claim; ``why`` says what is missing."""
    return Verdict("untestable", why)


def _line(name: str, value: float, interval: tuple[float, float], asked: str, seeds: int) -> str:
    low, high = interval
    if low == high == value:
        return f"{name} = {value:.4g} (asked: {asked}; {seeds} seeds)"
    return f"{name} = {value:.4g} [{low:.4g}, {high:.4g}] (asked: {asked}; {seeds} seeds)"
