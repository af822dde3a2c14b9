"""Solve blocks one after another in this process: no Ray, breakpoints work."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType

from sweeper.launching.progress import Progress
from sweeper.launching.schedule import Schedule
from sweeper.plan.bundle import memo_of
from sweeper.worker.make import ArtifactReceipt, make_artifact
from sweeper.worker.solve import Job, Receipt, record_failure, solve_block
from w2s.contract.block import Block
from w2s.contract.memo import Memo
from w2s.studies.registry import find_study

__all__ = ["InlineExecutor"]


class InlineExecutor:
    """One process, one thread, in plan order."""

    def __init__(self, report: Progress | None = None) -> None:
        self.report = report or Progress.silent()

    def __enter__(self) -> InlineExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def run(self, job: Job, schedule: Schedule) -> Generator[Receipt | ArtifactReceipt]:
        """Yield a receipt as each block or artifact is done; a block comes as soon as its artifacts are there."""
        while schedule.blocks or schedule.calls:
            if schedule.blocks:
                blocks = schedule.next_bundle()
                memo = memo_of(find_study(job.study, job.base)(), blocks)
                yield from (_solved(job, block, memo) for block in blocks)
                continue
            key = schedule.next_call()
            made = make_artifact(job, schedule.owner[key], key, self.report.note)
            yield made
            if made.error is None:
                schedule.succeeded(key)
            else:
                for block in schedule.failed(key, made.error):
                    yield record_failure(job, block, made.error)

    def describe(self) -> str:
        """Say where blocks are solved."""
        return "inline"


def _solved(job: Job, block: Block, memo: Memo | None) -> Receipt:
    try:
        return solve_block(job, block, memo)
    except SystemExit as problem:  # here it would end the launch; in a Ray worker it means that Ray shuts down
        return record_failure(job, block, f"SystemExit: {problem}")
