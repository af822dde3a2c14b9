"""Cell fields that studies share: one word, one meaning, one unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block, Group
from w2s.contract.cells import Cell, field
from w2s.contract.study import Rule

__all__ = ["NEEDS_SPECTRUM", "FilterCell", "asked_levels", "occurring"]


class FilterCell(Cell):
    """The student's filter: ridge, gradient flow, or steps of gradient descent."""

    student_filter: Literal["ridge", "flow", "steps"] = field(
        "ridge", description="how the student is trained", formerly="filter"
    )
    ridge: float = field(
        0.0,
        description="lambda of (X'X/n + lambda I)^-1 X'y/n; 0 is the minimum norm",
        unit="feature power",
        when={"student_filter": ["ridge"]},
        ge=0,
    )
    time: float = field(
        1.0,
        description="stopping time of gradient flow on half the mean squared error",
        unit="1 / feature power",
        when={"student_filter": ["flow"]},
        infinite=True,
        ge=0,
    )
    steps: int = field(100, description="steps of gradient descent", when={"student_filter": ["steps"]}, ge=0)
    step_size: float = field(
        0.1, description="step size of gradient descent", unit="1 / feature power", when={"student_filter": ["steps"]}, gt=0
    )
    precision: Literal["float64", "mixed"] = field(
        "float64", description="factors in float64, or in float32 with refinement to float64 residuals", since=2
    )


NEEDS_SPECTRUM = Rule(
    ("precision", "student_filter"),
    lambda precision, student_filter: (precision != "mixed") | (student_filter == "ridge"),
    "precision: mixed needs student_filter: ridge; flow and steps need the spectrum, which is computed in float64",
)


def occurring(block: Block, *groups: Group) -> npt.NDArray[np.bool_]:
    """Mark which combinations of levels some wanted cell has: (len(group), ...).

    In a block whose fields are zipped, or masked, many combinations occur nowhere, and some of them make no sense.
    """
    found = np.zeros(tuple(len(group) for group in groups), dtype=bool)
    if block.mask is None:
        found[tuple(np.broadcast_arrays(*(group.codes for group in groups)))] = True
    else:
        found[tuple(np.broadcast_to(group.codes, block.shape)[block.mask] for group in groups)] = True
    return found


def asked_levels(block: Block, *names: str) -> list[Mapping[str, Any]]:
    """List distinct combinations of some fields that a wanted cell has."""
    group = block.group(*names)
    return [level for level, wanted in zip(group.levels, occurring(block, group), strict=True) if wanted]
