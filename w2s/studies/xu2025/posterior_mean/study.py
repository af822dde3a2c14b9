"""Xu, Yao, Wang and Liu 2025: weak-to-strong through the bias and variance of teachers (arXiv 2505.24313).

Teachers differ by chance, since each is fitted to its own bootstrap sample. A student of several of them that comes close to
their mean is rid of their variance, and gains as much as its misfit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Piece, Rule, Study
from w2s.sharing.results import Results
from w2s.studies.fields import occurring
from w2s.studies.xu2025.posterior_mean import solve as solver
from w2s.studies.xu2025.posterior_mean.claims import CLAIMS
from w2s.studies.xu2025.posterior_mean.figures import FIGURES
from w2s.summary.population import SeedsDraw
from w2s.theory import xu2025 as theory
from w2s_kernels import Backend

__all__ = ["PosteriorMean", "PosteriorMeanCell"]

WORLD = ("task", "d", "d_weak", "n_labeled", "noise", "logit_scale", "ridge_weak", "n_test")
CLASS = ("d_strong", "n_transfer", "ridge")
STUDENT = ("student", *CLASS)


class PosteriorMeanCell(Cell):
    """One point of the study. The ceiling is the fitted student's class on the truth of the transfer items."""

    task: Literal["regression", "classification"] = field(
        "regression", description="squared errors on the population, or KL(truth || .) of two classes on test items"
    )
    student: Literal["mean", "primal", "fitted"] = field(
        "mean",
        description="mean: of teachers (of classifiers the dual one); primal: of their probabilities; fitted: to mean labels",
    )
    beside: Literal["pool", "fresh"] = field(
        "pool", description="teachers of weak_error and misfit: those that the student learnt from, or 16 others like them"
    )
    teachers: int = field(8, description="teachers that the student learns from (B)", ge=1, le=10_000)
    d: int = field(24, description="features of an item", unit="features", ge=1, le=2000)
    d_weak: int = field(24, description="features that teachers see", unit="features", ge=1, le=2000)
    d_strong: int = field(24, description="features that a fitted student sees", unit="features", ge=1, le=2000)
    n_labeled: int = field(
        80, description="labelled rows, of which teachers have bootstrap samples", unit="rows", ge=2, le=100_000
    )
    n_transfer: int = field(
        400, description="items with weak labels, the same from every teacher", unit="rows", ge=2, le=1_000_000
    )
    n_test: int = field(1000, description="test items", unit="rows", when={"task": ["classification"]}, ge=2, le=1_000_000)
    noise: float = field(
        0.5, description="standard deviation of the label noise", unit="target", when={"task": ["regression"]}, ge=0
    )
    logit_scale: float = field(
        3.0, description="standard deviation of the true logits", when={"task": ["classification"]}, gt=0
    )
    ridge_weak: float = field(0.05, description="penalty of the teachers", unit="feature power", gt=0)
    ridge: float = field(1e-4, description="penalty of fitted students and of the ceiling", unit="feature power", gt=0)


class PosteriorMean(Study):
    """Students of many teachers: how near they come to the mean of their teachers, and what they gain by it."""

    name = "xu2025.posterior_mean"
    version = 1
    error_unit = "squared error; nats with task: classification"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = PosteriorMeanCell
    summary = "Xu et al. 2025: gain and misfit of students of many bootstrapped teachers, against the mean of these teachers"
    shares = ("teachers", "beside", *STUDENT)
    columns: ClassVar[Mapping[str, str]] = {
        "distance_to_mean": "double",
        "constant_error": "double",
        "gain_theory": "double",
        "ratio_theory": "double",
    }
    rules = (
        Rule(
            ("task", "student"),
            lambda task, student: (task == "classification") | (student != "primal"),
            "student: primal is a mean of probabilities: it needs task: classification",
        ),
        Rule(
            ("d", "d_weak", "d_strong"),
            lambda d, weak, strong: (weak <= d) & (strong <= d),
            "d_weak and d_strong must not exceed d",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"teachers": [1, 2, 4, 8, 16, 30], "beside": ["pool", "fresh"]}

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of all teachers of one seed."""
        count, rows = float(max(block.values("teachers")) + solver.FRESH), float(max(block.values("n_labeled")))
        test, d = float(max(value or 0 for value in block.values("n_test"))), float(max(block.values("d")))
        held = count * (rows**2 / 8.0 + 6.0 * rows * d + 3.0 * d**2 + 8.0 * test)
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * (held + 20.0 * block.size))

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List teachers, of which smaller pools are the first ones of larger pools, and fits of students and ceilings."""
        found, seeds = [], float(len(block.values("seed")))
        count, transfer = float(max(block.values("teachers")) + solver.FRESH), float(max(block.values("n_transfer")))
        fits = float(len(block.group("teachers", *STUDENT)) + len(block.group(*CLASS)))
        for level in block.group(*WORLD).levels:
            rounds, d = (1.0 if level["task"] == "regression" else 12.0), float(level["d"])
            taught = rounds * level["n_labeled"] * (2.0 * d**2 + level["n_labeled"])
            found.append(
                Piece("teachers", "gemm", seeds * count, seeds * count * taught, ("teachers", "beside", *STUDENT), "", d)
            )
            found.append(
                Piece("students", "gemm", seeds * fits, seeds * fits * rounds * transfer * 2.0 * d**2, ("beside",), "", d)
            )
        return found

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per world and seed the largest pool of teachers once, whose first ones are every smaller pool."""
        groups = [block.group(*names) for names in (("seed",), WORLD, ("teachers",), STUDENT, ("beside",))]
        seeds, worlds, pools, students, sides = groups
        asked = occurring(block, worlds, pools, students, sides)
        numbers = (
            "weak_error",
            "student_error",
            "ceiling_error",
            "misfit",
            "distance_to_mean",
            "constant_error",
            "gain_theory",
        )
        results = Results(block, groups, numbers)
        for w, s in np.ndindex(len(worlds), len(seeds)):
            if not asked[w].any():
                continue
            level, seed, ceilings = worlds.levels[w], seeds.values("seed")[s], {}
            known = solver.teach(level, max(pools.values("teachers")), seed, backend)
            for t, k in zip(*np.nonzero(asked[w].any(axis=2)), strict=True):
                how, count = students.levels[k], pools.values("teachers")[t]
                student, mean = solver.students(level, how, known, count, seed, backend)
                kind = tuple(how[name] for name in CLASS)
                if kind not in ceilings:
                    labels = (known.truth if known.weights is None else known.weights)[None]
                    ceiling = solver.fitted(level, how, known, labels, seed, backend)
                    ceilings[kind] = solver.compare(known, known.fresh, ceiling, mean, backend)["student_error"]
                for e in np.flatnonzero(asked[w, t, k]):
                    judged = known.fresh if sides.levels[e]["beside"] == "fresh" else known.pooled[:count]
                    row = solver.compare(known, judged, student, mean, backend)
                    results.put((s, w, t, k, e), row | {"ceiling_error": ceilings[kind]})
        columns = results.columns()
        plain = (
            (block.column("student") == "mean") & (block.column("task") == "regression") & (block.column("beside") == "fresh")
        )
        columns["ratio_theory"] = np.where(plain, theory.fresh_teacher_ratio(block.column("teachers")), np.nan)
        columns["solver"] = np.where(block.column("task") == "regression", "normal equations", "newton").astype(object)
        return columns
