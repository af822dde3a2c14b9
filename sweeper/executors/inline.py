"""Solve blocks one after another in this process: no Ray, breakpoints work."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from types import TracebackType

from sweeper.work import Job, Receipt, record_failure, solve_block
from w2s.block import Block

__all__ = ["InlineExecutor"]


class InlineExecutor:
    """One process, one thread, in plan order."""

    def __enter__(self) -> InlineExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def run(self, job: Job, blocks: Sequence[Block]) -> Generator[Receipt]:
        """Yield a receipt as each block is done."""
        for block in blocks:
            try:
                receipt = solve_block(job, block)
            except SystemExit as problem:  # here it would end the launch; in a Ray worker it means that Ray shuts down
                receipt = record_failure(job, block, f"SystemExit: {problem}")
            yield receipt

    def describe(self) -> str:
        """Say where blocks are solved."""
        return "inline"
