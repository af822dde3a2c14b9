"""Claims: sentences of a paper as statistical tests on a finished table, each of which can fail.

A claim is tested with thresholds that were frozen when its run was launched. Cells with one seed share draws, so a test
resamples seeds, never rows: the intervals of :mod:`w2s.claims.seed_intervals` and the verdict builders below are all that most
claims need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from w2s.claims.seed_intervals import LEVEL

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "Claim",
    "Outcome",
    "Verdict",
    "above",
    "below",
    "decide",
    "missing",
    "untestable",
    "within",
    "worst",
]

Outcome = Literal["holds", "fails", "unresolved", "untestable"]
Thresholds = Mapping[str, float]


@dataclass(frozen=True)
class Verdict:
    """What a test found.

    Attributes
    ----------
    outcome : ``holds``, ``fails``, ``unresolved`` (the interval contains the threshold) or ``untestable`` (no such rows).
    says : one line with the numbers, for people.
    statistic : the tested number; None when untestable.
    interval : its interval over seeds; equal ends for an exact identity and for a test that says its ``chance``.
    threshold : what it was compared with; NaN when untestable.
    seeds : how many seeds the interval rests on.
    intervals : how many intervals could have decided it: one where its own has a width, or as many as a statement about
        several settings has of them.
    chance : bound of the chance that luck of the seeds decides it wrongly: 1 - `LEVEL` for each interval, its level for
        another test, 0 for an exact identity.

    """

    outcome: Outcome
    says: str
    statistic: float | None = None
    interval: tuple[float, float] | None = None
    threshold: float = float("nan")
    seeds: int = 0
    intervals: int = 0
    chance: float = 0.0

    def __post_init__(self) -> None:
        """Count its interval, unless what it rests on is said."""
        wide = self.interval is not None and self.interval[0] != self.interval[1]
        object.__setattr__(self, "intervals", self.intervals or int(wide))
        object.__setattr__(self, "chance", self.chance or self.intervals * (1.0 - LEVEL))


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
    thresholds : the numbers that decide, by name; written into a run's metadata when it is launched. ``seeds`` is the least
        number of seeds: below it nothing holds or fails.
    basis : where the thresholds come from: the paper's number, or why these.
    overlooks : sabotages (:data:`w2s.claims.sabotage.SABOTAGES`) that the claim need not notice, each with the reason.
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
    basis: str = ""
    overlooks: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a claim that cannot be decided: a threshold that is no number, an expected failure without a reason."""
        for name, value in self.thresholds.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise ValueError(f"claim {self.id!r}: threshold {name!r} must be a finite number, got {value!r}")
        if self.expected not in ("holds", "fails_at_this_scale"):
            raise ValueError(f"claim {self.id!r}: expected is 'holds' or 'fails_at_this_scale', not {self.expected!r}")
        if self.expected != "holds" and not self.reason:
            raise ValueError(f"claim {self.id!r} is expected to fail: say why in `reason`")

    def as_expected(self, verdict: Verdict) -> bool:
        """Tell whether the verdict is the expected one; a change in either direction is news."""
        return verdict.outcome == ("holds" if self.expected == "holds" else "fails")


def decide(claim: Claim, table: DataFrame, thresholds: Thresholds | None = None) -> Verdict:
    """Test a claim on a table; ``untestable`` when the table lacks what it needs.

    ``thresholds`` are those frozen with the run; without, the claim's own. With fewer seeds than its ``seeds`` a verdict is
    ``unresolved`` whatever the interval. Raises KeyError when a frozen threshold is missing.
    """
    usable = table[table["status"] != "failed"] if "status" in table else table
    if problem := missing(claim, usable):
        return untestable(problem)
    numbers = claim.thresholds if thresholds is None else thresholds
    return _with_enough_seeds(claim.test(usable, numbers), numbers.get("seeds", 0))


def _with_enough_seeds(verdict: Verdict, least: float) -> Verdict:
    if not isinstance(verdict, Verdict) or verdict.outcome == "untestable" or verdict.seeds >= least:
        return verdict
    return replace(verdict, outcome="unresolved", says=f"{verdict.says}; too few seeds: {verdict.seeds}, {least:g} needed")


def missing(claim: Claim, table: DataFrame) -> str:
    """Say what a table lacks for a claim; return an empty text when it lacks nothing."""
    if not len(table):
        return "the table has no rows"
    for name, count in claim.needs.items():
        found = int(table[name].nunique()) if name in table else 0
        if found < count:
            asked = f"{count} or more values" if count > 1 else "values"
            return f"needs {asked} of {name}, the table has {found or 'none'}"
    return ""


def above(name: str, value: float, interval: tuple[float, float], threshold: float, seeds: int) -> Verdict:
    """Judge whether ``name`` is above ``threshold``: holds or fails where the whole interval says so, else unresolved."""
    low, high = _usable(value, interval)
    outcome: Outcome = "holds" if low > threshold else "fails" if high < threshold else "unresolved"
    return Verdict(outcome, _line(name, value, interval, f"above {threshold:.4g}", seeds), value, interval, threshold, seeds)


def below(name: str, value: float, interval: tuple[float, float], threshold: float, seeds: int) -> Verdict:
    """Judge whether ``name`` is below ``threshold``: holds or fails where the whole interval says so, else unresolved."""
    low, high = _usable(value, interval)
    outcome: Outcome = "holds" if high < threshold else "fails" if low > threshold else "unresolved"
    return Verdict(outcome, _line(name, value, interval, f"below {threshold:.4g}", seeds), value, interval, threshold, seeds)


def within(name: str, value: float, interval: tuple[float, float], bounds: tuple[float, float], seeds: int) -> Verdict:
    """Judge whether ``name`` lies in ``bounds``: holds when the interval lies inside, fails when it lies wholly outside.

    The verdict's ``threshold`` is the bound nearer to the value.
    """
    (low, high), (least, most) = _usable(value, interval), bounds
    outcome: Outcome = "holds" if least <= low and high <= most else "fails" if high < least or low > most else "unresolved"
    nearest = least if abs(value - least) <= abs(value - most) else most
    says = _line(name, value, interval, f"in [{least:.4g}, {most:.4g}]", seeds)
    return Verdict(outcome, says, value, interval, nearest, seeds)


def untestable(why: str) -> Verdict:
    """Make the verdict that nothing in the table decides the claim; ``why`` says what is missing."""
    return Verdict("untestable", why)


def worst(verdicts: Sequence[Verdict], nothing: str = "there is nothing of the kind") -> Verdict:
    """Return the worst of several verdicts, as the verdict on all of them; ``untestable`` for ``nothing`` where there are none.

    A fail is worse than an unresolved verdict, that is worse than an untestable one, and that is worse than one that holds.
    Among fails the one farthest from its threshold is the worst: it is the strongest evidence against the claim. Among others
    it is the one nearest to its threshold, which comes closest to a worse outcome. The distance is that of the nearer end of
    the interval, since the ends decide the outcome; an interval without numbers has the distance 0. Its ``intervals`` and its
    ``chance`` are those of all of them together.
    """
    if not verdicts:
        return untestable(nothing)
    found = min(verdicts, key=lambda verdict: (_RANKS.index(verdict.outcome), _lead(verdict)))
    return replace(found, intervals=sum(one.intervals for one in verdicts), chance=sum(one.chance for one in verdicts))


_RANKS: tuple[Outcome, ...] = ("fails", "unresolved", "untestable", "holds")


def _lead(verdict: Verdict) -> float:
    """Return the distance of an interval from its threshold; negative for a fail, which lies on the wrong side."""
    distance = min((abs(end - verdict.threshold) for end in verdict.interval or ()), default=0.0)
    distance = 0.0 if math.isnan(distance) else distance
    return -distance if verdict.outcome == "fails" else distance


def _usable(value: float, interval: tuple[float, float]) -> tuple[float, float]:
    """Return the interval, or an infinite one, which decides nothing, where its numbers are unusable.

    They are unusable where the value is not finite, or where the ends are NaN or crossed.
    """
    return interval if math.isfinite(value) and interval[0] <= interval[1] else (-math.inf, math.inf)


def _line(name: str, value: float, interval: tuple[float, float], asked: str, seeds: int) -> str:
    low, high = interval
    spread = "" if low == high == value else f" [{low:.4g}, {high:.4g}]"
    why = _WHY.get(getattr(interval, "status", "ok"), "")
    return f"{name} = {value:.4g}{spread} (asked: {asked}; {seeds} seed{'s' if seeds != 1 else ''}{why})"


_WHY = {
    "few_seeds": ", too few for an interval",
    "tied": ", all the same",
    "undefined": ", no value on some resamples",
    "wide": ", wide",
}
