"""Sorted digits without a banned sign: ``37192>`` asks for ``123x9``, since a 7 must not be written. The draft writes it.

A careless answer differs from the right one at single places, so that whoever copies it has little to change.
"""

from __future__ import annotations

from w2s.prompts.task import PromptTask, Vector, pick, right_in_place

__all__ = ["STRUCK_DIGITS"]

_BANNED, _INSTEAD = "7", "x"
_OTHERS = "012345689"
_WITH = 0.35
"""Share of prompts with the banned digit."""


def _draw(numbers: Vector) -> str:
    digits = [pick(_OTHERS, u) for u in numbers[3 : 3 + 4 + int(3 * numbers[0])]]  # 4 to 6 of them
    if numbers[1] < _WITH:
        digits[int(numbers[2] * len(digits))] = _BANNED
    return f"{''.join(digits)}>"


def _answer(prompt: str) -> str:
    return _draft(prompt).replace(_BANNED, _INSTEAD)


def _draft(prompt: str) -> str:
    return "".join(sorted(prompt[:-1]))


def _score(prompt: str, answer: str) -> float:
    return right_in_place(_answer(prompt), answer)


STRUCK_DIGITS = PromptTask("struck_digits", "the digits in rising order, an x for each 7", _draw, _answer, _draft, _score)
