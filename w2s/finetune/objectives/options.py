"""What the option of a loss may be: one of several words, or a number between two bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from w2s.errors import nearest

__all__ = ["Number", "OneOf"]


class OneOf:
    """One of several words, the first by default."""

    def __init__(self, *words: str) -> None:
        self.words, self.default = words, words[0]

    def problem(self, value: Any) -> str:
        """Say why a value is none of the words; empty when it is one."""
        return "" if value in self.words else f"is not one of: {', '.join(self.words)}{nearest(value, self.words)}"


@dataclass(frozen=True)
class Number:
    """A finite number from ``low`` to ``high``, or above ``low``."""

    default: float
    low: float = 0.0
    high: float = math.inf
    above: bool = False

    def problem(self, value: Any) -> str:
        """Say why a value is no such number; empty when it is one."""
        if isinstance(value, (int, float)) and math.isfinite(value):
            inside = self.low < value if self.above else self.low <= value
            if inside and value <= self.high:
                return ""
        upper = "" if math.isinf(self.high) else f"{' and' if self.above else ''} up to {self.high:g}"
        return f"is not a number {'above' if self.above else 'from'} {self.low:g}{upper or ('' if self.above else ' on')}"
