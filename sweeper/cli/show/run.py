"""What the command line prints of a run: its counts, what a launch would find, a cell solved again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeper.console import console, printable, short
from sweeper.errors import Exit
from sweeper.folder.looks import Stopped
from sweeper.folder.standing import Standing
from sweeper.grid.conditions import show
from sweeper.launching.launch import Outcome
from sweeper.review.failures import Failure
from sweeper.review.rerun import Comparison
from sweeper.review.status import RunStatus
from sweeper.review.watch import standings
from w2s.contract.columns import PROVENANCE
from w2s.summary.looks import STATES, describe_level

__all__ = ["follow", "print_failures", "print_outcome", "print_rerun", "print_status"]

_MOST_DAMAGED = 5
_FOLLOW_SECONDS = 2.0


def print_status(status: RunStatus) -> None:
    """Print counts, rate, first error and what to do next."""
    out = console()
    share = 100.0 * status.done / status.cells if status.cells else 100.0
    out.print(f"{status.study} in {status.run}")
    out.print(f"{status.done:,} done ({share:.1f} %), {status.failed:,} failed, {status.pending:,} pending of {status.cells:,}")
    for name, count in sorted(status.statuses.items()):
        if name not in ("ok", "failed"):
            out.print(f"  {count:,} of them {name}")
    if status.grid_note:
        out.print(status.grid_note)
    for stopped in status.stopped:
        _print_stopped(stopped)
    if status.outside:
        out.print(f"{status.outside:,} rows in the folder are not in this grid")
    for line in status.code.remarks:
        out.print(line)
    if status.damaged:
        parts = "1 damaged part" if status.damaged == 1 else f"{status.damaged:,} damaged parts"
        out.print(f"{parts}: the next launch sets aside what cannot be read and computes those cells again")
    for line in status.damage[:_MOST_DAMAGED] if status.verified else ():
        out.print(f"  {line}")
    if status.copies:
        files = "1 file holds" if status.copies == 1 else f"{status.copies:,} files hold"
        out.print(f"{files} rows that another part holds; they count once, the next launch sets them aside")
    if status.verified and not status.damaged:
        out.print("every part is as it was written")
    if status.artifacts:
        out.print(f"{status.artifacts:,} artifacts made in {status.artifact_seconds:,.1f} s")
    if status.done and status.seconds:
        out.print(f"{status.seconds:,.1f} s of solving, {status.done / status.seconds:,.0f} cells a second and worker")
    if status.predicted and status.seconds:
        ratio = status.predicted / status.seconds
        times = f"predicted {status.predicted:,.1f} core seconds, actual {status.seconds:,.1f}"
        out.print(f"{times}, ratio {ratio:.2f}; {status.rates}")
    if status.first_error:
        out.print(f"first error: {status.first_error}")
    if status.running:
        out.print("a launch is at work")
        if status.standing is not None:
            _print_standing(status.standing)
    elif status.pending or status.failed:
        out.print("launch the grid again to resume")


def follow(run: str) -> None:
    """Show how far the launch at work in a run is until it has ended: in place on a terminal, elsewhere line by line."""
    out = console()
    if not out.is_terminal:
        for standing in standings(run, _FOLLOW_SECONDS):
            _print_standing(standing)
        return
    with Live(console=out, refresh_per_second=2) as live:
        for standing in standings(run, _FOLLOW_SECONDS):
            lines = [standing.line(), *(f"  {task.line()}" for task in standing.tasks)]
            live.update(Text("\n".join(printable(line) for line in lines)))


def _print_standing(standing: Standing) -> None:
    out = console()
    out.print(standing.line())
    for task in standing.tasks:
        out.print(f"  {task.line()}")


def print_failures(found: Sequence[Failure]) -> None:
    """Print failed cells, together by their message, the first of each with their place on the axes."""
    out = console()
    for failure in found:
        out.print(f"{failure.count:,} failed: {failure.message}")
        for line in (failure.traceback or "").splitlines():
            out.print(f"    {line}")
        for cell, axes in failure.cells:
            out.print(f"  cell {cell}: {', '.join(f'{name}={show(value)}' for name, value in axes.items())}")
        if failure.count > len(failure.cells):
            out.print(f"  and {failure.count - len(failure.cells):,} more")


def _print_stopped(stopped: Stopped) -> None:
    """Print which settings have ended, with how many seeds and why."""
    out, rule = console(), stopped.until
    out.print(
        f"seeds until {rule.metric} is known within +-{rule.half_width:g}, look {stopped.look} of at most {stopped.looks}"
    )
    out.print(f"  {describe_level(rule)}")
    words = {
        "open": "take more seeds",
        "tight": "known within that",
        "unresolved": "ended without bounds: the gap is not resolved, or all seeds agree",
        "max": "ended at the most seeds that the rule allows",
    }
    for (state, seeds), count in sorted(stopped.states.items(), key=lambda item: (STATES.index(item[0][0]), item[0][1])):
        out.print(f"  {count:,} of {stopped.settings:,} settings {words[state]}, {seeds:,} seeds")
    for line in stopped.examples:
        out.print(f"    {line}")


def print_rerun(comparison: Comparison) -> bool:
    """Print a cell's fields and, per result, stored and new value; return whether none differs."""
    out = console()
    out.print(f"cell {comparison.cell_id}")
    out.print(", ".join(f"{name} = {show(value)}" for name, value in comparison.fields.items()))
    if comparison.store is not None:
        out.print(f"artifacts (trained models, predictions) were read from {comparison.store}, not made again")
    if comparison.stored.get("code_digest") not in (None, comparison.again["code_digest"]):
        out.print("the stored row was made by other code than the one that is here now")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("result", "stored", "again", ""):
        table.add_column(name, no_wrap=name != "result", overflow="fold")
    names = [n for n in comparison.again if n not in (*comparison.fields, *PROVENANCE, "cell_id", "study", "version")]
    names = [n for n in names if comparison.stored.get(n) is not None or comparison.again[n] is not None]
    for name in names:
        values = (comparison.stored.get(name), comparison.again[name])
        table.add_row(name, *(repr(v) if isinstance(v, float) else str(v) for v in values), comparison.verdict(name))
    out.print(table)
    return all(comparison.verdict(name) != "differs" for name in names)


def print_outcome(outcome: Outcome) -> None:
    """Print one paragraph: what was found, computed, failed; where the table is; what to do next."""
    out = console()
    if not outcome.computed and not outcome.failed and outcome.exit == Exit.DONE:
        out.print(f"nothing to do: all {outcome.cells:,} cells have a row in {short(outcome.run)}")
        return
    parts = [f"{outcome.artifacts:,} artifacts made"] if outcome.artifacts else []
    parts += [f"{outcome.computed:,} cell{'' if outcome.computed == 1 else 's'} computed"]
    parts += [f"{outcome.found:,} found"] if outcome.found else []
    parts += [f"{outcome.failed:,} FAILED"] if outcome.failed else []
    parts += [f"{outcome.pending:,} pending"] if outcome.pending else []
    out.print(f"{', '.join(parts)}, of {outcome.cells:,}; table in {short(outcome.run / 'results')}")
    unusual = {status: count for status, count in outcome.statuses.items() if status not in ("ok", "failed")}
    if unusual:
        out.print(_statuses(unusual))
    if outcome.first_error:
        out.print(f"first error: {outcome.first_error}")
        if outcome.first_cell:
            out.print(f"  in {outcome.first_cell}")
        if outcome.failed:
            out.print(f"all failed cells: w2s-sweep status {short(outcome.run)} --failed")
    if outcome.stopped:
        out.print(f"{outcome.stopped}; launch again to resume")
    if outcome.exit == Exit.DONE:
        out.print(f"next: w2s-sweep report {short(outcome.run)}")


def _statuses(counts: Mapping[str, Any]) -> str:
    meaning = {
        "singular": "a fit without regularisation had no unique solution, the minimum-norm one was taken",
        "ill_conditioned": "condition above 1e12",
        "nonfinite": "a result was not a number and is null",
    }
    return "\n".join(f"  {count:,} rows {status}: {meaning.get(status, '')}" for status, count in counts.items())
