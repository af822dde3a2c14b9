"""Mulgund and Pabbaraju 2025: relating misfit to gain beyond the squared loss (arXiv 2501.19105).

A student is fitted to weak labels of n items by a divergence, and compared with the truth on the same items, so that what the
theory says of populations is exact here: for the empirical distribution of the items.
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
from w2s.studies.mulgund2025.bregman import solve as solver
from w2s.studies.mulgund2025.bregman.claims import CLAIMS
from w2s.studies.mulgund2025.bregman.figures import FIGURES
from w2s.summary.population import SeedsDraw
from w2s.theory import mulgund2025 as theory
from w2s_kernels import Backend

__all__ = ["Bregman", "BregmanCell"]

WORLD = ("head", "target", "n_items", "d", "classes", "components", "logit_scale")
LABELS = ("bias", "noise")
_KL = ["logistic", "mixture"]
_SOLVERS = {"logistic": "newton", "mixture": "interior point", "squared": "qr"}
_ROUNDS = {"logistic": 15.0, "mixture": 25.0, "squared": 4.0}


class BregmanCell(Cell):
    """One point of the Bregman study. The ceiling is the student's class fitted to the truth by the student's loss."""

    head: Literal["logistic", "mixture", "squared"] = field(
        "logistic",
        description="class of the student: linear softmax heads; mixtures of given heads; linear functions by least squares",
    )
    loss: Literal["forward", "reverse"] = field(
        "forward",
        description="what the student minimises: forward KL(label || student), cross-entropy; reverse KL(student || label)",
        when={"head": _KL},
    )
    error: Literal["forward", "reverse"] = field(
        "forward",
        description="forward: errors KL(truth || .), misfit KL(student || label); reverse: the two swapped in each",
        when={"head": _KL},
    )
    target: Literal["in_class", "outside"] = field(
        "in_class", description="whether the truth is in the student's class", when={"head": _KL}
    )
    n_items: int = field(500, description="items, on which students are fitted and compared", unit="items", ge=2, le=1_000_000)
    d: int = field(6, description="features of an item", unit="features", ge=1, le=2000)
    classes: int = field(2, description="number of classes", when={"head": _KL}, ge=2, le=100)
    components: int = field(20, description="heads in a mixture", when={"head": ["mixture"]}, ge=2, le=2000)
    logit_scale: float = field(
        2.0, description="standard deviation of the logits of heads: a larger one lowers the entropy", when={"head": _KL}, gt=0
    )
    bias: float = field(0.0, description="linear part of the teacher's error", unit="logits or target", ge=0)
    noise: float = field(
        1.0, description="part of the teacher's error that is drawn for every item", unit="logits or target", ge=0
    )


class Bregman(Study):
    """Students by Bregman divergences: whether the gain is at least the misfit."""

    name = "mulgund2025.bregman"
    version = 1
    error_unit = "nats"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = BregmanCell
    summary = "Mulgund and Pabbaraju 2025: gain and misfit by Kullback-Leibler divergence, in both directions, and by squares"
    shares = ("error", "loss", *LABELS)
    columns: ClassVar[Mapping[str, str]] = {
        "optimality": "double",
        "target_entropy": "double",
        "uniform_error": "double",
        "gain_theory": "double",
        "rate_theory": "double",
    }
    rules = (
        Rule(
            ("n_items", "d"),
            lambda items, d: items > d,
            "a student of as many features as items repeats its labels: n_items must exceed d",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        "head": ["logistic", "mixture"],
        "loss": ["forward", "reverse"],
        "error": ["forward", "reverse"],
        "noise": [0.5, 1.0, 2.0],
    }

    def cost(self, block: Block) -> Cost:
        """Add up the pieces; count the bytes of the widest mixture, or of the items' probabilities, for all seeds."""
        widest = 0.0
        for level in block.group(*WORLD).levels:
            classes, heads = float(level["classes"] or 1), float(level["components"] or 0)
            widest = max(widest, level["n_items"] * (2.0 * level["d"] + classes * (12.0 + 3.0 * heads)))
        seeds = float(len(block.values("seed")))
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * (seeds * widest + 8.0 * block.size))

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List the fits: one for every world, seed, loss and kind of label; errors in both directions share it."""
        seeds, labels, losses = (float(len(block.group(*names))) for names in (("seed",), LABELS, ("loss",)))
        found = []
        for level in block.group(*WORLD).levels:
            items, classes = float(level["n_items"]), float(level["classes"] or 1)
            order = float(level["components"] or (max(classes - 1.0, 1.0) * level["d"]))
            work = _ROUNDS[level["head"]] * items * order * (order * (classes if level["components"] else 1.0) + 30.0 * classes)
            count = seeds * (labels + 1.0) * losses
            kind: Any = "logistic" if level["head"] == "logistic" else "gemm"
            found.append(Piece(f"fits: {_SOLVERS[level['head']]}", kind, count, count * work, ("error",), "", order))
        return found

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per world all seeds together; per loss a ceiling, and a student for every kind of label."""
        groups = [block.group(*names) for names in (("seed",), WORLD, LABELS, ("loss",), ("error",))]
        seeds, worlds, labels, losses, errors = groups
        asked = occurring(block, worlds, labels, losses, errors)
        numbers = ("weak_error", "student_error", "ceiling_error", "misfit", *self.columns)
        results, drawn, xp = Results(block, groups, numbers), seeds.values("seed"), backend.xp
        for w in np.flatnonzero(asked.any(axis=(1, 2, 3))):
            level = worlds.levels[w]
            world = solver.world_of(level, drawn, backend)
            entropy = np.full(len(drawn), np.nan)
            uniform = xp.full_like(world.truth, -np.log(level["classes"]) if level["classes"] else 0.0)
            if level["head"] != "squared":
                entropy = backend.to_numpy(-(xp.exp(world.truth) * world.truth).sum(axis=-1).mean(axis=-1))
            for k in np.flatnonzero(asked[w].any(axis=(0, 2))):
                backwards = losses.levels[k]["loss"] == "reverse"
                inside = level["target"] != "outside"
                ceiling = world.truth if inside else solver.fit(world, world.truth, backwards, backend).predictions
                for t in np.flatnonzero(asked[w, :, k].any(axis=1)):
                    weak = solver.labels_of(world, labels.levels[t], drawn, backend)
                    student = solver.fit(world, weak, backwards, backend)
                    for e in np.flatnonzero(asked[w, t, k]):
                        swapped = errors.levels[e]["error"] == "reverse"
                        found = solver.compare(world.truth, weak, student.predictions, swapped, xp)
                        best = solver.compare(world.truth, weak, ceiling, swapped, xp)["student_error"]
                        found |= {"ceiling_error": best, "optimality": student.optimality}
                        found["uniform_error"] = solver.compare(world.truth, weak, uniform, swapped, xp)["student_error"]
                        here = {name: backend.to_numpy(values) for name, values in found.items()}
                        results.put((slice(None), w, t, k, e), here | {"target_entropy": entropy})
        columns = results.columns()
        columns["rate_theory"] = theory.class_rate(block.column("classes"), block.column("components"))
        columns["solver"] = np.vectorize(_SOLVERS.get, otypes=[object])(block.column("head"))
        return columns
