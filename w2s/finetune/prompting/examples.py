"""The text of a few-shot prompt: which examples it shows, how they are written, which tokens answer it.

An example is a line: the template with its text, then the word of its class. The text that is asked about comes last, without
a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.tokenizer import load_tokenizer
from w2s_kernels import NUMPY, permutation, stream

__all__ = ["MARK", "answer_tokens", "check_prompts", "chosen", "cut_to_words", "written"]

MARK = "{text}"
"""Where a template has the text."""
Tokens = tuple[int, ...]


def cut_to_words(text: str, most: int) -> tuple[str, bool]:
    """Cut a text to its first ``most`` words, on one line; also tell whether anything was cut."""
    words = text.split()
    return " ".join(words[:most]), len(words) > most


def written(template: str, text: str, word: str | None = None) -> str:
    """Write a text into the template, and behind it the word of its class where one is given."""
    asked = template.replace(MARK, text)
    return asked if word is None else f"{asked} {word}\n"


def chosen(classes: npt.NDArray[np.int64], count: int, shots: int, balanced: bool, seed: int) -> list[int]:
    """Choose the examples of a prompt from items with the given classes (n,), by a stream of the seed: their places, in order.

    The examples of fewer shots are among those of more. ``balanced`` takes the classes in turn, in a random order of each
    round; where a class has no item left, the next one in turn takes its place. ``classes`` are the labels that the prompt
    shows, of ``count`` kinds, so a prompt of weak labels is balanced by these. Raises ValueError for fewer items than shots.
    """
    if len(classes) < shots:
        raise ValueError(f"a prompt of {shots} examples needs as many labelled items, not {len(classes)}")
    order = [int(k) for k in permutation(stream("few-shot", "items", seed=seed), len(classes), NUMPY)]
    if not balanced:
        return order[:shots]
    waiting = [[k for k in order if classes[k] == one] for one in range(count)]
    found: list[int] = []
    turn = 0
    while len(found) < shots:
        round_of = permutation(stream("few-shot", "turns", str(turn), seed=seed), count, NUMPY)
        found += [waiting[int(one)].pop(0) for one in round_of if waiting[int(one)]]
        turn += 1
    return found[:shots]


def answer_tokens(tokenizer: Any, words: Sequence[str], name: str) -> tuple[Tokens, Tokens]:
    """Find the tokens with which all class words begin, and the one after them by which each word differs from the others.

    Raises :class:`FieldError` where that token does not tell all words apart, or a word ends before it.
    """
    rows = [tuple(tokenizer(f" {word}", add_special_tokens=False)["input_ids"]) for word in words]
    shared = 0
    while all(len(row) > shared for row in rows) and len({row[shared] for row in rows}) == 1:
        shared += 1
    if any(len(row) <= shared for row in rows) or len({row[shared] for row in rows}) < len(rows):
        raise FieldError(f"model {name}: one token does not tell the class words {', '.join(map(repr, words))} apart")
    return rows[0][:shared], tuple(row[shared] for row in rows)


def check_prompts(base: ModelFolder, template: str, words: Sequence[str]) -> None:
    """Raise :class:`FieldError` for a template without one place for the text, or words that one token cannot tell apart."""
    if template.count(MARK) != 1 or "\n" in template:
        raise FieldError(
            f"template {template!r}: write one line with {MARK} once, as in 'Review: {MARK} Sentiment:'", "template"
        )
    answer_tokens(load_tokenizer(base), words, base.name)
