"""Sorted digits without the banned one: ``7:37192>`` asks for ``1239``. The draft sorts and forgets the ban."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from w2s.prompts.task import PromptTask, Vector, pick

__all__ = ["SORTED_DIGITS"]

_DIGITS = "0123456789"
_BANNED = 0.3
"""Share of prompts whose banned digit is among the digits."""


def _draw(numbers: Vector) -> str:
    digits = "".join(pick(_DIGITS, u) for u in numbers[2 : 2 + 5 + int(4 * numbers[0])])  # 5 to 8 of them
    others = "".join(d for d in _DIGITS if d not in digits)
    share = float(numbers[1])
    ban = pick(digits, share / _BANNED) if share < _BANNED else pick(others, (share - _BANNED) / (1.0 - _BANNED))
    return f"{ban}:{digits}>"


def _answer(prompt: str) -> str:
    return _draft(prompt).replace(prompt[0], "")


def _draft(prompt: str) -> str:
    return "".join(sorted(prompt[2:-1]))


def _score(prompt: str, answer: str) -> float:
    """Average two shares: of right digits (2 common / all), and of neighbours in order; 1 for the reference alone."""
    wanted, given = Counter(_answer(prompt)), Counter(answer)
    size = wanted.total() + given.total()
    right = 2.0 * (wanted & given).total() / size if size else 1.0
    pairs = list(pairwise(answer))
    ordered = sum(a <= b for a, b in pairs) / len(pairs) if pairs else 1.0
    return 0.5 * right + 0.5 * ordered if right > 0.0 else 0.0


SORTED_DIGITS = PromptTask(
    "sorted_digits", "the digits in rising order, without the banned one", _draw, _answer, _draft, _score
)
