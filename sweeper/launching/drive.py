"""The one loop that turns a schedule into receipts, on any executor: what to submit, what to try again, what to give up.

A worker writes parts and artifacts itself, so what a receipt tells is on disk by then. Measured times decide how many bundles
go into one task; that changes the order of work and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace

from sweeper.executors.base import Executor, Finished
from sweeper.launching.ledger import Ledger
from sweeper.launching.schedule import Schedule
from sweeper.plan.bundle import Bundle
from sweeper.signals import raise_again
from sweeper.worker.halve import halves
from sweeper.worker.make import ArtifactReceipt
from sweeper.worker.solve import Job, Receipt, record_failure, time_is_over
from sweeper.worker.tasks import ArtifactTask, BlocksTask
from w2s.contract.block import Block

__all__ = ["drive"]

_ATTEMPTS = 3
_MACHINES = 20


@dataclass(frozen=True)
class _Attempt:
    """A task, the number of times it has been submitted, and how often it was lost with its machine."""

    task: BlocksTask | ArtifactTask
    number: int = 1
    machines: int = 0

    def again(self, task: BlocksTask | ArtifactTask, finished: Finished) -> _Attempt | None:
        """Return the next attempt, of the same task or of a part of it; None where this was the last.

        A task that was lost with its machine is not charged for it, since it may not have begun; but not without end.
        """
        if finished.innocent and self.machines < _MACHINES:
            return _Attempt(task, self.number, self.machines + 1)
        whole = isinstance(self.task, ArtifactTask) or len(self.task.blocks) == 1
        return (
            None if self.number >= _ATTEMPTS or (finished.final and whole) else _Attempt(task, self.number + 1, self.machines)
        )


def drive(
    job: Job, schedule: Schedule, executor: Executor, ledger: Ledger | None = None
) -> Generator[Receipt | ArtifactReceipt]:
    """Make the artifacts of a schedule, solve its bundles, and yield one receipt for each artifact and block, in any order.

    A task whose worker dies is tried again, its blocks one by one: a block that kills its worker must not take others with it.
    After three attempts its cells become ``failed`` rows, and so do the cells that need an artifact which cannot be made. A
    block that is too large for the memory is solved in halves; one that takes too long fails at once. Everything is entered in
    the ``ledger`` when it is submitted and when it has ended, and shown by the executor.
    Raises :class:`sweeper.errors.StoreError` when something cannot be written.
    """
    loop = _Loop(job, schedule, executor, ledger or Ledger())
    loop.show()
    while loop.fill() or loop.flying:
        raise_again()
        for finished in executor.wait():
            yield from loop.account(finished)
            loop.show()


class _Loop:
    """What is in flight, what is to be tried again, and how long blocks take."""

    def __init__(self, job: Job, schedule: Schedule, executor: Executor, ledger: Ledger) -> None:
        self.job, self.schedule, self.executor, self.ledger = job, schedule, executor, ledger
        self.flying: dict[int, _Attempt] = {}
        self._retry: deque[_Attempt] = deque()
        self._pace = _Pace(executor.task_seconds)

    def fill(self) -> bool:
        """Submit tasks until the executor has as many as it wants; return whether anything was submitted."""
        submitted = False
        self.ledger.slots = max(1, self.executor.capacity // 2)  # of a cluster whose nodes come and go
        while len(self.flying) < self.executor.capacity and (attempt := self._next()) is not None:
            self.flying[id(attempt.task)] = attempt
            self.executor.submit(attempt.task)
            self.ledger.submitted(attempt.task)
            submitted = True
        return submitted

    def account(self, finished: Finished) -> Generator[Receipt | ArtifactReceipt]:
        """Yield the receipts of a task that has ended, or arrange that it is tried again."""
        attempt = self.flying.pop(id(finished.task))
        self.ledger.ended(finished.task)
        if isinstance(attempt.task, ArtifactTask):
            yield from self._made(attempt, attempt.task, finished)
        else:
            yield from self._solved(attempt, attempt.task, finished)

    def show(self) -> None:
        """Let the executor show how far the launch is."""
        self.executor.show(self.ledger.counts())

    def _next(self) -> _Attempt | None:
        """Choose the next task: first one whose worker died, then blocks (so that rows come early), then artifacts."""
        if self._retry:
            return self._retry.popleft()
        if self.schedule.bundles:
            return _Attempt(BlocksTask(self.job, self._pace.pack(self.schedule.bundles, self.executor.capacity)))
        if not self.schedule.calls:
            return None
        key = self.schedule.next_call()
        call = self.schedule.by_key[key]
        owner, words = self.schedule.owner[key], self.schedule.words(key)
        return _Attempt(ArtifactTask(self.job, owner, key, call.artifact.name, call.cpus, call.gpus, words))

    def _solved(self, attempt: _Attempt, task: BlocksTask, finished: Finished) -> Generator[Receipt]:
        # A final error says that this task would fail again, not which of its blocks is to blame: one block a task, the others
        # are solved, and only the guilty one fails.
        if finished.error is not None:
            receipts = list(self._lost(attempt, task, finished))
        else:
            receipts = list(self._halved(task, finished.result))
        wanted_share = sum(block.wanted for block in task.blocks) / sum(block.size for block in task.blocks)
        for receipt in receipts:
            self._pace.learn(receipt.seconds)
            self.ledger.solved(receipt, wanted_share)
            yield receipt

    def _halved(self, task: BlocksTask, receipts: Iterable[Receipt]) -> Iterator[Receipt]:
        """Yield the receipts of a task; blocks that were too large for the memory have none yet, they are solved in halves."""
        for block, receipt in zip(task.blocks, receipts, strict=True):
            if receipt.too_large:
                self._halve(block)
            else:
                yield receipt

    def _lost(self, attempt: _Attempt, task: BlocksTask, finished: Finished) -> Iterator[Receipt]:
        """Yield receipts of blocks of a lost task that are given up; the others are tried again, one by one."""
        for block in task.blocks:
            if (late := time_is_over(self.job, block)) is not None:
                yield record_failure(self.job, block, late)
            elif finished.memory and len(task.blocks) == 1 and halves(block):
                self._halve(block)
            elif (again := attempt.again(BlocksTask(self.job, (block,)), finished)) is not None:
                self._retry.append(again)
            else:
                yield record_failure(self.job, block, _reason(finished, attempt))

    def _halve(self, block: Block) -> None:
        """Submit the halves of a block that is too large for the memory."""
        self._retry.extend(_Attempt(BlocksTask(self.job, (half,))) for half in halves(block))

    def _made(self, attempt: _Attempt, task: ArtifactTask, finished: Finished) -> Generator[Receipt | ArtifactReceipt]:
        """Record an artifact: release the blocks that waited for it, or give up those that cannot be solved without it."""
        made = finished.result
        if finished.error is not None:
            if (again := attempt.again(task, finished)) is not None:
                self._retry.append(again)
                return
            made = ArtifactReceipt(
                task.key, task.function, 0.0, f"{task.function}({task.key[:8]}): {_reason(finished, attempt)}"
            )
        self.ledger.finished(made)
        yield replace(made, words=task.name)
        if made.error is None:
            self.schedule.succeeded(task.key)
            return
        for block in self.schedule.failed(task.key, made.error):
            receipt = record_failure(self.job, block, made.error)
            self.ledger.solved(receipt)
            yield receipt


def _reason(finished: Finished, attempt: _Attempt) -> str:
    return f"{finished.error}" if finished.final else f"{finished.error} ({attempt.number} attempts)"


class _Pace:
    """How many bundles go into one task: about ``seconds`` of measured work, and a fair share near the end."""

    def __init__(self, seconds: float) -> None:
        self.target = seconds
        self.blocks, self.seconds = 0, 0.0

    def learn(self, seconds: float) -> None:
        """Record the time that a block took."""
        self.blocks += 1
        self.seconds += seconds

    def pack(self, waiting: deque[Bundle], capacity: int) -> tuple[Block, ...]:
        """Take the blocks of one task: one or more bundles, never a part of one."""
        mean = self.seconds / self.blocks if self.blocks else self.target
        room = max(1, int(self.target / max(mean, 1e-4)))
        taken = list(waiting.popleft())
        bundles = 1
        most = max(1, (len(waiting) + 1) // capacity)
        while waiting and bundles < most and len(taken) + len(waiting[0]) <= room:
            taken += waiting.popleft()
            bundles += 1
        return tuple(taken)
