"""What a task of prompts is: how a prompt is drawn, what the right answer is, what a careless one is, and how one is scored.

Everything is a function of the prompt's text, so a prompt needs no record beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2s_kernels import NUMPY, stream, uniforms

__all__ = ["DRAWS", "PromptTask", "pick", "right_in_place"]

Vector = npt.NDArray[np.float64]

DRAWS = 24
"""Uniform numbers that a prompt is drawn from."""


@dataclass(frozen=True)
class PromptTask:
    """A task of prompts.

    Attributes
    ----------
    name, says : the task's name, and what an answer has to be, in one line.
    draw : DRAWS uniform numbers to a prompt.
    answer : prompt to the reference answer, which has score 1.
    draft : prompt to the answer of someone careless: the reference, but for about a third of the prompts, on which it makes one
        and the same mistake. A model that has read drafts is able and not yet aligned.
    score : prompt and answer to a number in [0, 1]; 1 where the check is passed, and only there.

    """

    name: str
    says: str
    draw: Callable[[Vector], str]
    answer: Callable[[str], str]
    draft: Callable[[str], str]
    score: Callable[[str, str], float]

    def prompts(self, split: str, count: int) -> list[str]:
        """Draw ``count`` prompts of a split, such as ``train``; the first ones do not depend on how many are drawn.

        A prompt may occur twice. Cost: DRAWS hashed numbers a prompt.
        """
        numbers = np.asarray(uniforms(stream("w2s.prompts", self.name, split, seed=0), count, DRAWS, NUMPY))
        return [self.draw(row) for row in numbers]


def pick(letters: str, uniform: float) -> str:
    """Return the letter at a uniform number in [0, 1)."""
    return letters[min(int(uniform * len(letters)), len(letters) - 1)]


def right_in_place(wanted: str, answer: str) -> float:
    """Divide the signs of an answer that are right, place by place, by the longer of both lengths."""
    return sum(a == b for a, b in zip(wanted, answer, strict=False)) / max(len(wanted), len(answer))
