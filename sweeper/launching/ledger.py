"""What a launch has to do, has in flight and has done, weighed by predicted seconds; and how long the rest will take.

Predictions are corrected by what has been measured: every kind of work (blocks of about one size, and each artifact function)
has a ratio of actual to predicted seconds. The first block of a worker is left out of it, since it compiles. Worker seconds
become time on the clock by the number of workers that were seen at work. All of this is for a person to read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sweeper.executors.base import Task
from sweeper.worker.make import ArtifactReceipt
from sweeper.worker.solve import Receipt
from sweeper.worker.tasks import ArtifactTask, BlocksTask
from w2s.artifacts import Steps

__all__ = ["BLOCKS", "Flying", "Ledger", "Work"]

BLOCKS = "blocks"
"""The family of all blocks: a kind is a family, and maybe a word more. Artifacts have their function's name as kind."""
_ENOUGH = 2
"""Tasks of each worker before the number of workers that are really at work is taken from them."""
_SMALL = 0.003
"""Share of what is left of a kind, by predicted seconds, above which what was measured says how fast it goes."""


@dataclass(frozen=True)
class Work:
    """Something to do: its kind, and predicted seconds; seconds of different kinds need not be comparable."""

    kind: str
    seconds: float


@dataclass
class Flying:
    """A task that has been submitted; ``begun`` is the time at which a worker was free for it, None while none was."""

    task: Task
    begun: float | None = None
    steps: Steps | None = None


@dataclass
class _Kind:
    """Sums over the tasks of one kind: predicted seconds of what is left, predicted and actual seconds of what was measured."""

    left: float = 0.0
    predicted: float = 0.0
    actual: float = 0.0


class Ledger:
    """The account of a launch.

    Parameters
    ----------
    cells, found : all cells of the grid, and those that have a row already.
    blocks, calls : what is missing, by key.
    slots : number of workers.
    clock : the time in seconds.

    """

    def __init__(
        self,
        cells: int = 0,
        found: int = 0,
        blocks: Mapping[str, Work] | None = None,
        calls: Mapping[str, Work] | None = None,
        slots: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cells, self.found, self.slots, self._clock = cells, found, slots, clock
        self.done, self.failed, self.made, self.lost, self.fill = 0, 0, 0, 0, 1.0
        self.flying: dict[int, Flying] = {}
        self.start = clock()
        self._work = {**(blocks or {}), **(calls or {})}
        self._calls = len(calls or {})
        self._kinds: dict[str, _Kind] = {}
        for work in self._work.values():
            self._kind(work.kind).left += work.seconds
        total = sum(work.seconds for work in (blocks or {}).values())
        self._per_cell = total / (cells - found) if cells > found else 0.0
        self.predicted = self.actual = 0.0
        self._lock = threading.RLock()  # whoever shows the account reads it from a thread of its own
        self._workers: set[int] = set()
        self._arrivals: list[float] = []  # of the first and of the last task
        self._spent, self._receipts = 0.0, 0  # worker seconds and receipts since the first arrival

    def submitted(self, task: Task) -> None:
        """Record that a task was handed to the executor."""
        with self._lock:
            self.flying[id(task)] = Flying(task)
            self._begin()

    def ended(self, task: Task) -> None:
        """Record that a task is no longer with the executor, whatever became of it; its receipts follow."""
        with self._lock:
            self.flying.pop(id(task), None)
            self._arrivals = [*self._arrivals[:1], self._clock()]
            self._begin()

    def solved(self, receipt: Receipt, fill: float = 1.0) -> None:
        """Record a block that has rows, failed ones too; ``fill`` is the share of its cells that were asked for."""
        with self._lock:
            failed = int(receipt.statuses.get("failed", 0))
            self.done, self.failed, self.fill = self.done + receipt.rows - failed, self.failed + failed, fill
            half = Work(BLOCKS, receipt.rows * self._per_cell)  # what has no entry is a part of a block
            work = self._work.pop(receipt.key, half)
            self._account(work, receipt)

    def finished(self, receipt: ArtifactReceipt) -> None:
        """Record an artifact that was made, or whose function failed."""
        with self._lock:
            self.made, self.lost = self.made + (receipt.error is None), self.lost + (receipt.error is not None)
            self._account(self._work.pop(receipt.key, Work(receipt.function, 0.0)), receipt)

    def look(self, steps: Callable[[str], Steps | None]) -> list[Flying]:
        """Ask how far the artifacts in flight are, by key, and return the tasks that are being worked on."""
        with self._lock:
            begun = [flown for flown in self.flying.values() if flown.begun is not None]
            for flown in begun:
                if isinstance(flown.task, ArtifactTask):
                    flown.steps = steps(flown.task.key) or flown.steps
            return begun

    def seconds_left(self) -> float | None:
        """Predict the time to the end on the clock; None before kinds that are half of what is left have been measured."""
        with self._lock:
            now, told = self._clock(), self._told()
            left = {name: max(0.0, kind.left) for name, kind in self._kinds.items()}
            known = [seconds for name, seconds in left.items() if name in told or self._is_measured(name, seconds)]
            if not known or sum(known) < 0.5 * sum(left.values()):
                return None
            seconds = sum(max(0.0, kind.left) * self._ratio(name, told) for name, kind in self._kinds.items())
            for flown in self.flying.values():
                if flown.begun is not None:
                    expected = self._expected(flown.task, told)
                    spent = now - flown.begun if flown.steps is None else flown.steps.share * expected
                    seconds -= min(spent, expected)
            return max(0.0, seconds) / self._at_work()

    def rate(self) -> float:
        """Return the cells that got a row, a second, since the launch began."""
        return (self.done + self.failed) / max(self._clock() - self.start, 1e-9)

    def counts(self) -> dict[str, float]:
        """Return the numbers of :data:`sweeper.executors.metrics.METRICS`."""
        with self._lock:
            done = self.found + self.done
            return {
                "cells": self.cells,
                "cells_done": done,
                "cells_failed": self.failed,
                "cells_pending": self.cells - done - self.failed,
                "cells_per_second": self.rate(),
                "artifacts": self._calls,
                "artifacts_made": self.made,
                "artifacts_failed": self.lost,
                "predicted_seconds": self.predicted,
                "actual_seconds": self.actual,
                "seconds_left": self.seconds_left() or 0.0,
                "batch_fill": self.fill,
            }

    def _account(self, work: Work, receipt: Receipt | ArtifactReceipt) -> None:
        kind = self._kind(work.kind)
        kind.left -= work.seconds
        self.predicted, self.actual = self.predicted + work.seconds, self.actual + receipt.seconds
        compiles = isinstance(receipt, Receipt) and receipt.pid not in self._workers
        self._workers.add(receipt.pid)
        if receipt.error is None and not compiles:  # a failure takes as long as it likes
            kind.predicted += work.seconds
            kind.actual += receipt.seconds
        if len(self._arrivals) > 1:  # what began before the first arrival is not of the time since
            self._spent, self._receipts = self._spent + receipt.seconds, self._receipts + 1

    def _at_work(self) -> float:
        """Return how many workers are at work on average: worker seconds since the first arrival, over the time."""
        if self._receipts < _ENOUGH * self.slots:
            return float(self.slots)
        first, last = self._arrivals
        return min(float(self.slots), max(self._spent / max(last - first, 1e-9), 0.25 * self.slots))

    def _told(self) -> dict[str, float]:
        """Return actual over predicted seconds by kind, of unfinished artifacts that say how far they are."""
        found = {}
        for flown in self.flying.values():
            work = self._work.get(flown.task.key) if isinstance(flown.task, ArtifactTask) else None
            if work is not None and work.seconds > 0.0 and flown.begun is not None and flown.steps and flown.steps.share > 0.0:
                found[work.kind] = (self._clock() - flown.begun) / (flown.steps.share * work.seconds)
        return found

    def _ratio(self, name: str, told: Mapping[str, float]) -> float:
        """Return actual over predicted seconds of a kind; of a kind not seen that of its family, else of all, else 1."""
        own = self._kind(name)
        if name in told and own.predicted <= _SMALL * own.left:
            return told[name]
        for kinds in ([own], self._kin(name), list(self._kinds.values())):
            predicted = sum(kind.predicted for kind in kinds)
            if predicted > 0.0:
                return sum(kind.actual for kind in kinds) / predicted
        return 1.0

    def _kin(self, name: str) -> list[_Kind]:
        """List the kinds of a family that were measured, its own among them: trainings of all models, say."""
        family = name.partition(" ")[0]
        return [kind for other, kind in self._kinds.items() if other.partition(" ")[0] == family and kind.predicted > 0.0]

    def _is_measured(self, name: str, left: float) -> bool:
        """Tell whether enough of a kind's family was measured: a short first task is mostly its start."""
        return sum(kind.predicted for kind in self._kin(name)) > _SMALL * left

    def _expected(self, task: Task, told: Mapping[str, float]) -> float:
        """Predict the worker seconds of a task in flight."""
        if isinstance(task, BlocksTask):
            return sum(block.wanted for block in task.blocks) * self._per_cell * self._ratio(BLOCKS, told)
        work = self._work.get(task.key) if isinstance(task, ArtifactTask) else None
        return 0.0 if work is None else work.seconds * self._ratio(work.kind, told)

    def _begin(self) -> None:
        """Record the time at which the oldest tasks in flight, one for each worker, have begun."""
        now = self._clock()
        for flown in list(self.flying.values())[: self.slots]:
            flown.begun = now if flown.begun is None else flown.begun

    def _kind(self, name: str) -> _Kind:
        return self._kinds.setdefault(name, _Kind())
