"""Telling the user how far a launch is: a bar on a terminal, plain lines elsewhere, nothing when silent."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sweeper.console import printable

if TYPE_CHECKING:
    from sweeper.worker.make import ArtifactReceipt
    from sweeper.worker.solve import Receipt

__all__ = ["Progress"]

_LINE_SECONDS = 10.0


class Progress:
    """Reports to a stream. On a terminal a live bar with rate and time left; otherwise a line every ten seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self._bar: Any = None
        self._task: Any = None
        self._done = self._failed = self._total = self._before = 0
        self._start = self._last = 0.0

    @classmethod
    def silent(cls) -> Progress:
        """Return a progress that prints nothing."""
        return _Silent()

    def note(self, text: str) -> None:
        """Print a text on a line of its own."""
        text = printable(text)
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)
            return
        try:
            print(text, file=self.stream, flush=True)
        except OSError:
            # Nobody reads any more (a closed pipe, say). That is no reason to stop a sweep.
            self.stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115

    @contextlib.contextmanager
    def running(self, total: int, done: int) -> Iterator[None]:
        """Report progress towards ``total`` cells, ``done`` of which are there already, while the context lasts."""
        self._total, self._done, self._before, self._failed = total, done, done, 0
        self._start = self._last = time.monotonic()
        if not self.stream.isatty():
            yield
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("cells"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
        bar = Bar(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(file=self.stream))
        bar.start()
        self._bar, self._task = bar, bar.add_task("cells", total=total, completed=done, rate="")
        try:
            yield
        finally:
            self._bar = None
            with contextlib.suppress(OSError):  # the terminal may have gone
                bar.stop()

    def advance(self, receipt: Receipt) -> None:
        """Count the cells of one block."""
        self._done += receipt.rows
        self._failed += int(receipt.statuses.get("failed", 0))
        now = time.monotonic()
        rate = (self._done - self._before) / max(now - self._start, 1e-9)
        failed = f", {self._failed} failed" if self._failed else ""
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, rate=f"{rate:,.0f}/s{failed}")
        elif now - self._last >= _LINE_SECONDS:
            self._last = now
            left = (self._total - self._done) / max(rate, 1e-9)
            self.note(f"{self._done:,} of {self._total:,} cells, {rate:,.0f}/s, about {left:,.0f} s left{failed}")

    def made(self, receipt: ArtifactReceipt, done: int, total: int) -> None:
        """Count one artifact."""
        if receipt.error is None:
            self.note(f"artifact {done} of {total}: {receipt.function} {receipt.key[:8]}, {receipt.seconds:.1f} s")


class _Silent(Progress):
    def note(self, text: str) -> None:  # noqa: ARG002
        return

    @contextlib.contextmanager
    def running(self, total: int, done: int) -> Iterator[None]:
        self._total = total
        self._done = done
        yield

    def advance(self, receipt: Receipt) -> None:  # noqa: ARG002
        return

    def made(self, receipt: ArtifactReceipt, done: int, total: int) -> None:  # noqa: ARG002
        return
