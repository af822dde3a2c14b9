"""Brackets to be closed: ``([{}(>`` asks for ``)])``. The draft leaves an outermost curly bracket open.

A prompt is the beginning of a balanced text of three kinds of brackets and the sign ``>``. An answer passes where the text and
the answer together are balanced.
"""

from __future__ import annotations

from w2s.prompts.task import PromptTask, Vector, pick

__all__ = ["BRACKETS"]

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_OPENING = "".join(_CLOSING)
_OPENS = 0.65
"""Share of steps that open a bracket where one could be closed."""


def _draw(numbers: Vector) -> str:
    text, waiting = "", ""
    for k in range(5 + int(6 * numbers[0])):  # 5 to 10 signs
        u = float(numbers[1 + k])
        if len(waiting) < 2 or u < _OPENS:
            sign = pick(_OPENING, u if len(waiting) < 2 else u / _OPENS)
            text, waiting = text + sign, waiting + sign
        else:
            text, waiting = text + _CLOSING[waiting[-1]], waiting[:-1]
    return f"{text}>"


def _waiting(text: str) -> str:
    """Return the brackets that are still open, outermost first."""
    found = ""
    for sign in text:
        found = found + sign if sign in _CLOSING else found[:-1]
    return found


def _answer(prompt: str) -> str:
    return "".join(_CLOSING[sign] for sign in reversed(_waiting(prompt[:-1])))


def _draft(prompt: str) -> str:
    answer = _answer(prompt)
    return answer[:-1] if answer.endswith("}") else answer


def _score(prompt: str, answer: str) -> float:
    """Divide the brackets that are closed before the first mistake by their number, what follows them and what is left open."""
    waiting, closed, opened = _waiting(prompt[:-1]), 0, 0
    for sign in answer:
        if sign in _CLOSING:
            waiting, opened = waiting + sign, opened + 1
        elif waiting and _CLOSING[waiting[-1]] == sign:
            waiting, closed = waiting[:-1], closed + 1
        else:
            break
    return closed / (len(answer) - opened + len(waiting))


BRACKETS = PromptTask("brackets", "closes every open bracket, innermost first", _draw, _answer, _draft, _score)
