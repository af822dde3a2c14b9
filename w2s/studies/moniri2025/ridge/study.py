"""Moniri and Hassani 2025, first mechanism: a ridge student makes up for an under-regularised ridge teacher (arXiv 2505.18346).

Teacher and student are linear and see the same Gaussian inputs' coordinates; they differ in their rows and in their ridges.
Designs are drawn as Grams and errors are exact given the fits, so nothing is random but designs and label noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Piece, Study
from w2s.studies.moniri2025.ridge.claims import CLAIMS
from w2s.studies.moniri2025.ridge.figures import FIGURES
from w2s.studies.moniri2025.ridge.solve import KIND
from w2s.studies.moniri2025.ridge_block import COLUMNS, block_cost, block_pieces, solve_block
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend

__all__ = ["Ridge", "RidgeCell"]


class RidgeCell(Cell):
    """One point of the ridge study. The ceiling is the student's ridge on noisy true labels of the student's own rows."""

    d: int = field(description="dimension of the inputs", ge=1, le=20_000)
    decay: float = field(0.0, description="eigenvalues of the covariance are i^-decay, with mean 1; 0 is isotropic", ge=0, le=4)
    target_decay: float = field(0.0, description="squared coefficients of the target fall like i^-target_decay", ge=0, le=4)
    signal: float = field(1.0, description="power of the target", ge=0)
    noise_variance: float = field(0.5, description="variance of the label noise", unit="of the labels", ge=0)
    n_labeled: int = field(description="rows with true labels, of the teacher", ge=1, le=2**40)
    ridge_weak: float = field(0.0, description="teacher's lambda of (X'X/n + lambda I)^-1", unit="feature power", ge=0)
    sample: Literal["fresh", "same"] = field("fresh", description="the student's inputs: of its own, or the teacher's again")
    n_transfer: int = field(400, description="rows with weak labels", when={"sample": ["fresh"]}, ge=1, le=2**40)
    ridge: float = field(0.0, description="student's lambda; 0 is the minimum norm", unit="feature power", ge=0)


class Ridge(Study):
    """Ridge students of ridge teachers in all regimes: isotropic or not, fewer or more rows than dimensions."""

    name = "moniri2025.ridge"
    version = 1
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = RidgeCell
    summary = "Moniri and Hassani 2025: ridge students of ridge teachers, exact errors beside their deterministic limits"
    shares = ("n_labeled", "ridge_weak", "ridge", "signal", "noise_variance")
    columns: ClassVar[Mapping[str, str]] = COLUMNS
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        "d": 200,
        "n_labeled": 400,
        "n_transfer": 400,
        "ridge_weak": [0.03, 0.1, 0.3, 1.0],
        "ridge": [0.001, 0.01, 0.1, 1.0],
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
