"""Limits and counts for tests that must not hang or do too much: no test asserts a time."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


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


def python_calls(function: Callable[[], object], package: str = "") -> int:
    """Count the calls of Python functions while ``function`` runs, those of modules below ``package`` only where one is named."""
    count = 0

    def see(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and str(frame.f_globals.get("__name__", "")).startswith(package)

    sys.setprofile(see)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count
