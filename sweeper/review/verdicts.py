"""Verdicts for people, as a table, and for programs, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from sweeper.console import console, short, terminal_width
from sweeper.folder.code import mixed_runs
from sweeper.review.table import RunTable
from sweeper.review.verify import Judged, Verification, exit_code
from w2s.claims.seed_intervals import LEVEL
from w2s.summary.power import seeds_to_decide

__all__ = [
    "chance_text",
    "claim_content",
    "explained",
    "print_verdicts",
    "remarks",
    "summary_text",
    "verdict_text",
    "verdicts_json",
]

CHANCE = 0.8
"""How often the number of seeds that is named for an unresolved claim decides it."""

_WIDE = 100
"""Columns from which on verdicts have their places in the paper beside them."""
_STYLES = {"holds": "green", "fails": "bold red", "unresolved": "yellow", "untestable": "dim"}


def verdict_text(judged: Judged) -> str:
    """Write the outcome against what was expected: ``holds``, ``fails as expected``, ``holds, expected to fail``, ..."""
    outcome = judged.verdict.outcome
    if judged.broken:
        return "test is broken"
    if judged.claim.expected == "holds" or outcome == "untestable":
        return outcome
    return "fails as expected" if judged.as_expected else f"{outcome}, expected to fail"


def summary_text(found: Verification) -> str:
    """Write a summary such as ``3 of 5 claims as expected, 1 unresolved, 1 untestable``."""
    others: dict[str, int] = {}
    for judged in found.judged:
        if not judged.as_expected:
            others[verdict_text(judged)] = others.get(verdict_text(judged), 0) + 1
    expected = sum(judged.as_expected for judged in found.judged)
    parts = [f"{expected} of {len(found.judged)} claims as expected", *(f"{count} {what}" for what, count in others.items())]
    return ", ".join(parts)


def chance_text(found: Verification) -> str:
    """Say how many intervals and other tests decide, and bound the chance that one or more is wrong: their levels add up."""
    others = sum(judged.verdict.chance > 0 and not judged.verdict.intervals for judged in found.judged)
    if not found.intervals + others:
        return "no verdict rests on luck of the seeds"
    parts = [f"{found.intervals} interval{'s' * (found.intervals != 1)} of {LEVEL:.0%}"] if found.intervals else []
    parts += [f"{others} other test{'s' * (others != 1)}"] if others else []
    bound = f"at most {found.family_error:.0%}" if found.family_error < 1 else "not bounded"
    return f"{' and '.join(parts)}: the chance that luck of the seeds decides one or more wrongly is {bound}"


def remarks(found: Verification) -> list[str]:
    """Return what a reader has to know about the rows: unfinished runs, rows left out."""
    lines = []
    for run in found.runs:
        if run.unfinished:
            lines.append(f"PARTIAL: of {run.status.cells:,} cells of {run.path} {run.unfinished}; tested without them")
        if run.status.outside:
            lines.append(f"{run.status.outside:,} rows in {run.path} are not in its grid; tested without them")
        lines += [f"{run.path}: {line}" for line in run.status.code.remarks]
    lines += mixed_runs([run.status.code for run in found.runs])
    if found.repeated:
        lines.append(f"{found.repeated:,} rows of cells that more than one run has; tested once")
    return lines


def print_verdicts(found: Verification, *, brief: bool = False) -> None:
    """Print one line per claim, then what has changed since the launch and why failures were expected.

    With ``brief`` the claims that the rows cannot test are named together, in one line.
    """
    out = console()
    others = [judged for judged in found.judged if brief and judged.verdict.outcome == "untestable" and not judged.broken]
    shown = [judged for judged in found.judged if judged not in others]
    where = ", ".join(short(run.path) for run in found.runs)
    out.print(f"claims of {found.study}, version {found.version}, on {found.rows:,} rows, {found.seeds:,} seeds: {where}")
    for line in remarks(found):
        out.print(line, style="yellow")
    if shown:
        out.print(_table(shown))
    for judged in shown:
        for note in explained(judged):
            out.print(f"  {judged.claim.id}: {note}")
    if others:
        names = ", ".join(judged.claim.id for judged in others)
        out.print(f"not testable on these rows (w2s-sweep verify says why): {names}")
    if shown:
        out.print(chance_text(found))
    out.print(summary_text(found))


def _table(shown: Sequence[Judged]) -> Table:
    """Return verdicts as a table; where there is little room without the places, so that names of claims stay whole."""
    table, wide = Table(box=None, pad_edge=False, padding=(0, 2)), (terminal_width() or _WIDE) >= _WIDE
    for heading in ("claim", "verdict", "numbers", "place") if wide else ("claim", "verdict", "numbers"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "claim")
    for judged in shown:
        style = "green" if judged.as_expected else _STYLES.get(judged.verdict.outcome, "")
        claim = judged.claim
        place = [Text(claim.where)] if wide else []
        table.add_row(claim.id, Text(verdict_text(judged), style=style), Text(judged.verdict.says), *place)
    return table


def explained(judged: Judged) -> list[str]:
    """Explain a verdict: the sentence where it is unexpected, why a failure was expected, seeds it takes, what has changed."""
    lines = [] if judged.as_expected else [f'"{judged.claim.says}"']
    lines += [f"expected to fail: {judged.claim.reason}"] if judged.claim.reason else []
    lines += [_power_text(judged)] if judged.verdict.outcome == "unresolved" else []
    return [line for line in (*lines, *judged.notes) if line]


def _power_text(judged: Judged) -> str:
    """Say how many seeds would decide; nothing where the interval does not tell."""
    verdict = judged.verdict
    if verdict.interval is None or verdict.statistic is None:
        return ""
    needed = seeds_to_decide(verdict.statistic, verdict.interval, verdict.threshold, verdict.seeds, LEVEL, CHANCE)
    if needed is None or needed <= verdict.seeds:
        return ""
    return f"about {needed:,} seeds decide it in {CHANCE:.0%} of the cases, if the truth is what these {verdict.seeds:,} show"


def verdicts_json(found: Sequence[Verification], *, partial: bool) -> str:
    """Return one document: every study with its runs and claims, and the exit code. Numbers that are not finite are null."""
    content = {
        "exit": exit_code(found),
        "partial": partial,
        "runs": [str(run.path) for verification in found for run in verification.runs],
        "studies": [_study(verification) for verification in found],
    }
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)


def _study(found: Verification) -> dict[str, Any]:
    return {
        "study": found.study,
        "version": found.version,
        "rows": found.rows,
        "seeds": found.seeds,
        "repeated": found.repeated,
        "intervals": found.intervals,
        "family_error": found.family_error,
        "runs": [_run(run) for run in found.runs],
        "claims": [claim_content(judged) for judged in found.judged],
    }


def _run(run: RunTable) -> dict[str, Any]:
    counts = {name: getattr(run.status, name) for name in ("cells", "done", "failed", "pending", "outside")}
    return {"path": str(run.path), **counts, "code": run.status.code.remarks}


def claim_content(judged: Judged) -> dict[str, Any]:
    """Return a claim and its verdict as JSON holds them; numbers that are not finite are null."""
    claim, verdict = judged.claim, judged.verdict
    interval = None if verdict.interval is None else [_number(end) for end in verdict.interval]
    return {
        "id": claim.id,
        "says": claim.says,
        "where": claim.where,
        "outcome": verdict.outcome,
        "expected": claim.expected,
        "as_expected": judged.as_expected,
        "reason": claim.reason or None,
        "statistic": _number(verdict.statistic),
        "interval": interval,
        "threshold": _number(verdict.threshold),
        "thresholds": {name: _number(value) for name, value in judged.thresholds.items()},
        "frozen": None if judged.frozen is None else {name: _number(value) for name, value in judged.frozen.items()},
        "seeds": int(verdict.seeds),
        "line": verdict.says,
        "basis": claim.basis or None,
        "notes": list(judged.notes),
        "broken": judged.broken,
    }


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
