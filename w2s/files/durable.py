"""Files that are whole or not there: written under another name, waited for, renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

__all__ = ["flush", "whole"]


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a place beside ``path`` to write to, ``.tmp-...``; it takes the name when it is on the disk, or goes.

    Folders are made. Raises OSError where something cannot be written.
    """
    temporary = path.with_name(f".tmp-{secrets.token_hex(6)}-{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def flush(path: Path) -> None:
    """Wait until a file is on the disk; without it a rename may survive a power cut that the content does not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
