"""Files and folders that are whole or not there: written under another name, waited for, renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

__all__ = ["publish", "replaced", "whole"]


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success flush it to the disk and rename it to ``path``, on error delete it.

    Missing folders are made. Raises OSError where something cannot be written.
    """
    # A reader of `*.parquet` must not find rows that are being written; other writers go by the ending of a name.
    ending = ".tmp" if path.suffix == ".parquet" else ""
    temporary = path.with_name(f".tmp-{secrets.token_hex(6)}-{path.name}{ending}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def replaced(path: Path, content: bytes) -> None:
    """Replace a small file whose loss does no harm: written under a name of its own, never through a link, and renamed.

    Nothing is flushed to the disk. Raises OSError.
    """
    temporary = path.with_name(f".tmp-{secrets.token_hex(6)}-{path.name}")
    with os.fdopen(
        os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666), "wb"
    ) as stream:
        stream.write(content)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def publish(folder: Path, place: Path) -> None:
    """Flush every file of a folder to the disk, then rename the folder to ``place``.

    Whatever is at ``place`` is no valid value (its reader refused it). It is moved aside first, so that no name ever stands
    for half a folder.
    """
    for item in sorted(folder.rglob("*")):
        if item.is_file():
            _flush(item)
    if place.exists():
        gone = place.with_name(f".{place.name.lstrip('.')}-{secrets.token_hex(4)}")
        place.replace(gone)
        folder.replace(place)
        shutil.rmtree(gone)
    else:
        folder.replace(place)


def _flush(path: Path) -> None:
    """Wait until a file is on the disk.

    Without that, a power cut may keep the rename and lose the content.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
