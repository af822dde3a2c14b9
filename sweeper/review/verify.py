"""Testing the claims of a study on finished runs, with the thresholds that stood when they were launched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sweeper.errors import RunError
from sweeper.folder.provenance import frozen_claim
from sweeper.folder.run_folder import run_name
from sweeper.review.table import RunTable, read_run
from w2s.claims.claim import Claim, Verdict, decide, untestable
from w2s.places.url import Where
from w2s.tables.concat import concat
from w2s.user_files import told

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["AS_EXPECTED", "UNTESTABLE", "Judged", "Verification", "exit_code", "judge", "verify"]

AS_EXPECTED, CHANGED, UNTESTABLE = 0, 1, 4
"""Exit codes: every verdict is the expected one; some are not; those that are not could not be tested."""


_UNTOLD: Mapping[str, Any] = {"says": "", "where": "", "expected": "holds", "reason": "", "thresholds": {}}


@dataclass(frozen=True)
class Judged:
    """A claim and its verdict.

    Attributes
    ----------
    claim : as the study makes it today, with the expectation that stood at launch.
    thresholds : the numbers that decided.
    frozen : those that stood at launch; None for a claim that no run knows.
    notes : what has changed since the launch, for people.
    broken : whether the test itself raised.

    """

    claim: Claim
    verdict: Verdict
    thresholds: Mapping[str, float]
    frozen: Mapping[str, float] | None
    notes: tuple[str, ...] = ()
    broken: bool = False

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the expected one."""
        return self.claim.as_expected(self.verdict)


@dataclass(frozen=True)
class Verification:
    """The claims of one study, tested on the rows of some runs together."""

    study: str
    version: int
    runs: tuple[RunTable, ...]
    rows: int
    seeds: int
    repeated: int
    judged: tuple[Judged, ...]

    @property
    def intervals(self) -> int:
        """How many intervals over seeds the verdicts rest on."""
        return sum(judged.verdict.intervals for judged in self.judged)

    @property
    def family_error(self) -> float:
        """Bound of the chance that one verdict or more is wrong by luck of the seeds: the sum over the verdicts, at most 1."""
        return min(1.0, sum(judged.verdict.chance for judged in self.judged))


def verify(runs: Sequence[Where | str], *, partial: bool = False, trust_code: bool = False) -> list[Verification]:
    """Test every claim of every study on the rows of its runs together.

    A cell that two runs have counts once; ``trust_code`` is as in :func:`sweeper.review.stored.stored_grid`. Raises
    :class:`RunError` for a folder that is no run, an unfinished run (unless ``partial``), a study without claims, and runs of
    one study that disagree on its version or on what was frozen.
    """
    tables = [read_run(path, trust_code=trust_code) for path in dict.fromkeys(run_name(path).resolve() for path in runs)]
    by_study: dict[str, list[RunTable]] = {}
    for table in tables:
        if table.unfinished and not partial:
            message = f"of {table.status.cells:,} cells {table.unfinished}; launch the grid again, or test what is there"
            raise RunError(f"{table.path} is not finished: {message} with --partial")
        by_study.setdefault(table.grid.study.name, []).append(table)
    return [judge(found) for found in by_study.values()]


def exit_code(verifications: Iterable[Verification]) -> int:
    """Return 0: every verdict is the expected one; 4: all others are untestable; 1: some changed, or a test is broken."""
    others = [judged for found in verifications for judged in found.judged if not judged.as_expected]
    if not others:
        return AS_EXPECTED
    decided = any(judged.broken or judged.verdict.outcome != "untestable" for judged in others)
    return CHANGED if decided else UNTESTABLE


def judge(runs: Sequence[RunTable]) -> Verification:
    """Test the claims of the study that some runs have in common; see :func:`verify`."""
    first = runs[0]
    study = first.grid.study
    for run in runs:
        if run.grid.study.version != study.version:
            versions = f"{first.path} is of version {study.version}, {run.path} of version {run.grid.study.version}"
            raise RunError(f"runs of different versions of {study.name}: {versions}")
    frozen = _frozen(runs)
    if not study.claims and not frozen:
        raise RunError(f"{study.name} makes no claims; there is nothing to verify in {first.path}")
    rows, repeated = _together(runs)
    failed = (rows["status"] == "failed").to_numpy()
    usable = rows[~failed] if failed.any() else rows.copy(deep=False)  # a copy of all rows would take much memory
    judged = [_judged(claim, usable, frozen.get(claim.id), runs) for claim in study.claims]
    known = {claim.id for claim in study.claims}
    judged += [_gone(name, content) for name, content in frozen.items() if name not in known]
    seeds = int(usable["seed"].nunique())
    return Verification(study.name, study.version, tuple(runs), len(usable), seeds, repeated, tuple(judged))


def _together(runs: Sequence[RunTable]) -> tuple[DataFrame, int]:
    """Return the rows of all runs, every cell once, and the number of rows that were left out for that."""
    if len(runs) == 1:
        return runs[0].rows, 0
    rows = concat(run.rows for run in runs)
    single = rows.drop_duplicates("cell_id", ignore_index=True)
    return single, sum(len(run.rows) for run in runs) - len(single)


def _frozen(runs: Sequence[RunTable]) -> dict[str, Mapping[str, Any]]:
    """Return the claims as they were when the runs were launched; RunError where two runs froze different numbers."""
    found: dict[str, Mapping[str, Any]] = {}
    origin: dict[str, Where] = {}
    for run in runs:
        for name, stored in (run.origin.get("claims") or {}).items():
            content = {**_UNTOLD, **stored}
            if name not in found:
                found[name], origin[name] = content, run.path
            elif difference := _difference(found[name], content):
                what, then, other = difference
                raise RunError(
                    f"claim {name!r}: {what} was {then} when {origin[name]} was launched and {other} when {run.path} was; "
                    "verify them one by one"
                )
    return found


def _difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """Return the first difference that matters between two frozen claims, as its name and both values; None without one."""
    for name in dict.fromkeys([*a["thresholds"], *b["thresholds"]]):
        one, other = a["thresholds"].get(name, "not there"), b["thresholds"].get(name, "not there")
        if one != other:
            return f"threshold {name}", one, other
    return None if a["expected"] == b["expected"] else ("the expected outcome", a["expected"], b["expected"])


def _judged(claim: Claim, rows: DataFrame, frozen: Mapping[str, Any] | None, runs: Sequence[RunTable]) -> Judged:
    unaware = [run.path for run in runs if claim.id not in (run.origin.get("claims") or {})]
    notes = _changes(claim, frozen)
    if len(unaware) == len(runs):
        notes.insert(0, "added after launch")
    else:
        notes += [f"added after the launch of {path}" for path in unaware]
    thresholds = dict(claim.thresholds)
    if frozen is not None:
        thresholds |= frozen["thresholds"]
        claim = replace(claim, expected=frozen["expected"], reason=frozen["reason"] or claim.reason)
    stood = None if frozen is None else frozen["thresholds"]
    try:
        return Judged(claim, _checked(decide(claim, rows, thresholds)), thresholds, stood, tuple(notes))
    except Exception as error:
        # One broken test must not keep the others from being told.
        verdict = untestable(f"its test raised {told(error)}")
        return Judged(claim, verdict, thresholds, stood, tuple(notes), broken=True)


def _checked(verdict: object) -> Verdict:
    if not isinstance(verdict, Verdict) or verdict.outcome not in ("holds", "fails", "unresolved", "untestable"):
        raise TypeError(f"the test returned {verdict!r}, not a Verdict")
    if verdict.outcome in ("holds", "fails") and not (verdict.statistic is None or math.isfinite(verdict.statistic)):
        raise ValueError(f"the test says {verdict.outcome} with a statistic of {verdict.statistic}")
    return verdict


def _changes(claim: Claim, frozen: Mapping[str, Any] | None) -> list[str]:
    """List what is different today from what was frozen at launch."""
    if frozen is None:
        return []
    now = frozen_claim(claim)
    notes = []
    for name in dict.fromkeys([*frozen["thresholds"], *now["thresholds"]]):
        then, today = (content["thresholds"].get(name) for content in (frozen, now))
        if then is None:
            notes.append(f"threshold {name} = {today:g} added after launch")
        elif then != today:
            notes.append(f"threshold {name} = {then:g} at launch, {'not there' if today is None else f'{today:g}'} now")
    if frozen["says"] and frozen["says"] != now["says"]:
        notes.append(f'sentence at launch: "{frozen["says"]}"')
    if frozen["expected"] != now["expected"]:
        notes.append(f"expected at launch: {frozen['expected']}, now: {now['expected']}")
    return notes


def _gone(name: str, frozen: Mapping[str, Any]) -> Judged:
    """Judge as untestable a claim that a run was launched with and that the study no longer makes."""
    verdict = untestable("the study no longer makes this claim, which stood at launch")
    claim = Claim(name, frozen["says"], frozen["where"], lambda _rows, _thresholds: verdict)
    return Judged(claim, verdict, frozen["thresholds"], frozen["thresholds"])
