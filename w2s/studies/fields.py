"""Cell fields that studies share: one word, one meaning, one unit."""

from __future__ import annotations

from typing import Literal

from w2s.cells import Cell, field

__all__ = ["FilterCell"]


class FilterCell(Cell):
    """The student's filter: ridge, gradient flow, or steps of gradient descent."""

    filter: Literal["ridge", "flow", "steps"] = field("ridge", description="how the student is trained")
    ridge: float = field(
        0.0,
        description="lambda of (X'X/n + lambda I)^-1 X'y/n; 0 is the minimum norm",
        unit="feature power",
        when={"filter": ["ridge"]},
        ge=0,
    )
    time: float = field(
        1.0,
        description="stopping time of gradient flow on half the mean squared error",
        unit="1 / feature power",
        when={"filter": ["flow"]},
        infinite=True,
        ge=0,
    )
    steps: int = field(100, description="steps of gradient descent", when={"filter": ["steps"]}, ge=0)
    step_size: float = field(
        0.1, description="step size of gradient descent", unit="1 / feature power", when={"filter": ["steps"]}, gt=0
    )
