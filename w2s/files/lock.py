"""Locks between processes, by a file: the system frees them when their holder ends, however it ends.

`flock` and not a library: `docs/log.md` says why.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["hold", "is_held", "try_hold"]


@contextlib.contextmanager
def hold(path: Path, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold a lock while the context lasts; where another process has it, call ``waiting()`` once and sleep until it is free.

    The file is made, its folder too, and stays. Not reentrant. Raises OSError where the file cannot be opened for writing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def try_hold(path: Path) -> Iterator[bool]:
    """Hold a lock if nobody has it, and yield whether it is held now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def is_held(path: Path) -> bool:
    """Whether some process has a lock. Reads only; False where there is no file or it may not be read."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
