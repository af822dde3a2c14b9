"""What a run needs of the place where its files lie. Every name is a whole one: a path, or a URL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Place"]

Name = TypeVar("Name")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Place(ABC, Generic[Name]):
    """Operations on files that are whole or not there. All raise OSError, with a ``strerror`` for people, where they fail."""

    @abstractmethod
    def prepare(self, folder: Name) -> None:
        """Make a folder that can be written, and remove temporary files that killed writers left in it."""

    def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Call a function for every item and return the results in order; a place far away does several at a time."""
        return [function(item) for item in items]

    @abstractmethod
    def files(self, folder: Name, prefix: str = "", suffix: str = "") -> list[Name]:
        """List the files directly in a folder whose names begin and end so, by name; none where there is no folder."""

    @abstractmethod
    def exists(self, name: Name) -> bool:
        """Tell whether there is a file of this name."""

    @abstractmethod
    def is_folder(self, name: Name) -> bool:
        """Tell whether there is a folder of this name; in an object store, whether any name begins with it."""

    @abstractmethod
    def read(self, name: Name) -> bytes:
        """Read a whole file. Raises FileNotFoundError where there is none."""

    @abstractmethod
    def source(self, name: Name) -> Path | pa.NativeFile:
        """Return what Arrow can read this file from, also in parts."""

    @abstractmethod
    def write(self, name: Name, content: bytes | memoryview) -> None:
        """Write a file: afterwards it is there whole, or, after an error, as it was before. Missing folders are made."""

    @abstractmethod
    def remove(self, name: Name) -> None:
        """Remove a file; nothing happens where there is none."""

    @abstractmethod
    def move(self, name: Name, to: Name) -> None:
        """Give a file another name in the same run; it never has neither."""

    @abstractmethod
    def modified(self, name: Name) -> float:
        """Return when a file was written, in seconds since 1970."""

    @abstractmethod
    def append(self, name: Name, line: str) -> None:
        """Add a line to a journal. A line may come late or, when this process is killed, be lost; it is never cut in two."""

    @abstractmethod
    def lines(self, name: Name) -> list[str]:
        """Return the lines of a journal in the order in which they were added; none where there is no journal."""

    @abstractmethod
    def lock(self, name: Name, waiting: Callable[[], object] | None = None) -> AbstractContextManager[None]:
        """Hold a lock while the context lasts; where another process has it, call ``waiting()`` once and wait until it is free.

        It becomes free when its holder ends, however that ends. Raises :class:`w2s.files.lock.LockError` where there are none.
        """

    @abstractmethod
    def is_locked(self, name: Name) -> bool:
        """Tell whether some process holds a lock now; only looks."""
