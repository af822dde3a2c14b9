"""Yao, Yang, Wang, Lin and Liu 2025: capabilities and limits of weak-to-strong generalization (arXiv 2502.01458).

A logistic student learns the labels of a teacher step by step. What its errors can be is bounded by how far it is from its
teacher, and if the teacher's errors can be learnt, training for too long takes them over.
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
from w2s.studies.yao2025.limits import solve as solver
from w2s.studies.yao2025.limits.claims import CLAIMS
from w2s.studies.yao2025.limits.figures import FIGURES
from w2s.summary.population import SeedsDraw
from w2s.theory import yao2025 as theory
from w2s_kernels import Backend

__all__ = ["Limits", "LimitsCell"]

WORLD = ("d", "d_signal", "tail", "logit_scale", "n_transfer", "n_test")
TEACHER = ("errors", "error_scale")
TRAINING = ("loss", "step_size")
_CEILING_STEPS = 2000


class LimitsCell(Cell):
    """One point of the study. The ceiling is the student's class after 2000 steps on the truth's probabilities."""

    errors: Literal["structured", "random"] = field(
        "structured", description="structured: a linear function of features without signal; random: drawn for every item"
    )
    error_scale: float = field(1.0, description="standard deviation of the teacher's error", unit="logits", ge=0)
    loss: Literal["forward", "reverse"] = field(
        "forward", description="forward: cross-entropy, KL(label || student); reverse: KL(student || label)"
    )
    steps: int = field(100, description="gradient steps of the student", ge=0, le=1_000_000)
    step_size: float = field(0.5, description="size of a gradient step", unit="1 / feature power", gt=0)
    d: int = field(30, description="features of an item", unit="features", ge=2, le=5000)
    d_signal: int = field(4, description="features that carry the truth", unit="features", ge=1)
    tail: float = field(0.2, description="size of the other features", unit="of those with signal", gt=0)
    logit_scale: float = field(3.0, description="standard deviation of the true logits", unit="logits", gt=0)
    n_transfer: int = field(500, description="items with weak labels", unit="rows", ge=2, le=1_000_000)
    n_test: int = field(2000, description="test items", unit="rows", ge=2, le=1_000_000)


class Limits(Study):
    """Logistic students by gradient steps on weak labels: bounds, calibration, and overtraining."""

    name = "yao2025.limits"
    version = 1
    error_unit = "nats"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    classifies = True
    Cell: ClassVar[type[Cell]] = LimitsCell
    summary = "Yao et al. 2025: error, calibration and disagreement of a student by training step, with their elementary bounds"
    shares = ("steps", *TRAINING, *TEACHER)
    columns: ClassVar[Mapping[str, str]] = {
        "weak_calibration": "double",
        "student_calibration": "double",
        "misfit_reverse": "double",
        "weak_variation": "double",
        "student_variation": "double",
        "variation_apart": "double",
        "confidence": "double",
        "variation_bound_theory": "double",
        "student_error_01_low_theory": "double",
        "student_error_01_high_theory": "double",
    }
    rules = (
        Rule(
            ("d_signal", "d"), lambda carried, d: carried < d, "some feature must be without signal: d_signal must be below d"
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"steps": [1, 3, 10, 30, 100, 300, 1000], "errors": ["structured", "random"]}

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of all items of all seeds."""
        seeds, d = float(len(block.values("seed"))), float(max(block.values("d")))
        rows = float(max(block.values("n_transfer")) + max(block.values("n_test")))
        return Cost(
            sum(piece.flops for piece in self.pieces(block)), 8.0 * (seeds * rows * (3.0 * d + 20.0) + 25.0 * block.size)
        )

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List the trainings, on whose way all step counts lie, and the scores of every cell."""
        worlds, d = float(len(block.group("seed", *WORLD))), float(max(block.values("d")))
        runs = worlds * float(len(block.group(*TEACHER, *TRAINING)))
        ceilings = worlds * float(len(block.group("step_size")))
        step = float(max(block.values("n_transfer"))) * (4.0 * d + 40.0)
        trained = runs * max(block.values("steps")) + ceilings * _CEILING_STEPS
        scored = 300.0 * max(block.values("n_test")) * runs * len(block.values("steps"))
        return [
            Piece("training", "gemm", runs + ceilings, trained * step, ("steps",), "shorter trainings are on the way", d),
            Piece("scores", "elementwise", runs * len(block.values("steps")), scored, (), "", d),
        ]

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per world, teacher and kind of training one run for all seeds, looked at after every asked step."""
        groups = [block.group(*names) for names in (("seed",), WORLD, TEACHER, TRAINING, ("steps",))]
        seeds, worlds, teachers, trainings, steps = groups
        asked, drawn = occurring(block, worlds, teachers, trainings, steps), seeds.values("seed")
        numbers = [f"{name}_error{end}" for name in ("weak", "student", "ceiling") for end in ("", "_01")]
        results = Results(block, groups, (*numbers, "misfit", "disagreement", *self.columns))
        host, xp = backend.to_numpy, backend.xp
        for w in np.flatnonzero(asked.any(axis=(1, 2, 3))):
            world = solver.world_of(worlds.levels[w], drawn, backend)
            truth, best = host(world.test_logits), {}
            for t, k in zip(*np.nonzero(asked[w].any(axis=2)), strict=True):
                size, backwards = trainings.levels[k]["step_size"], trainings.levels[k]["loss"] == "reverse"
                if size not in best:
                    ((_, found),) = solver.descend(world.rows, world.logits, [_CEILING_STEPS], size, False, backend)
                    best[size] = host(xp.matmul(world.test, found[..., None])[..., 0])
                level = {**worlds.levels[w], **teachers.levels[t]}
                labels, said = solver.weak_logits(world, level, drawn, backend)
                counts = {steps.values("steps")[e]: e for e in np.flatnonzero(asked[w, t, k])}
                for count, weights in solver.descend(world.rows, labels, list(counts), size, backwards, backend):
                    student, weak = host(xp.matmul(world.test, weights[..., None])[..., 0]), host(said)
                    for s in range(len(drawn)):
                        logits = {"weak": weak[s], "student": student[s], "ceiling": best[size][s]}
                        results.put((s, w, t, k, counts[count]), solver.row(truth[s], logits))
        columns = results.columns()
        columns["variation_bound_theory"] = theory.pinsker_bound(columns["misfit"])
        ends = theory.error_interval(columns["weak_error_01"], columns["disagreement"])
        columns["student_error_01_low_theory"], columns["student_error_01_high_theory"] = ends[..., 0], ends[..., 1]
        columns["solver"] = np.full((1,) * len(block.axes), "gradient steps", dtype=object)
        return columns
