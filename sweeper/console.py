"""The terminal: one console, and paths as a person reads them. A leaf: nothing of this package is imported here."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from w2s.places.url import Url, Where

__all__ = ["console", "short"]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise the error of a closed pipe, so that the caller decides what it means.

        Rich itself would end the process with code 1.
        """
        raise BrokenPipeError


def console() -> Console:
    """Return a console that neither wraps long paths nor reads text as markup.

    A pipe or file is as wide as it needs to be.
    """
    width = None if sys.stdout.isatty() else 200
    return _Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)


def short(path: Where) -> str:
    """Write a path relative to the working folder where it lies inside it."""
    if isinstance(path, Url):
        return str(path)
    absolute = path.resolve()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(path)
