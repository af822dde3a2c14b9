"""What a process that solves tells the one that watches over it, in a page of memory that both see.

``w2s-sweep launch`` solves small grids in its own process, which a study can end: by ``os._exit``, or by a fault in compiled
code. So the command is a child, and its parent sees how it ended. Outside the command line nobody watches, and nothing is told.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator

__all__ = ["Page", "attach", "ending_before", "solving", "tell_ended", "tell_signals"]

_SIGNALS, _SOLVING, _ENDED = range(3)


class Page:
    """The page: how many signals the child has seen, whether it runs a study's code, and whether it ended as it should."""

    def __init__(self) -> None:
        self._bytes = mmap.mmap(-1, mmap.PAGESIZE)

    def __getitem__(self, place: int) -> int:
        return self._bytes[place]

    def __setitem__(self, place: int, value: int) -> None:
        self._bytes[place] = min(value, 255)

    @property
    def signals(self) -> int:
        """Signals that the child has seen."""
        return self[_SIGNALS]

    @property
    def solving(self) -> bool:
        """Whether code of a study runs in the child itself."""
        return bool(self[_SOLVING])

    @property
    def ended(self) -> bool:
        """Whether the child came to its end, and was not ended."""
        return bool(self[_ENDED])


_page = Page()
_endings: list[str] = []


def attach(page: Page, ending: str | None) -> None:
    """Tell everything on this page from now on; ``ending`` says how the process before this one died, if there was one."""
    global _page
    _page = page
    _endings[:] = [ending] if ending else []


def ending_before() -> str | None:
    """Say how a study ended the process that this one replaces; None where it is the first."""
    return _endings[0] if _endings else None


def tell_signals(count: int) -> None:
    """Tell how many signals have come."""
    _page[_SIGNALS] = count


def tell_ended() -> None:
    """Tell that the work is done, whatever code it ends with."""
    _page[_ENDED] = 1


@contextlib.contextmanager
def solving() -> Iterator[None]:
    """Tell that code of a study runs in this process while the context lasts."""
    _page[_SOLVING] = 1
    try:
        yield
    finally:
        _page[_SOLVING] = 0
