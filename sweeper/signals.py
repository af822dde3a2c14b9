"""Signals that end a launch, as interrupts: SIGINT, SIGTERM (batch systems), SIGHUP (the terminal has gone).

The first is a :class:`KeyboardInterrupt`. The second is not heard, so that it does not cut off the end that the first began;
the third and later ones are interrupts again, for a person who will not wait. A leaf: any room may ask what has been seen.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Collection
from types import FrameType
from typing import Any

from sweeper import supervised

__all__ = ["ENDING", "EndingSignals", "heard", "interrupted", "raise_again"]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that end a launch."""
_PATIENT = 2
_counts = {"seen": 0, "contexts": 0}


def heard(numbers: Collection[signal.Signals] = ENDING) -> list[signal.Signals]:
    """Return the ending signals among some, without SIGHUP where it is ignored: that is what ``nohup`` asks for."""
    return [number for number in numbers if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]


class EndingSignals:
    """A context in which signals that end are interrupts. In another thread than the main one it changes nothing.

    SIGINT is heard also where the shell made the process ignore it; SIGHUP is not (:func:`heard`).

    Parameters
    ----------
    numbers : the signals.
    obey : leave what is raised to the handler that was there before: for a worker that another library ends.

    """

    def __init__(self, numbers: Collection[signal.Signals] = ENDING, *, obey: bool = False) -> None:
        self._numbers, self._obey = numbers, obey
        self._before: dict[signal.Signals, Any] = {}
        self._held = False
        self._tell = sys.unraisablehook

    def __enter__(self) -> EndingSignals:
        if not _counts["contexts"]:
            _counts["seen"] = 0
        _counts["contexts"] += 1
        self._tell, sys.unraisablehook = sys.unraisablehook, self._unraisable
        self.take()
        return self

    def take(self) -> None:
        """Set the handlers, also where a library has replaced them, as Ray does when it starts."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in heard(self._numbers):
            before = signal.signal(number, self._interrupt)
            self._before.setdefault(number, before)

    def hold(self) -> None:
        """Let nothing interrupt from now on: what is left takes no time."""
        self._held = True

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        _counts["seen"] += 1
        supervised.tell_signals(_counts["seen"])
        if self._obey and callable(before := self._before.get(signal.Signals(number))):
            before(number, frame)
            return
        if not self._held and _counts["seen"] != _PATIENT:
            raise KeyboardInterrupt

    def _unraisable(self, told: sys.UnraisableHookArgs) -> None:
        """Say nothing of an interrupt that Python could not raise, as inside ``__del__``: :func:`raise_again` does."""
        if not (interrupted() and isinstance(told.exc_value, KeyboardInterrupt)):
            self._tell(told)

    def __exit__(self, *_error: object) -> None:
        _counts["contexts"] -= 1
        sys.unraisablehook = self._tell
        for number, handler in self._before.items():
            signal.signal(number, handler)


def interrupted() -> bool:
    """Tell whether a signal has come: a :class:`KeyboardInterrupt` without one was raised by a study."""
    return _counts["seen"] > 0


def raise_again() -> None:
    """Raise the interrupt of a signal that has ended nothing: a study caught it, or it was raised inside ``__del__``."""
    if interrupted():
        raise KeyboardInterrupt
