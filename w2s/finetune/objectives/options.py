"""What an option of a loss, an objective or a method may be: one of several words, a number between bounds, like a default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2s.errors import FieldError, nearest

__all__ = ["Number", "NumberOr", "OneOf", "Options"]


class OneOf:
    """One of several words, the first by default. ``later`` as for :class:`Number`."""

    def __init__(self, *words: str, later: bool = False) -> None:
        self.words, self.default, self.later = words, words[0], later

    def problem(self, value: Any) -> str:
        """Say why a value is none of the words; return an empty text when it is one."""
        return "" if value in self.words else f"is not one of: {', '.join(self.words)}{nearest(value, self.words)}"


@dataclass(frozen=True)
class Number:
    """A finite number from ``low`` to ``high``, or above ``low``; a ``whole`` one has no fraction.

    An option that was added ``later`` stays out of the arguments of a training at its default, so that trainings made before
    keep their identity.
    """

    default: float
    low: float = 0.0
    high: float = math.inf
    above: bool = False
    whole: bool = False
    later: bool = False

    def problem(self, value: Any) -> str:
        """Say why a value is no such number; return an empty text when it is one."""
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            inside = self.low < value if self.above else self.low <= value
            if inside and value <= self.high and (not self.whole or float(value).is_integer()):
                return ""
        upper = "" if math.isinf(self.high) else f"{' and' if self.above else ''} up to {self.high:g}"
        kind, start = "whole number" if self.whole else "number", "above" if self.above else "from"
        return f"is not a {kind} {start} {self.low:g}{upper or ('' if self.above else ' on')}"


class NumberOr(OneOf):
    """One of several words, the first by default, or a finite number from ``low`` to ``high``."""

    def __init__(self, *words: str, low: float = 0.0, high: float = math.inf) -> None:
        super().__init__(*words)
        self.number = Number(low, low, high)

    def problem(self, value: Any) -> str:
        """Say why a value is neither; return an empty text when it is one of them."""
        if isinstance(value, str):
            return super().problem(value)
        found = self.number.problem(value)
        return f"{found}, nor one of: {', '.join(self.words)}" if found else ""


@dataclass(frozen=True)
class _Alike:
    """Any value of the kind of a plain default: finite numbers, texts, or True and False; of another default any value."""

    default: Any
    later: bool = False

    def problem(self, value: Any) -> str:
        """Say why a value is of another kind; return an empty text when it is not."""
        wanted = _kind(self.default)
        return "" if wanted in ("", _kind(value)) else f"is not {wanted}"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "True or False"
    if isinstance(value, str):
        return "a word"
    return "a finite number" if isinstance(value, (int, float)) and math.isfinite(value) else ""


class Options:
    """Options by name: what a :class:`OneOf` or a :class:`Number` allows, and values like a plain default."""

    def __init__(self, declared: Mapping[str, Any]) -> None:
        self.allowed = {
            name: value if isinstance(value, (OneOf, Number)) else _Alike(value) for name, value in declared.items()
        }
        self.defaults = {name: allowed.default for name, allowed in self.allowed.items()}

    def checked(self, owner: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options, with the given ones in place of their defaults.

        Raises :class:`w2s.errors.FieldError`, which begins with ``owner``, for an unknown option and for a value that an
        option cannot have.
        """
        for name, value in given.items():
            if name not in self.defaults:
                known = ", ".join(self.defaults) or "none"
                raise FieldError(f"{owner} has no option {name!r}{nearest(name, self.defaults)}; known: {known}")
            if problem := self.allowed[name].problem(value):
                raise FieldError(f"{owner}: {name} {value!r} {problem}")
        return {**self.defaults, **given}

    def kept(self, checked: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out options that were added later and have their default."""
        new = {name for name, allowed in self.allowed.items() if allowed.later}
        return {name: value for name, value in checked.items() if name not in new or value != self.defaults[name]}
