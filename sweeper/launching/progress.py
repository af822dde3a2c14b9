"""Telling the user how far a launch is: a bar on a terminal, plain lines elsewhere, nothing when silent."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sweeper.console import printable, terminal_width, wrapped

if TYPE_CHECKING:
    from sweeper.folder.standing import Standing
    from sweeper.launching.ledger import Ledger
    from sweeper.worker.make import ArtifactReceipt

__all__ = ["Progress"]

_LINE_SECONDS = 10.0
_TASKS = 4


class Progress:
    """Reports to a stream. On a terminal a live bar with rate and time left; otherwise a line every ten seconds.

    The time left is that of the work, not of the cells: see :mod:`sweeper.launching.ledger`.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self._bar: Any = None
        self._task: Any = None
        self._last = 0.0
        self._lock = threading.RLock()  # the standing comes from a thread of its own

    @classmethod
    def silent(cls) -> Progress:
        """Return a progress that prints nothing."""
        return _Silent()

    def note(self, text: str) -> None:
        """Print a text on a line of its own."""
        text, width = printable(text), terminal_width(self.stream)
        text = text if width is None else wrapped(text, width)
        with self._lock:
            try:
                if self._bar is not None:
                    self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)
                else:
                    print(text, file=self.stream, flush=True)
            except OSError:
                # Nobody reads any more (a closed pipe or terminal, say). That is no reason to stop a sweep.
                self._bar, self.stream = None, Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115

    @contextlib.contextmanager
    def running(self, ledger: Ledger) -> Iterator[None]:
        """Report progress through what a ledger has to do while the context lasts."""
        self._last = time.monotonic()
        if not self.stream.isatty():
            yield
            return
        bar = _bar(self.stream)
        bar.start()
        self._bar, self._task = bar, bar.add_task("cells", total=ledger.cells, completed=ledger.found, said="")
        try:
            yield
        finally:
            with self._lock:
                self._bar = None
            with contextlib.suppress(OSError):  # the terminal may have gone
                bar.update(self._task, completed=ledger.found + ledger.done + ledger.failed, said="")
                bar.stop()

    def tick(self, standing: Standing) -> None:
        """Show how far the launch is: at once on a terminal, elsewhere every ten seconds, with trainings and their steps."""
        told = [task.line() for task in standing.tasks if task.steps is not None][:_TASKS]
        with self._lock:
            if self._bar is not None:
                said = printable("\n".join([standing.line(), *told]))
                self._bar.update(self._task, completed=standing.done + standing.failed, said=said)
                return
            now = time.monotonic()
            if now - self._last < _LINE_SECONDS:
                return
            self._last = now
            for line in (standing.line(), *(f"  {line}" for line in told)):
                self.note(line)

    def made(self, receipt: ArtifactReceipt, done: int, total: int) -> None:
        """Print that an artifact was made."""
        if receipt.error is None:
            notes = "".join(f"; {note}" for note in receipt.notes)
            self.note(f"artifact {done} of {total}: {receipt.words}, {receipt.seconds:.1f} s{notes}")


def _bar(stream: TextIO) -> Any:
    """Make a bar with lines of text below it, which end between words however narrow the terminal is."""
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class WithLines(Bar):
        def get_renderables(self) -> Iterator[RenderableType]:
            yield self.make_tasks_table(self.tasks)
            for said in (task.fields["said"] for task in self.tasks):
                if said:
                    yield Text(wrapped(said, self.console.width))

    columns = (TextColumn("cells"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return WithLines(*columns, console=Console(file=stream))


class _Silent(Progress):
    def note(self, text: str) -> None:  # noqa: ARG002
        return

    @contextlib.contextmanager
    def running(self, ledger: Ledger) -> Iterator[None]:  # noqa: ARG002
        yield

    def tick(self, standing: Standing) -> None:  # noqa: ARG002
        return
