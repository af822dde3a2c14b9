"""Lang, Sontag and Vijayaraghavan 2024: pseudolabel correction and coverage expansion (arXiv 2405.16043).

Two Gaussian classes, and a teacher that is wrong on a region or at random, and silent on a part of the points. The student is a
ridge classifier on random Fourier features of the labelled points. All errors are shares of wrong classes on test points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Kind, Piece, Rule, Study
from w2s.sharing.results import Results
from w2s.studies.fields import occurring
from w2s.studies.lang2024.correction import solve as solver
from w2s.studies.lang2024.correction.claims import CLAIMS
from w2s.studies.lang2024.correction.figures import FIGURES
from w2s.studies.lang2024.correction.sample import Teachers
from w2s.summary.population import SeedsDraw
from w2s.theory import lang2024 as theory
from w2s_kernels import Backend, flops

__all__ = ["Correction", "CorrectionCell"]

_FEATURES: tuple[str, Kind] = ("random features of both samples", "elementwise")
_FACTORS: tuple[str, Kind] = ("students: Gram of the covered rows and its factor", "syrk")
_FITS: tuple[str, Kind] = ("students: labels to classes", "gemm")
_EXPANSION: tuple[str, Kind] = ("expansion: neighbours of parts of the wrong and the silent set", "other")
_COSINE = 40.0  # operations of a random feature beyond its inner product


class CorrectionCell(Cell):
    """One point of the correction study. The ceiling is the student's fit to the true classes of the covered points."""

    d: int = field(5, description="dimension of the points", ge=3, le=200)
    distance: float = field(1.2, description="class means lie at -+ distance on the first axis", ge=0, le=100)
    spread: float = field(0.6, description="standard deviation of both classes on every axis", gt=0, le=100)
    n_transfer: int = field(2000, description="points that the teacher is asked about", unit="rows", ge=2, le=50_000)
    n_test: int = field(4000, description="test points", unit="rows", ge=10, le=100_000)
    d_strong: int = field(300, description="random Fourier features of the student", unit="features", ge=1, le=4000)
    bandwidth: float = field(1.0, description="length over which a random feature turns", gt=0, le=1e3)
    ridge: float = field(1e-3, description="lambda of (F'F/n + lambda I)^-1 F'y/n over covered points", ge=1e-8, le=1e3)
    teacher_error: float = field(0.1, description="share of wrong labels of the teacher", ge=0, le=0.49)
    structured: float = field(0.0, description="part of them that fills a region; the others are coins", ge=0, le=1)
    abstains: Literal["nowhere", "random", "across", "along"] = field(
        "nowhere",
        description="where the teacher is silent: at random points; on a half-space across the class means' line, which cuts "
        "both classes alike; on one along that line, which takes one class first",
    )
    abstain: float = field(
        0.2, description="share of silent points", when={"abstains": ["random", "across", "along"]}, gt=0, le=0.95
    )
    radius: float = field(1.0, description="points this near are neighbours, where expansion is measured", gt=0, le=1e3)


class Correction(Study):
    """Students of teachers that are wrong or silent, with the expansion that the paper asks for measured on the points."""

    name = "lang2024.correction"
    version = 1
    error_unit = "share of wrong answers"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = CorrectionCell
    summary = "Lang et al. 2024: pseudolabel correction and coverage expansion of students of wrong or silent teachers"
    shares = ("structured", "teacher_error", *solver.COVER)
    columns: ClassVar[Mapping[str, str]] = {
        "student_error_bad": "double",
        "student_error_uncovered": "double",
        "ceiling_error_uncovered": "double",
        "coverage": "double",
        "expansion_correction": "double",
        "expansion_coverage": "double",
        "student_error_theory": "double",
        "bayes_error_theory": "double",
    }
    rules = (
        Rule(
            ("teacher_error", "structured"),
            lambda error, part: error * (1.0 + part) < 1.0,
            "labels outside the region must be right more often than not: teacher_error (1 + structured) must be below 1",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"teacher_error": [0.1, 0.2, 0.3], "structured": [0, 1]}

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of both samples with their features, and of the neighbours."""
        width, teachers = float(max(block.values("d_strong"))), float(len(block.group(*solver.TEACHER)))
        rows = float(max(block.values("n_transfer"))) + float(max(block.values("n_test")))
        held = rows * (3.0 * width + 4.0 * teachers + 2.0 * max(block.values("d"))) + 3.0 * width**2
        held += 4.0 * solver.MEASURED**2 + 20.0 * block.size
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * held)

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List per seed and world the features once, per covered set one factor, and all teachers as columns."""
        pieces, seeds = [], float(len(block.values("seed")))
        teachers, covers = float(len(block.group(*solver.TEACHER))), float(len(block.group(*solver.COVER)))
        for world in block.group(*solver.WORLD).levels:
            d, width, train, test = (float(world[name]) for name in ("d", "d_strong", "n_transfer", "n_test"))
            near = min(test, float(solver.MEASURED))
            made = (train + test) * (width * (2.0 * d + _COSINE) + 150.0 * d) + near**2 * (2.0 * d + 3.0)
            factor = flops.syrk(train, width) + flops.cholesky(width) + train * width
            fit = flops.gemm(train + test, width, teachers + 1.0) + flops.trsm(width, 2.0 * teachers + 2.0)
            search = teachers * (4.0 * d * near**2 / 4.0 + 30.0 * test)
            why = "labels enter as columns"
            pieces.append(Piece(*_FEATURES, seeds, seeds * made, (*solver.COVER, *solver.TEACHER), "points are shared", width))
            pieces.append(Piece(*_FACTORS, seeds * covers, seeds * covers * factor, solver.TEACHER, why, width))
            pieces.append(Piece(*_FITS, seeds * covers, seeds * covers * fit, (), "", width))
            pieces.append(Piece(*_EXPANSION, seeds * covers * teachers, seeds * covers * search, (), "", near))
        return pieces

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per seed and world the samples once, per covered set one factor, then all teachers."""
        groups = [block.group(*names) for names in (("seed",), solver.WORLD, solver.COVER, solver.TEACHER)]
        seeds, worlds, covers, teachers = groups
        asked = occurring(block, worlds, covers, teachers)
        results = Results(block, groups, solver.NUMBERS)
        for w in np.flatnonzero(asked.any(axis=(1, 2))):
            world = worlds.levels[w]
            for s, seed in enumerate(seeds.values("seed")):
                drawn = solver.Drawn.of(world, seed, backend)
                for c in np.flatnonzero(asked[w].any(axis=1)):
                    chosen = np.flatnonzero(asked[w, c])
                    given = Teachers.of([teachers.levels[t] for t in chosen])
                    results.put((s, w, c, chosen), solver.results(drawn, world, covers.levels[c], given, backend))
        columns = results.columns()
        least = theory.bayes_error(block.column("distance"), block.column("spread"))
        columns["bayes_error_theory"] = least
        inherited = theory.inherited_error(block.column("teacher_error"), block.column("structured"), least)
        columns["student_error_theory"] = np.where(block.column("abstains") == "along", np.nan, inherited)
        columns["solver"] = np.array(["cholesky"], dtype=object)
        return columns
