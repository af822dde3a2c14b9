"""The terminal: one console, text that is safe to show, and paths as a person reads them.

Names, messages and claims come from studies, grids, files and folders, and those may come from anyone. A terminal obeys escape
sequences in what it is shown, so all such text passes :func:`printable`. A leaf: nothing of this package is imported here.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from w2s.places.url import Url, Where

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["console", "frame_text", "printable", "say", "short", "terminal_width", "wrapped"]

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters other than tab and new line, and those that turn the direction of what follows."""


_PIPE = 200
"""Columns of a pipe or a file."""


class _Console(Console):
    breaks_lines = False

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as Rich does; on a terminal a line of text ends between words, so that no number is cut in two."""
        if self.breaks_lines:
            objects = tuple(wrapped(item, self.width) if isinstance(item, str) else item for item in objects)
        super().print(*objects, **options)

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
    """Return a console that neither cuts long paths nor reads text as markup.

    A pipe or file is as wide as it needs to be.
    """
    width = terminal_width()
    out = _Console(highlight=False, markup=False, emoji=False, soft_wrap=width is None, width=width or _PIPE)
    out.breaks_lines = width is not None
    return out


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Return the columns of the terminal that reads a stream, the output by default; None where a pipe or a file does."""
    return Console().width if (stream or sys.stdout).isatty() else None


def say(text: str, *, err: bool = False) -> None:
    """Print a text, on a terminal with lines that end between words; ``err`` prints it where errors go."""
    stream = sys.stderr if err else sys.stdout
    width, shown = terminal_width(stream), printable(text)
    print(shown if width is None else wrapped(shown, width), file=stream, flush=True)


def wrapped(text: str, width: int) -> str:
    """Wrap lines that are wider than ``width`` between words; what has no space, such as a path, stays whole."""
    lines = []
    for line in text.split("\n"):
        if len(line) <= width:
            lines.append(line)
            continue
        indent = " " * (len(line) - len(line.lstrip()))
        wrapper = textwrap.TextWrapper(width, initial_indent=indent, subsequent_indent=f"{indent}  ")
        wrapper.break_long_words = wrapper.break_on_hyphens = False
        lines += wrapper.wrap(line.strip()) or [""]
    return "\n".join(lines)


def frame_text(frame: DataFrame) -> str:
    """Write a frame as text: as one table where the reader is wide enough, else its columns in groups, one below the other.

    Every group begins with the first column. No value is cut.
    """
    width = terminal_width() or 10_000
    names = list(frame.columns)
    groups: list[list[Any]] = []
    for name in names[1:] or names:
        joined = [*(groups[-1] if groups else names[:1]), name] if len(names) > 1 else [name]
        if groups and _width(frame[joined]) > width:
            groups.append([names[0], name])
        elif groups:
            groups[-1] = joined
        else:
            groups.append(joined)
    return "\n\n".join(frame[group].to_string(index=False, line_width=10_000) for group in groups)


def _width(frame: DataFrame) -> int:
    return max(map(len, frame.to_string(index=False, line_width=10_000).split("\n")))


def printable(text: str) -> str:
    r"""Write control characters as escapes, ``\x1b`` say: they are shown and not obeyed."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def short(path: Where) -> str:
    """Write a path relative to the working folder where it lies inside it."""
    if isinstance(path, Url):
        return str(path)
    absolute = path.resolve()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(path)
