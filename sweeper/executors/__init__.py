"""Where blocks are solved: in this process, or on a Ray cluster. Ray is imported only by the executor that needs it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from sweeper.grid.model import Compute

if TYPE_CHECKING:
    from sweeper.launching.progress import Progress
    from sweeper.launching.schedule import Schedule
    from sweeper.worker.make import ArtifactReceipt
    from sweeper.worker.solve import Job, Receipt

__all__ = ["Executor", "make_executor"]


class Executor(AbstractContextManager["Executor"], Protocol):
    """Makes artifacts and solves blocks somewhere. Entering it takes what it needs (a cluster, say), leaving gives it back."""

    def run(self, job: Job, schedule: Schedule) -> Generator[Receipt | ArtifactReceipt]:
        """Make the calls of a schedule, solve its blocks, and yield one receipt for each, in any order.

        What a receipt tells is on disk by then.
        """

    def describe(self) -> str:
        """Say in a few words where blocks are solved."""


def make_executor(settings: Compute, report: Progress, *, gpus: bool = False) -> Executor:
    """Build the executor that ``compute:`` or the command line asks for; ``gpus``: artifacts use one where there is any."""
    if settings.executor == "inline":
        from sweeper.executors.inline import InlineExecutor

        return InlineExecutor(report)
    from sweeper.executors.ray.environment import prepare_ray_environment

    prepare_ray_environment(settings.address)
    from sweeper.executors.ray.executor import RayExecutor

    return RayExecutor(settings, report, gpus=gpus)
