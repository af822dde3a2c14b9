"""What a launch did: its receipts, counted and recorded as they come, until all have come or failures end it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sweeper.errors import Exit
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.compute import Compute
from sweeper.grid.conditions import show
from sweeper.launching.progress import Progress
from sweeper.launching.schedule import Schedule
from sweeper.worker.make import ArtifactReceipt
from sweeper.worker.solve import Receipt
from w2s.places.url import Where

__all__ = ["Outcome", "collect"]

_ALIKE = 3
"""So many failed blocks with one and the same error, and none that worked, end a run under ``stop-if-all-alike``."""


@dataclass
class Outcome:
    """What a launch did: where the table is, how many cells it computed, found and failed."""

    run: Where
    cells: int
    found: int = 0
    computed: int = 0
    failed: int = 0
    artifacts: int = 0
    exit: Exit = Exit.DONE
    first_error: str | None = None
    first_cell: str | None = None
    stopped: str | None = None
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        """Cells without a row."""
        return self.cells - self.found - self.computed - self.failed


def _blocks_only(
    receipts: Iterable[Receipt | ArtifactReceipt], schedule: Schedule, outcome: Outcome, folder: RunFolder, report: Progress
) -> Iterator[Receipt]:
    """Record the receipts of artifacts, and yield those of blocks."""
    for receipt in receipts:
        if isinstance(receipt, Receipt):
            yield receipt
            continue
        outcome.artifacts += receipt.error is None
        content = {"key": receipt.key, "function": receipt.function, "seconds": round(receipt.seconds, 3)}
        folder.event("artifact", **content, **({} if receipt.error is None else {"error": receipt.error}))
        report.made(receipt, outcome.artifacts, schedule.missing)


def collect(
    receipts: Iterable[Receipt | ArtifactReceipt],
    schedule: Schedule,
    settings: Compute,
    outcome: Outcome,
    folder: RunFolder,
    report: Progress,
) -> None:
    """Record the receipts of blocks until all have come or failures end the launch."""
    errors: list[str] = []
    for receipt in _blocks_only(receipts, schedule, outcome, folder, report):
        failed = int(receipt.statuses.get("failed", 0))
        outcome.failed += failed
        outcome.computed += receipt.rows - failed
        for status, count in receipt.statuses.items():
            outcome.statuses[status] = outcome.statuses.get(status, 0) + count
        folder.event("block", **_event(receipt))
        if not failed:
            continue
        error = receipt.error or "the study gave cells the status failed"
        errors.append(error)
        outcome.exit = Exit.FAILED_CELLS
        if outcome.first_error is None:
            outcome.first_error = error
            outcome.first_cell = _cell(receipt)
            report.note(f"first failure{f', {outcome.first_cell}' if outcome.first_cell else ''}: {error}")
        if _gives_up(settings.on_error, errors, outcome):
            outcome.stopped = f"stopped after {len(errors)} failed blocks (--on-error {settings.on_error})"
            return


def _gives_up(policy: str, errors: list[str], outcome: Outcome) -> bool:
    if policy == "stop":
        return True
    return policy == "stop-if-all-alike" and outcome.computed == 0 and len(errors) >= _ALIKE and len(set(errors)) == 1


def _cell(receipt: Receipt) -> str | None:
    """Name the first failed cell of a block: its identity, and where it lies on the axes."""
    if receipt.first_cell is None:
        return None
    return " ".join([f"cell {receipt.first_cell}:", ", ".join(f"{name}={show(value)}" for name, value in receipt.axes.items())])


def _event(receipt: Receipt) -> dict[str, Any]:
    content = {"key": receipt.key, "rows": receipt.rows, "seconds": round(receipt.seconds, 4), "pid": receipt.pid}
    return (
        content
        if receipt.error is None
        else content | {"error": receipt.error, "cell": receipt.first_cell, "axes": receipt.axes}
    )
