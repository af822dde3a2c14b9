"""Heo, Piratla, Wicker and Weller 2023: methods that are told which inputs must not matter (arXiv 2303.06419).

All networks learn true labels. The weak model is the network of plain training, whose inputs hold an intact decoy; the student
is the network of the cell's method, on the same inputs; the ceiling is plain training where the decoy is random. So the PGR is
the part of the decoy's damage that a method repairs. All errors are shares of wrong classes on test items with random decoys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Piece, Rule, Study
from w2s.studies.fields import asked_levels
from w2s.studies.heo2023.decoy import solve as solver
from w2s.studies.heo2023.decoy.claims import CLAIMS
from w2s.studies.heo2023.decoy.figures import FIGURES
from w2s.studies.heo2023.decoys import dimensions
from w2s.studies.heo2023.worlds import RULES, DecoyCell, check_pool, network_flops, test_flops
from w2s_kernels import Backend

__all__ = ["Decoy", "MethodCell"]

_BOUNDED: list[Any] = ["ibp", "rrr_ibp"]
_BOXED: list[Any] = ["pgd", "rrr_pgd", *_BOUNDED]


class MethodCell(DecoyCell):
    """One method with its strengths on one kind of inputs."""

    method: Literal["erm", "rrr", "pgd", "ibp", "rrr_pgd", "rrr_ibp", "random_decoy"] = field(
        "pgd",
        description="plain training; a penalty on masked slopes; training at the worst place of a box, found by attack or "
        "bounded by intervals; both; plain training with random decoys",
    )
    penalty: float = field(
        1.0, description="lambda of the penalty", when={"method": ["rrr", "rrr_pgd", "rrr_ibp"]}, ge=0, le=1e6
    )
    radius: float = field(1.5, description="eps of the boxes", when={"method": _BOXED}, ge=0, le=100)


class Decoy(Study):
    """Methods that ignore a decoy, side by side."""

    name = "heo2023.decoy"
    version = 1
    error_unit = "share of wrong answers"
    Cell: ClassVar[type[Cell]] = MethodCell
    summary = "Heo et al. 2023: what robust training and gradient penalties repair of the damage of a decoy (0-1 errors)"
    shares = ("method", "penalty", "radius", *solver.PLAIN)
    columns: ClassVar[Mapping[str, str]] = {
        f"{who}_{name}": "double" for who in ("weak", "student", "ceiling") for name in solver.NAMES if name != "error"
    }
    rules: ClassVar[tuple[Rule, ...]] = RULES
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"method": ["erm", "rrr", "pgd", "ibp"]}

    def check(self, block: Block) -> None:
        """Raise FieldError for samples that are larger than the data, and for files that are missing or wrong."""
        check_pool(block, "n_labeled", "n_test")

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of the samples and of the test items with every decoy."""
        held = 0.0
        for level in asked_levels(block, *solver.WORLD):
            d, classes = dimensions(level)
            held = max(held, float(d * (4 * level["n_labeled"] + (classes + 4) * level["n_test"])))
        seeds, width = len(block.values("seed")), max(block.values("width"))
        rows = max(12.0 * max(block.values("batch")), 40_000.0)
        return Cost(
            sum(piece.flops for piece in self.pieces(block)), 8.0 * (held * seeds + 8.0 * rows * width + 40.0 * block.size)
        )

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List the networks of the methods, and for each world and recipe the two that all methods share."""
        seeds = float(len(block.values("seed")))
        own, plain = 0.0, 0.0
        for level in asked_levels(block, *solver.WORLD, *solver.PLAIN, *solver.METHOD):
            if level["method"] not in ("erm", "random_decoy"):
                own += network_flops(level, level["method"], level["width"], level["n_labeled"]) + test_flops(
                    level, level["width"]
                )
        for level in asked_levels(block, *solver.WORLD, *solver.PLAIN):
            plain += 2.0 * (network_flops(level, "erm", level["width"], level["n_labeled"]) + test_flops(level, level["width"]))
        order, why = float(max(block.values("width"))), "each method is compared with the same two"
        return (
            Piece(
                "plain training, decoy intact and random",
                "robust",
                2.0 * seeds,
                seeds * plain,
                solver.METHOD,
                why,
                order,
            ),
            Piece("training by the methods", "robust", seeds, seeds * own, (), "", order),
        )

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per world and recipe all methods and seeds side by side."""
        return solver.solved(block, backend)
