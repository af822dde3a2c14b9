"""The account of a launch, made from its plan and its schedule, and the thread that tells of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from sweeper.folder.standing import Standing
from sweeper.launching.ledger import BLOCKS, Ledger, Work
from sweeper.launching.progress import Progress
from sweeper.launching.remaining import Remaining
from sweeper.launching.schedule import Schedule
from sweeper.launching.ticker import Ticker
from sweeper.plan.cut import Plan
from sweeper.plan.weights import block_seconds, call_seconds
from sweeper.worker.solve import Job
from w2s.artifacts import open_store

__all__ = ["make_ledger", "watched"]


def make_ledger(plan: Plan, job: Job, schedule: Schedule, remaining: Remaining) -> Ledger:
    """Make the account of everything that remains to be done, weighed by predicted seconds."""
    seconds = block_seconds(plan, [block for block, _ in remaining.blocks])
    blocks = {key: Work(_kind(weight), weight) for (_, key), weight in zip(remaining.blocks, seconds, strict=True)}
    calls = {}
    if job.store is not None:
        weights = call_seconds(schedule.by_key.values(), open_store(job.store))
        calls = {key: Work(call.artifact.name, weights[key]) for key, call in schedule.by_key.items()}
    return Ledger(plan.cells, remaining.found, blocks, calls)


def watched(ledger: Ledger, job: Job, report: Progress, show: Callable[[Mapping[str, float]], None]) -> Ticker:
    """Return the context in which a launch is told of: on the terminal by a ``report``, elsewhere by a file of the run folder.

    ``show`` gets the numbers every second: Ray forgets a metric that is not set again.
    """

    def both(standing: Standing) -> None:
        report.tick(standing)
        show(ledger.counts())

    steps = (lambda _key: None) if job.store is None else open_store(job.store).steps
    return Ticker(ledger, steps, job.run, both, report.note)


def _kind(seconds: float) -> str:
    """Return the kind of a block: its size as a power of two, since a prediction errs by sizes, not as a whole."""
    return f"{BLOCKS} of 2^{round(math.log2(max(seconds, 1e-6)))} s"
