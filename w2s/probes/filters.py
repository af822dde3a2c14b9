"""What cells say about a fit: the filters of a student, and the labels that it is trained on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import w2s_kernels as kernels
from w2s_kernels import Filters

__all__ = ["FILTER_FIELDS", "LABEL_RULES", "filters_of", "hard_labels", "soft_labels"]

Matrix = npt.NDArray[np.float64]

FILTER_FIELDS = ("student_filter", "ridge", "time", "steps", "step_size")
"""Cell fields that name the student's filter."""


def filters_of(levels: Sequence[Mapping[str, Any]]) -> Filters:
    """Make kernel filters from cells' ``filter``, ``ridge``, ``time``, ``steps`` and ``step_size`` (null where inactive)."""
    make: Mapping[str, Callable[[list[Mapping[str, Any]]], Filters]] = {
        "ridge": lambda cells: kernels.ridge([cell["ridge"] for cell in cells]),
        "flow": lambda cells: kernels.flow([cell["time"] for cell in cells]),
        "steps": lambda cells: kernels.steps([cell["steps"] for cell in cells], [cell["step_size"] for cell in cells]),
    }
    alike = itertools.groupby(levels, key=lambda level: level["student_filter"])
    return kernels.concat(*(make[name](list(cells)) for name, cells in alike))


def soft_labels(scores: Matrix) -> Matrix:
    """Return the weak model's outputs as they are."""
    return scores


def hard_labels(scores: Matrix) -> Matrix:
    """Make the largest output one-hot (the first one among equals): (..., k) -> (..., k)."""
    return np.asarray(np.eye(scores.shape[-1])[np.argmax(scores, axis=-1)])


LABEL_RULES: Mapping[str, Callable[[Matrix], Matrix]] = {"soft": soft_labels, "hard": hard_labels}
"""What the student is trained on, from the weak model's outputs (n, k)."""
