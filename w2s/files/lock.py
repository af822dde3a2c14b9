"""Locks between processes, by a file: the system frees them when their holder ends, however it ends.

`flock` and not a library: `docs/log.md` says why. Some network file systems have none; there ``W2S_LOCKS=none`` goes on without
them, and whoever sets it sees to it that no two launches share a folder.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

__all__ = ["LockError", "hold", "is_held", "lock_problem", "locks_are_off", "try_hold"]

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


class LockError(OSError):
    """A file system that has no locks; ``strerror`` says what to do."""


def locks_are_off() -> bool:
    """Tell whether ``W2S_LOCKS=none`` asks to go on without locks."""
    return os.environ.get("W2S_LOCKS", "").strip().lower() == "none"


@contextlib.contextmanager
def hold(path: Path, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold a lock while the context lasts; where another process has it, call ``waiting()`` once and sleep until it is free.

    The file is made, its folder too, and stays. Not reentrant. Raises OSError where the file cannot be opened for writing, and
    :class:`LockError` where its file system has no locks, unless ``W2S_LOCKS=none``.
    """
    with _opened(path) as stream:
        try:
            if not _lock(stream, wait=False):
                if waiting is not None:
                    waiting()
                _lock(stream, wait=True)
        except LockError:
            if not locks_are_off():
                raise
        yield


@contextlib.contextmanager
def try_hold(path: Path) -> Iterator[bool]:
    """Hold a lock if nobody has it, and yield whether it is held now.

    Raises :class:`LockError` where the file system has no locks, whatever ``W2S_LOCKS`` says: nobody could tell who is at work.
    """
    with _opened(path) as stream:
        yield _lock(stream, wait=False)


def _opened(path: Path) -> IO[bytes]:
    """Open a lock file for writing and make it where it is missing; never through a link, and without waiting for a pipe."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o666), "ab")


def lock_problem(folder: Path) -> str:
    """Say why the file system of a folder has no locks, or return an empty string. Writes nothing."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, wait=False)
    except LockError as error:
        return str(error.strerror)
    finally:
        os.close(descriptor)
    return ""


def _lock(stream: IO[bytes] | int, *, wait: bool) -> bool:
    """Lock an open file and return whether it is locked now."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise LockError(
            error.errno,
            f"its file system has no file locks ({error.strerror}), which keep two launches apart; "
            "use a folder on another one, or set W2S_LOCKS=none and start one launch at a time",
        ) from None
    return True


def is_held(path: Path) -> bool:
    """Tell whether some process has a lock, by reading only; False where there is no file or it may not be read."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
