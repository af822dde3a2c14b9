"""The terminal: one console, text that is safe to show, and paths as a person reads them.

Names, messages and claims come from studies, grids, files and folders, and those may come from anyone. A terminal obeys escape
sequences in what it is shown, so all such text passes :func:`printable`. A leaf: nothing of this package is imported here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from w2s.places.url import Url, Where

__all__ = ["console", "printable", "short"]

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters other than tab and new line, and those that turn the direction of what follows."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise the error of a closed pipe, so that the caller decides what it means.

        Rich itself would end the process with code 1.
        """
        raise BrokenPipeError

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a renderable; those that hold text are made printable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def console() -> Console:
    """Return a console that neither wraps long paths nor reads text as markup.

    A pipe or file is as wide as it needs to be.
    """
    width = None if sys.stdout.isatty() else 200
    return _Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)


def printable(text: str) -> str:
    r"""Write control characters as escapes, ``\x1b`` say: they are shown and not obeyed."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def short(path: Where) -> str:
    """Write a path relative to the working folder where it lies inside it."""
    if isinstance(path, Url):
        return str(path)
    absolute = path.resolve()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(path)
