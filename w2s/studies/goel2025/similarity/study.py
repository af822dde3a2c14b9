"""Goel et al. 2025: great models think alike and this undermines AI oversight (arXiv 2502.04313), in a world of two views.

Supervisor and student see different features of an item, some of which they share. The more they share, the more alike they
err, and the less the student can add to what its supervisor says.
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
from w2s.studies.goel2025.similarity import solve as solver
from w2s.studies.goel2025.similarity.claims import CLAIMS
from w2s.studies.goel2025.similarity.figures import FIGURES
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend

__all__ = ["Similarity", "SimilarityCell"]

WORLD = ("classes", "d_weak", "d_strong", "overlap", "signal", "n_test")
TEACHER = ("n_labeled", "ridge")
STUDENT = ("n_transfer", "labels")
_ROUNDS = 10.0


class SimilarityCell(Cell):
    """One point of the similarity study. The ceiling is the student's view on the true labels of the transfer items."""

    classes: int = field(4, description="classes, the options of an item", ge=2, le=100)
    d_weak: int = field(6, description="features that the supervisor sees", unit="features", ge=1, le=1000)
    d_strong: int = field(12, description="features that the student sees", unit="features", ge=1, le=1000)
    overlap: int = field(0, description="features that both see", unit="features", ge=0)
    signal: float = field(0.5, description="size of the class means of a feature", unit="of its noise", ge=0)
    n_labeled: int = field(400, description="true labels of supervisor and strong baseline", unit="rows", ge=2, le=1_000_000)
    n_transfer: int = field(2000, description="rows with the supervisor's labels", unit="rows", ge=2, le=1_000_000)
    n_test: int = field(4000, description="test rows", unit="rows", ge=2, le=1_000_000)
    labels: Literal["soft", "hard"] = field("soft", description="the supervisor's probabilities, or its first choice")
    ridge: float = field(1e-3, description="penalty of all models' weights, on the mean loss", unit="nats", gt=0)


class Similarity(Study):
    """Supervisor and student with features in common: similarity of their errors and gain."""

    name = "goel2025.similarity"
    version = 1
    error_unit = "nats"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    classifies = True
    Cell: ClassVar[type[Cell]] = SimilarityCell
    summary = "Goel et al. 2025: gain against the similarity (CAPA) of supervisor and student, whose views share features"
    shares = ("labels", "n_transfer", "n_labeled")
    columns: ClassVar[Mapping[str, str]] = {
        "similarity": "double",
        "similarity_hard": "double",
        "similarity_trained": "double",
        "similarity_itself": "double",
        "oracle_error_01": "double",
        "oracle_error_01_theory": "double",
        "mean_error": "double",
        "mean_error_01": "double",
    }
    rules = (
        Rule(
            ("overlap", "d_weak", "d_strong"),
            lambda overlap, weak, strong: (overlap <= weak) & (overlap <= strong),
            "both views hold the shared features: overlap must not exceed d_weak or d_strong",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"overlap": [0, 2, 4, 6]}

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of all items and answers of all seeds."""
        seeds = float(len(block.values("seed")))
        rows = float(max(block.values("n_labeled")) + max(block.values("n_transfer")) + max(block.values("n_test")))
        width = 3.0 * (max(block.values("d_weak")) + max(block.values("d_strong"))) + 12.0 * max(block.values("classes"))
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * (seeds * rows * width + 20.0 * block.size))

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List the fits of the four models; each is shared by the fields that it does not depend on."""
        classes, wide = float(max(block.values("classes"))), float(max(block.values("d_strong")))
        order = (classes - 1.0) * (wide + 1.0)
        worlds, teachers = (float(len(block.group("seed", *names))) for names in (WORLD, (*WORLD, *TEACHER)))
        ceilings = float(len(block.group("seed", *WORLD, "n_transfer", "ridge")))
        students = float(len(block.group("seed", *WORLD, *TEACHER, *STUDENT)))
        labeled, transfer, test = (float(max(block.values(name))) for name in ("n_labeled", "n_transfer", "n_test"))
        each = _ROUNDS * order * (order + 10.0)
        return [
            Piece("supervisor and baseline", "logistic", 2 * teachers, 2 * teachers * labeled * each, STUDENT, "", order),
            Piece("ceilings", "logistic", ceilings, ceilings * transfer * each, ("labels", "n_labeled"), "", order),
            Piece("students", "logistic", students, students * transfer * each, (), "", order),
            Piece("items", "normals", worlds, worlds * (labeled + transfer + test) * 60.0 * wide, TEACHER, "", wide),
            Piece("scores", "elementwise", students, students * test * classes * 100.0, (), "", test),
        ]

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per world and teacher all seeds together, students and ceilings on the same transfer items."""
        groups = [block.group(*names) for names in (("seed",), WORLD, TEACHER, STUDENT)]
        seeds, worlds, teachers, students = groups
        asked, drawn = occurring(block, worlds, teachers, students), seeds.values("seed")
        numbers = [f"{name}_error{end}" for name in ("weak", "student", "strong", "ceiling") for end in ("", "_01")]
        results = Results(block, groups, (*numbers, "misfit", "weak_distance", "disagreement", *self.columns))
        for w in np.flatnonzero(asked.any(axis=(1, 2))):
            solved = _World(worlds.levels[w], drawn, backend)
            for t in np.flatnonzero(asked[w].any(axis=1)):
                for k in np.flatnonzero(asked[w, t]):
                    found = solved.rows(teachers.levels[t], students.levels[k])
                    for s, row in enumerate(found):
                        results.put((s, w, t, k), row)
        columns = results.columns()
        columns["solver"] = np.full((1,) * len(block.axes), "newton", dtype=object)
        return columns


class _World:
    """Models of one world, each fitted once."""

    def __init__(self, level: Mapping[str, Any], seeds: Sequence[int], backend: Backend) -> None:
        shared = level["overlap"]
        alone = level["d_weak"] - shared, level["d_strong"] - shared
        self.views = solver.Views(level["classes"], shared, *alone, level["signal"])
        self.seeds, self.backend = seeds, backend
        self._made: dict[Any, Any] = {}
        self._drawn: dict[tuple[str, int], solver.Items] = {}
        self.test = self._items("test", level["n_test"])
        self.truth = backend.to_numpy(self.test.classes)

    def rows(self, teacher: Mapping[str, Any], student: Mapping[str, Any]) -> list[dict[str, float]]:
        """Compute the columns of every seed."""
        labeled, transfer, ridge = teacher["n_labeled"], student["n_transfer"], teacher["ridge"]
        weak, labels = self._supervised(labeled, transfer, ridge)
        strong = self._strong(labeled, ridge, "labeled")
        ceiling = self._strong(transfer, ridge, "transfer")
        if student["labels"] == "hard":
            labels = _first_choice(labels, self.backend)
        items = self._items("transfer", transfer)
        (trained,) = solver.answers(items.strong, labels, [self.test.strong], ridge, self.backend)
        given = _first_choice(weak, self.backend) if student["labels"] == "hard" else weak
        models = {"weak": weak, "strong": strong, "student": trained, "ceiling": ceiling}
        p = {name: np.exp(self.backend.to_numpy(logs)) for name, logs in models.items()}
        heard = np.exp(self.backend.to_numpy(given))
        return [
            solver.row(self.truth[s], {name: values[s] for name, values in p.items()}, heard[s]) for s in range(len(self.seeds))
        ]

    def _items(self, part: str, count: int) -> solver.Items:
        key = (part, count)
        if key not in self._drawn:
            self._drawn[key] = solver.views_of(self.views, part, count, self.seeds, self.backend)
        return self._drawn[key]

    def _supervised(self, labeled: int, transfer: int, ridge: float) -> Any:
        """Fit the supervisor; return its answers for test and transfer items."""
        key = ("weak", labeled, transfer, ridge)
        if key not in self._made:
            rows, asked = self._items("labeled", labeled), [self.test.weak, self._items("transfer", transfer).weak]
            truth = rows.one_hot(self.views.classes, self.backend)
            self._made[key] = solver.answers(rows.weak, truth, asked, ridge, self.backend)
        return self._made[key]

    def _strong(self, count: int, ridge: float, part: str) -> Any:
        """Fit the student's view to true labels of a part; return its answers for the test items."""
        key = (part, count, ridge)
        if key not in self._made:
            rows = self._items(part, count)
            truth = rows.one_hot(self.views.classes, self.backend)
            (self._made[key],) = solver.answers(rows.strong, truth, [self.test.strong], ridge, self.backend)
        return self._made[key]


def _first_choice(logs: Any, backend: Backend) -> Any:
    xp = backend.xp
    return xp.where(logs.argmax(axis=-1)[..., None] == xp.arange(logs.shape[-1]), 0.0, -xp.inf)
