"""Errors that the science raises for a user, the nearest allowed word, and other errors in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = ["FieldError", "first_line", "nearest"]


class FieldError(ValueError):
    """A field name or value that the study does not accept; the message says what is allowed, ``field`` which one it is."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its type where the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def nearest(word: Any, allowed: Iterable[Any]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest allowed word, or an empty string.

    A number has none: one that is written alike may be far off.
    """
    if _is_number(word):
        return ""
    match = difflib.get_close_matches(str(word), [str(a) for a in allowed], n=1, cutoff=0.5)
    return f" (did you mean {match[0]!r}?)" if match else ""


def _is_number(word: Any) -> bool:
    try:
        float(str(word))
    except ValueError:
        return False
    return True
