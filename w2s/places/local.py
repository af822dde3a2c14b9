"""The file system of this machine, or one that it shares with others, as a place for runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from w2s.files.durable import whole
from w2s.files.lock import hold, is_held
from w2s.places.base import Place

__all__ = ["Local"]


class Local(Place[Path]):
    """Files are flushed and renamed; a journal is one file; the system frees the lock when its holder ends."""

    def prepare(self, folder: Path) -> None:
        """Make the folder and remove what killed writers left."""
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".tmp-*"):
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
        return name.read_bytes()

    def source(self, name: Path) -> Path:
        """Return the path: Arrow opens it itself."""
        return name

    def write(self, name: Path, content: bytes | memoryview) -> None:
        """Write a temporary file with one write, flush it to the disk, rename it."""
        with whole(name) as temporary:
            temporary.write_bytes(content)

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
        with name.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def lines(self, name: Path) -> list[str]:
        """Return the lines of a file."""
        return name.read_text(encoding="utf-8").splitlines() if name.exists() else []

    def lock(self, name: Path, waiting: Callable[[], object] | None = None) -> AbstractContextManager[None]:
        """Hold a lock of the file system."""
        return hold(name, waiting)

    def is_locked(self, name: Path) -> bool:
        """Tell whether a process holds it."""
        return is_held(name)
