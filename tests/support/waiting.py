"""Waiting in tests: for something to happen, and no longer than a limit. A limit passed is an error, not a measured time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def wait_until(happened: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Return when ``happened()`` is true; raise TimeoutError that names ``what`` after some seconds."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what hangs; only in the main thread."""

    def bite(*_: object) -> None:
        raise TimeoutError(f"still busy after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, bite)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
