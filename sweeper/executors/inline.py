"""Run tasks one after another in this process: no Ray, breakpoints work."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterator

from sweeper.executors.base import Executor, Finished, Options, Setup, Task
from sweeper.signals import raise_again
from sweeper.supervised import solving

__all__ = ["InlineExecutor"]


class InlineExecutor(Executor):
    """One process, one thread, one bundle of blocks at a time, in the order of submission."""

    capacity = 1
    task_seconds = 0.0

    def __init__(self, options: Options | None = None, setup: Setup | None = None) -> None:
        super().__init__(options, setup)
        self._waiting: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """Add the task to the end of the queue."""
        self._waiting.append(task)

    def wait(self) -> list[Finished]:
        """Run the first task of the queue, and raise here whatever it raises, so that a debugger sees it.

        An interrupt that a study has caught for itself is raised again. Only ``SystemExit`` is an error of the task: raised
        further, it would end the launch without a message.
        """
        task = self._waiting.popleft()
        try:
            with solving(), _same_folder():
                ended = [Finished(task, task(self.setup.note))]
        except SystemExit as problem:
            return [Finished(task, error=f"SystemExit: {problem}", final=True)]
        raise_again()
        return ended

    def describe(self) -> str:
        """Say where tasks run."""
        return "inline"


@contextlib.contextmanager
def _same_folder() -> Iterator[None]:
    """Return to the working folder of the launch, to which its paths are relative, wherever a study has gone."""
    here = os.open(".", os.O_RDONLY)
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)
