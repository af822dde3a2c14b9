"""Reading a file that others may have put there: a pipe, a device or a folder under its name is an error, never a wait."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

__all__ = ["NotRegularError", "open_regular", "read_regular"]

_MOST = 1 << 31
"""Bytes that a file of a run may have: a block's rows take less than half of that."""


class NotRegularError(OSError):
    """What stands under a name is no regular file: a folder, a pipe, a device."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "it is no regular file", str(path))


def read_regular(path: Path, most: int | None = None) -> bytes:
    """Read a whole file, or its first ``most`` bytes. A link to a regular file is followed.

    Raises OSError, also for a file of more than two gigabytes where ``most`` is not given, and :class:`NotRegularError` at
    once where reading could wait for ever.
    """
    with open_regular(path) as stream:
        if most is None and os.fstat(stream.fileno()).st_size > _MOST:
            raise OSError(errno.EFBIG, f"it is larger than {_MOST >> 30} GiB", str(path))
        return stream.read() if most is None else stream.read(most)


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read it, at once. Raises OSError, and :class:`NotRegularError` where reading could wait for ever."""
    if not stat.S_ISREG(path.stat().st_mode):  # opening a device may do something
        raise NotRegularError(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegularError(path)
    return os.fdopen(descriptor, "rb")
