"""The file system of this machine, or one that it shares with others, as a place for runs.

A folder may come from somebody else: reading never waits for a pipe, and nothing is appended through a link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from w2s.files.durable import whole
from w2s.files.lock import hold, is_held
from w2s.files.regular import NotRegularError, open_regular, read_regular
from w2s.places.base import Place

__all__ = ["Local"]


_MOST_LINE = 1 << 20
_MOST_PIECES = 64


class Local(Place[Path]):
    """Files are flushed and renamed; a journal is one file; the system frees the lock when its holder ends."""

    def prepare(self, folder: Path) -> None:
        """Make the folder and remove what killed writers left."""
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".tmp-*"):
            if leftover.is_symlink() or not leftover.is_dir():
                leftover.unlink(missing_ok=True)

    def files(self, folder: Path, prefix: str = "", suffix: str = "") -> list[Path]:
        """List files directly in a folder."""
        return sorted(path for path in folder.glob(f"{prefix}*{suffix}") if not path.name.startswith("."))

    def exists(self, name: Path) -> bool:
        """Tell whether there is a file of this name."""
        return name.exists()

    def is_folder(self, name: Path) -> bool:
        """Tell whether there is a folder of this name."""
        return name.is_dir()

    def read(self, name: Path) -> bytes:
        """Read a whole file."""
        return read_regular(name)

    def source(self, name: Path) -> Path:
        """Return the path: Arrow opens it itself. Raises OSError where that is no regular file, which Arrow could wait for."""
        if not stat.S_ISREG(name.stat().st_mode):
            raise NotRegularError(name)
        return name

    def write(self, name: Path, content: bytes | memoryview) -> None:
        """Write a temporary file with one write, flush it to the disk, rename it; once more where its folder was taken away."""
        for last in (False, True):
            try:
                with whole(name) as temporary:
                    temporary.write_bytes(content)
                return
            except FileNotFoundError:
                if last:
                    raise

    def remove(self, name: Path) -> None:
        """Remove a file that may be gone."""
        name.unlink(missing_ok=True)

    def move(self, name: Path, to: Path) -> None:
        """Give a file another name by a rename."""
        to.parent.mkdir(parents=True, exist_ok=True)
        name.replace(to)

    def modified(self, name: Path) -> float:
        """Return the time of the last write."""
        return name.stat().st_mtime

    def append(self, name: Path, line: str) -> None:
        """Append a line to a file."""
        name.parent.mkdir(parents=True, exist_ok=True)  # somebody may have moved it away
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, 0o666), "ab") as stream:
            stream.write(line.encode("utf-8", "backslashreplace") + b"\n")

    def lines(self, name: Path) -> list[str]:
        """Return the lines of a file, however many; one of more than a megabyte is none that a launch writes."""
        try:
            with open_regular(name) as stream:
                return [text for line in _short_lines(stream) if (text := _text(line))]
        except OSError:
            return []

    def lock(self, name: Path, waiting: Callable[[], object] | None = None) -> AbstractContextManager[None]:
        """Hold a lock of the file system."""
        return hold(name, waiting)

    def is_locked(self, name: Path) -> bool:
        """Tell whether a process holds it."""
        return is_held(name)


def _short_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of at most a megabyte, without their ends; the others are never held whole.

    After the beginning of a line of 64 of them nothing more is read: no journal has one, and a file of holes may be endless.
    """
    skipped = 0
    while skipped < _MOST_PIECES and (piece := stream.readline(_MOST_LINE + 1)):
        ends = piece.endswith(b"\n")
        if not skipped and (ends or len(piece) <= _MOST_LINE):
            yield piece.removesuffix(b"\n")
        skipped = 0 if ends else skipped + 1


def _text(line: bytes) -> str:
    """Return a line of a journal; nothing for one that is no text."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return ""
