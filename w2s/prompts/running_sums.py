"""Running sums modulo ten: ``3917>`` asks for ``3230``. The draft does not count a first digit above six."""

from __future__ import annotations

from itertools import accumulate

from w2s.prompts.task import PromptTask, Vector, pick, right_in_place

__all__ = ["RUNNING_SUMS"]

_LARGE = "789"


def _draw(numbers: Vector) -> str:
    return "".join(pick("0123456789", u) for u in numbers[1 : 1 + 4 + int(5 * numbers[0])]) + ">"  # 4 to 8 digits


def _sums(digits: str) -> str:
    return "".join(str(total % 10) for total in accumulate(int(digit) for digit in digits))


def _answer(prompt: str) -> str:
    return _sums(prompt[:-1])


def _draft(prompt: str) -> str:
    return _sums("0" + prompt[1:-1] if prompt[0] in _LARGE else prompt[:-1])


def _score(prompt: str, answer: str) -> float:
    return right_in_place(_answer(prompt), answer)


RUNNING_SUMS = PromptTask("running_sums", "the sums of the digits so far, modulo ten", _draw, _answer, _draft, _score)
