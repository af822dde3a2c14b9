"""Moniri and Hassani 2025, third mechanism: easy features from the teacher, hard ones from pretraining (arXiv 2505.18346).

The target depends on two directions of a Gaussian input. One gradient step shows a network the easy one, along which the target
has a linear part, and not the hard one. The student's first layer knows the hard direction beforehand; a step on its teacher's
labels adds the easy one. Errors are exact given the weights, in units of the target's power.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Piece, Rule, Study
from w2s.studies.moniri2025.multi_index.claims import CLAIMS
from w2s.studies.moniri2025.multi_index.figures import FIGURES
from w2s.studies.moniri2025.multi_index.solve import groups_of, solve_block
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend, flops

__all__ = ["MultiIndex", "MultiIndexCell"]

_ENTRY = 40.0  # operations of one entry of an arc-cosine Gram beyond its inner product


class MultiIndexCell(Cell):
    """One point of the multi-index study. The ceiling is the student trained on true labels, step and readout."""

    d: int = field(200, description="dimension of the inputs", ge=2, le=4096)
    d_weak: int = field(400, description="width of the teacher", unit="features", ge=2, le=16_384)
    d_strong: int = field(400, description="width of the student", unit="features", ge=2, le=16_384)
    quadratic: float = field(
        1.0, description="power of the easy component's even part", unit="of its linear part", ge=0, le=100
    )
    hard: float = field(1.0, description="power of the hard component", unit="of the linear part", ge=0, le=100)
    n_labeled: int = field(800, description="rows with true labels for the teacher's step, and as many for its readout", ge=1)
    noise_variance: float = field(0.0, description="variance of the label noise", unit="of the target's power", ge=0)
    step_weak: float = field(6.0, description="size of the teacher's gradient step", unit="sqrt(width)", ge=0)
    ridge_weak: float = field(0.01, description="teacher's lambda in the readout", unit="feature power", gt=0)
    n_transfer: int = field(3200, description="rows with weak labels for the student's step, and as many for its readout", ge=1)
    pretraining: float = field(
        2.0, description="size of the student's spike along the hard direction before its step", unit="of a row", ge=0
    )
    step: float = field(6.0, description="size of the student's gradient step", unit="sqrt(width)", ge=0)
    ridge: float = field(0.01, description="student's lambda in the readout", unit="feature power", gt=0)
    head: Literal["readout", "kept"] = field(
        "readout",
        description="readout: a readout on weak labels alone; kept: added to the output of the pretrained network, "
        "whose head fits the hard component",
    )


class MultiIndex(Study):
    """Teacher and student after one gradient step, with and without the student's pretrained head."""

    name = "moniri2025.multi_index"
    version = 1
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = MultiIndexCell
    summary = "Moniri and Hassani 2025: easy features learnt from the teacher, hard ones kept from pretraining; exact errors"
    shares = ("head", "ridge", "step", "pretraining", "n_transfer", "ridge_weak", "step_weak", "noise_variance")
    columns: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            *(f"{axis}_{when}" for when in ("weak", "before", "after") for axis in ("easy", "hard")),
            *("easy_weak_theory", "easy_after_theory"),
            *("corr_easy_weak", "corr_hard_weak", "corr_easy", "corr_hard"),
        ),
        "double",
    )
    rules = (
        Rule(
            ("head", "hard"),
            lambda head, hard: (head != "kept") | (hard > 0),
            "head: kept needs a hard component that the student was pretrained on: hard must be above 0",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"step": [0.5, 2.0, 6.0], "head": ["readout", "kept"]}

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of the samples, of one student's features and of the joint moments."""
        d, rows = float(max(block.values("d"))), float(max((*block.values("n_transfer"), *block.values("n_labeled"))))
        width = float(max(*block.values("d_weak"), *block.values("d_strong")))
        held = 4.0 * rows * (d + width) + 4.0 * (3.0 * width) ** 2 + 20.0 * block.size
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * held)

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List per seed and world the samples; per teacher and student a step, a Gram and the joint moments; readouts."""
        seeds, worlds, teachers, students, readouts = (float(len(group)) for group in groups_of(block))
        d, weak, strong = (float(max(block.values(name))) for name in ("d", "d_weak", "d_strong"))
        labeled, transfer = (float(max(block.values(name))) for name in ("n_labeled", "n_transfer"))
        repeats = seeds * worlds
        fitted = repeats * teachers
        pairs, served = fitted * students, ("ridge", "head")
        teacher = flops.gemm(3.0 * labeled, d, weak) + flops.syrk(labeled, weak) + flops.cholesky(weak) + flops.eigh(d)
        student = 2.0 * flops.gemm(3.0 * transfer, d, strong) + flops.gemm(2.0 * transfer, d, weak)
        student += 2.0 * flops.syrk(transfer, strong) + flops.eigh(d)
        count = weak + 2.0 * strong
        ridges = float(len(block.values("ridge")))
        return [
            Piece("samples", "normals", repeats, repeats * 2.0 * d * (labeled + transfer) * 30.0, (), "", d),
            Piece("teachers: step and readout", "gemm", fitted, fitted * teacher, ("step", "pretraining", *served), "", weak),
            Piece("students: steps and Grams", "gemm", pairs, pairs * student, served, "readouts share a Gram", strong),
            Piece(
                "joint moments of teacher and student",
                "elementwise",
                pairs,
                pairs * count**2 * (d + _ENTRY),
                served,
                "they need no test sample",
                count,
            ),
            Piece("readouts", "cholesky", pairs * ridges, 3.0 * pairs * ridges * flops.cholesky(strong), ("head",), "", strong),
            Piece("errors", "gemm", pairs * readouts, pairs * readouts * 4.0 * count**2, (), "", count),
        ]

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per seed the teachers, then each student's step on their labels, then all readouts."""
        return solve_block(block, backend)
