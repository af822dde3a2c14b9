"""Text from a run folder on its way to the page: of bounded length, and without characters that a browser obeys or hides.

Markup is escaped by the template; this is what escaping does not see.
"""

from __future__ import annotations

from sweeper.console import printable

__all__ = ["clip", "count"]


def clip(text: object, most: int) -> str:
    """Write a text in at most ``most`` characters, the end cut, control characters as escapes."""
    shown = printable(str(text))
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def count(number: int, what: str) -> str:
    """Write a number with its noun: ``1 seed``, ``1,200 seeds``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
