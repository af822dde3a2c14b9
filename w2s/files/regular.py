"""Reading a file that others may have put there: a pipe, a device or a folder under its name is an error, never a wait."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ["NotRegularError", "read_regular"]


class NotRegularError(OSError):
    """What stands under a name is no regular file: a folder, a pipe, a device."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "it is no regular file", str(path))


def read_regular(path: Path, most: int | None = None) -> bytes:
    """Read a whole file, or its first ``most`` bytes. A link to a regular file is followed.

    Raises OSError, and :class:`NotRegularError` at once where reading could wait for ever.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegularError(path)
        return stream.read() if most is None else stream.read(most)
