"""A thread that looks at a launch once a second while it lasts, and tells: the terminal, and the run folder for others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sweeper.folder.standing import Standing, TaskStanding, clear_standing, write_standing
from sweeper.launching.ledger import Ledger
from w2s.artifacts import Steps
from w2s.places.url import Where

__all__ = ["Ticker"]

_SECONDS = 1.0
_EVERY = 2
_TASKS = 16


class Ticker:
    """Tells how far a launch is, from entering to leaving the context. It reads the ledger and decides nothing.

    Parameters
    ----------
    ledger : what is to do and what is done.
    steps : how far the artifact of a key is, where it tells.
    run : the run folder.
    tell : takes the standing of now, in another thread than that of the launch.
    note : says one line to the person who launched, the first time that something of this fails.

    """

    def __init__(
        self,
        ledger: Ledger,
        steps: Callable[[str], Steps | None],
        run: Where,
        tell: Callable[[Standing], None],
        note: Callable[[str], None],
    ) -> None:
        self.ledger, self.run, self._steps, self._tell, self._note = ledger, run, steps, tell, note
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ticker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        clear_standing(self.run)

    def standing(self) -> Standing:
        """Look at the ledger and at what artifacts tell."""
        now, flown = time.monotonic(), self.ledger.look(self._steps)
        tasks = [TaskStanding(one.task.name, now - (one.begun or now), one.steps) for one in flown[:_TASKS]]
        counts, left = self.ledger.counts(), self.ledger.seconds_left()
        number = {name: int(counts[name]) for name in ("cells", "artifacts")}
        done, failed, made = (int(counts[name]) for name in ("cells_done", "cells_failed", "artifacts_made"))
        return Standing(**number, done=done, failed=failed, made=made, rate=self.ledger.rate(), left=left, tasks=tuple(tasks))

    def _watch(self) -> None:
        count, well = 0, True
        while not self._over.wait(_SECONDS):
            count += 1
            try:
                standing = self.standing()
                if count % _EVERY == 0:
                    write_standing(self.run, standing)
                self._tell(standing)
            except Exception as error:  # of an executor that shows it elsewhere, say: the launch does not depend on it
                if well:
                    self._note(f"how far the launch is cannot always be shown: {type(error).__name__}: {error}")
                well = False
