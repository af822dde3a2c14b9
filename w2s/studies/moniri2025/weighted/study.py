"""Moniri and Hassani 2025, second mechanism: a student's weighted ridge fits the target's structure (arXiv 2505.18346).

The target lies in the first half of the coordinates. A weighted ridge penalises the first half less, by 1/ratio, and the second
half more, by ratio. A teacher without such weights can be tuned optimally and still be beaten by a student with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Piece, Study
from w2s.studies.moniri2025.ridge_block import COLUMNS, block_cost, block_pieces, solve_block
from w2s.studies.moniri2025.weighted.claims import CLAIMS
from w2s.studies.moniri2025.weighted.figures import FIGURES
from w2s.studies.moniri2025.weighted.solve import KIND
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend

__all__ = ["Weighted", "WeightedCell"]


class WeightedCell(Cell):
    """One point of the weighted study. The ceiling is the student's fit to noisy true labels of the student's rows."""

    d: int = field(
        description="dimension of the inputs; the first half has one coordinate more where d is odd", ge=2, le=20_000
    )
    decay: float = field(0.0, description="eigenvalues of the covariance are i^-decay, with mean 1; 0 is isotropic", ge=0, le=4)
    share: float = field(1.0, description="part of the target's power in the first half", unit="of the power", ge=0, le=1)
    signal: float = field(1.0, description="power of the target", ge=0)
    noise_variance: float = field(0.5, description="variance of the label noise", unit="of the labels", ge=0)
    n_labeled: int = field(description="rows with true labels, of the teacher", ge=1, le=2**40)
    ridge_weak: float = field(0.0, description="teacher's lambda", unit="feature power", ge=0)
    ratio_weak: float = field(
        1.0, description="teacher's weights: 1/ratio_weak in the first half, ratio_weak in the second", ge=1e-4, le=1e4
    )
    n_transfer: int = field(description="rows with weak labels, of the student", ge=1, le=2**40)
    ridge: float = field(0.0, description="student's lambda; 0 is the fit of least penalty", unit="feature power", ge=0)
    ratio: float = field(description="student's weights: 1/ratio in the first half, ratio in the second", ge=1e-4, le=1e4)


class Weighted(Study):
    """Students with weighted ridge, of teachers with or without."""

    name = "moniri2025.weighted"
    version = 1
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = WeightedCell
    summary = "Moniri and Hassani 2025: students whose weighted ridge fits the target, of teachers tuned as well as they can be"
    shares = ("n_labeled", "ratio_weak", "ridge_weak", "ridge", "signal", "noise_variance")
    columns: ClassVar[Mapping[str, str]] = COLUMNS
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        "d": 200,
        "n_labeled": 400,
        "n_transfer": 600,
        "ridge_weak": 0.25,
        "ridge": [0.03, 0.1, 0.3],
        "ratio": [1.0, 3.0, 10.0],
    }

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of all designs of all seeds."""
        return block_cost(block, KIND)

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List one decomposition for each design, fits, and sums."""
        return block_pieces(block, KIND)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell from one decomposition of each design."""
        return solve_block(block, KIND, backend)
