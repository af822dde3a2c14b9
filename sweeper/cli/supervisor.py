"""Run a command in a child process and see how it ends, so that no study can end a launch in silence.

The child is forked before anything but the command line is loaded. It keeps the terminal, so breakpoints work, and it dies with
its parent. Where a study's code ends it (``os._exit``, a fault in compiled code, the kernel for want of memory), a second child
carries on: it finds what has been computed, and solves the rest in worker processes, which may die.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from sweeper import supervised
from sweeper.errors import Exit
from sweeper.signals import ENDING, EndingSignals, heard, interrupted

__all__ = ["supervise"]

_FORWARD_SECONDS = 0.2
_PR_SET_PDEATHSIG = 1


def supervise(work: Callable[[], object], *, again: bool) -> int:
    """Run ``work`` in a child and return the exit code that it has, never 0 unless the child came to its end.

    ``again`` says that work which a study's code has ended may be started a second time.
    """
    ending: str | None = None
    while True:
        page = supervised.Page()
        seen: list[int] = []
        # Held back until both processes have their handlers: a signal in between would end the parent, and the child with it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            child = _start(work, page, ending, before)
            handlers = _forward_to(child, page, seen)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        code = _wait(child)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if page.ended:
            return code
        if seen:
            return int(Exit.INTERRUPTED)
        by_study, first = page.solving, ending is None
        ending = _ending(code)
        if not (by_study and first and again):
            who = "the study" if by_study else "the process"
            advice = "; launch again to resume" if again else ""
            sys.stderr.write(f"error: {who} ended this command: {ending}{advice}\n")
            return int(Exit.FAILED)


def _start(work: Callable[[], object], page: supervised.Page, ending: str | None, signals: set[int | signal.Signals]) -> int:
    """Start a child that does the work and return its process id; ``signals`` are those it blocks once it has its handlers."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    _die_with(parent)
    supervised.attach(page, ending)
    code = 1
    try:
        with EndingSignals():
            code = _code_of(functools.partial(_heard, work, signals))
            _flush()  # before the exit functions, which a third signal may cut off, and with them what was said
            atexit._run_exitfuncs()
            _flush()
        supervised.tell_ended()
    finally:
        # Not an exit of the interpreter, which would wait for threads that a study has left behind.
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _code_of(work: Callable[[], object]) -> int:
    try:
        work()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    except BaseException:
        if interrupted():
            return int(Exit.INTERRUPTED)
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _heard(work: Callable[[], object], signals: set[int | signal.Signals]) -> None:
    """Let the signals in that were held back, which may interrupt at once, and do the work."""
    signal.pthread_sigmask(signal.SIG_SETMASK, signals)
    work()


def _die_with(parent: int) -> None:
    """Ask the system to kill this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _forward_to(child: int, page: supervised.Page, seen: list[int]) -> dict[signal.Signals, Any]:
    """Pass signals on to the child, unless it has them already: a terminal sends one to both."""

    def later() -> None:
        if page.signals < len(seen):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, seen[-1])

    def hear(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        timer = threading.Timer(_FORWARD_SECONDS, later)
        timer.daemon = True
        timer.start()

    return {number: signal.signal(number, hear) for number in heard()}


def _wait(child: int) -> int:
    """Wait for the child and return its code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _ending(code: int) -> str:
    return f"it ended with code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
