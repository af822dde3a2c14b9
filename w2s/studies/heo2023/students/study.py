"""Students of teachers that answer by a decoy, after Heo, Piratla, Wicker and Weller 2023 (arXiv 2303.06419).

The paper has no teacher. Here a small network learns true labels of inputs with an intact decoy, plainly or by a method that is
told where the decoy is; a larger one learns its answers on other inputs, where the decoy is intact or broken, plainly or by
such a method. All errors are shares of wrong classes on test items with random decoys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Piece, Rule, Study
from w2s.studies.fields import asked_levels
from w2s.studies.heo2023.decoys import dimensions
from w2s.studies.heo2023.students import solve as solver
from w2s.studies.heo2023.students.claims import CLAIMS
from w2s.studies.heo2023.students.figures import FIGURES
from w2s.studies.heo2023.worlds import RULES, WORLD, DecoyCell, check_pool, network_flops, test_flops
from w2s_kernels import Backend

__all__ = ["StudentCell", "Students"]

Reg = Literal["none", "rrr", "pgd", "ibp"]


class StudentCell(DecoyCell):
    """One teacher and one student."""

    teacher_reg: Reg = field("none", description="how the teacher is trained: plainly, with a penalty, in boxes")
    student_reg: Reg = field("none", description="how student, ceiling and strong baseline are trained")
    transfer: Literal["intact", "broken"] = field(
        "intact", description="decoys of the student's inputs: the class's, or random"
    )
    n_transfer: int = field(2000, description="inputs that the teacher labels", unit="rows", ge=2, le=50_000)
    teacher_width: int = field(16, description="units in each of the teacher's two hidden layers", unit="units", ge=1, le=1024)
    penalty: float = field(1.0, description="lambda of rrr, of teacher and student", ge=0, le=1e6)
    radius: float = field(1.5, description="eps of pgd and ibp, of teacher and student", ge=0, le=100)


class Students(Study):
    """Teachers and students, with and without a mask."""

    name = "heo2023.students"
    version = 1
    error_unit = "share of wrong answers"
    Cell: ClassVar[type[Cell]] = StudentCell
    summary = "Students of teachers that answer by a decoy, with methods of Heo et al. 2023 that ignore it (0-1 errors)"
    shares = ("student_reg", "teacher_reg", "transfer", "penalty", "radius", *solver.RECIPE)
    columns: ClassVar[Mapping[str, str]] = {
        **{f"{who}_{name}": "double" for who in ("weak", "student", "ceiling") for name in solver.NAMES if name != "error"},
        "label_error": "double",
    }
    rules: ClassVar[tuple[Rule, ...]] = RULES
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"student_reg": ["none", "rrr", "pgd", "ibp"], "transfer": ["intact", "broken"]}

    def check(self, block: Block) -> None:
        """Raise FieldError for samples that are larger than the data, and for files that are missing or wrong."""
        check_pool(block, "n_labeled", "n_transfer", "n_test")

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of the samples and of the test items with every decoy."""
        held = 0.0
        for level in asked_levels(block, *WORLD, "n_transfer"):
            d, classes = dimensions(level)
            held = max(held, float(d * (2 * level["n_labeled"] + 2 * level["n_transfer"] + (classes + 4) * level["n_test"])))
        rows = max(12.0 * max(block.values("batch")), 40_000.0)
        used = held * len(block.values("seed")) + 8.0 * rows * max(block.values("width")) + 40.0 * block.size
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * used)

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List teachers once per way to train them, strong baselines and ceilings per student's way, students per pair."""
        seeds, totals = float(len(block.values("seed"))), dict.fromkeys(("weak", "alone", "own"), 0.0)
        seen: set[Any] = set()

        def once(kind: str, key: Any, level: Mapping[str, Any], who: str, width: int, n: int) -> None:
            if (kind, key) not in seen:
                seen.add((kind, key))
                totals[kind] += network_flops(level, solver.loss(level, who).method, width, n) + test_flops(level, width)

        for level in asked_levels(block, *WORLD, *solver.RECIPE, *solver.LEVELS):
            shared = tuple(level[name] for name in (*WORLD, *solver.RECIPE))
            teacher, student = solver.loss(level, "teacher"), solver.loss(level, "student")
            once("weak", (shared, teacher), level, "teacher", level["teacher_width"], level["n_labeled"])
            once("alone", (shared, student, "strong"), level, "student", level["width"], level["n_labeled"])
            once("alone", (shared, student, level["transfer"]), level, "student", level["width"], level["n_transfer"])
            once("own", (shared, student, teacher, level["transfer"]), level, "student", level["width"], level["n_transfer"])
        order = float(max(block.values("width")))
        teachers, students = ("student_reg", "transfer"), ("teacher_reg",)
        return (
            Piece("teachers", "robust", seeds, seeds * totals["weak"], teachers, "students share them", order),
            Piece(
                "strong baselines and ceilings",
                "robust",
                seeds,
                seeds * totals["alone"],
                students,
                "no teacher in them",
                order,
            ),
            Piece("students", "robust", seeds, seeds * totals["own"], (), "", order),
        )

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per world and recipe all teachers, then all students."""
        return solver.solved(block, backend)
