"""Where blocks are solved: in this process, or on a Ray cluster. Ray is imported only by the executor that needs it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from sweeper.grid import Compute
from w2s.block import Block

if TYPE_CHECKING:
    from sweeper.progress import Progress
    from sweeper.work import Job, Receipt

__all__ = ["Executor", "make_executor"]


class Executor(AbstractContextManager["Executor"], Protocol):
    """Solves blocks somewhere. Entering it takes what it needs (a cluster, say), leaving it gives that back."""

    def run(self, job: Job, blocks: Sequence[Block]) -> Generator[Receipt]:
        """Yield one receipt per block, in any order. The parts are written by then."""

    def describe(self) -> str:
        """Say in a few words where blocks are solved."""


def make_executor(settings: Compute, report: Progress) -> Executor:
    """Build the executor that a grid's ``compute:`` or the command line asks for."""
    if settings.executor == "inline":
        from sweeper.executors.inline import InlineExecutor

        return InlineExecutor()
    from sweeper.executors.environment import prepare_ray_environment

    prepare_ray_environment(settings.address)
    from sweeper.executors.ray import RayExecutor

    return RayExecutor(settings, report)
