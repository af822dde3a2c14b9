"""Oh, Song and Yun 2025: weak-to-strong generalization through feature learning (arXiv 2510.24812), on patches.

The teacher is a linear convolutional network trained on true labels: it reads the easy signal and cannot read the hard one,
whose sign is random. The student is a ReLU network trained on the teacher's hard labels of new inputs. Inputs with both signals
show it the hard one under correct labels. Every error of this study is a share of wrong answers (0-1 error).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Kind, Piece, Rule, Study
from w2s.laws.signal_noise import TYPES
from w2s.sharing.nominal import NORMAL_FLOPS
from w2s.sharing.results import Results
from w2s.studies.fields import asked_levels, occurring
from w2s.studies.oh2025.patches.claims import CLAIMS
from w2s.studies.oh2025.patches.figures import FIGURES
from w2s.studies.oh2025.patches.networks import DATA, FIELDS, Batch, batches, filters_of
from w2s.studies.oh2025.patches.solve import MOST_KEPT, World, solve_levels
from w2s.studies.oh2025.patches.world import Gaussian
from w2s.summary.population import SeedsDraw
from w2s.theory import oh2025 as theory
from w2s_kernels import Backend

__all__ = ["COLUMNS", "READ", "Patches", "PatchesCell", "StudentCell"]

COLUMNS: Mapping[str, str] = dict.fromkeys(
    (
        *(f"{model}_error_{name}" for model in ("weak", "student") for name in TYPES),
        "ceiling_error_hard",
        "train_fit",
        "train_accuracy",
        "label_correction",
        "weak_train_error",
        "weak_tilt",
        "student_validation_misfit",
        "aligned_easy",
        "aligned_hard",
        "regime_theory",
        "benign_theory",
        "weak_error_theory",
    ),
    "double",
)
_DRAWS: tuple[str, Kind] = ("samples: noise patches", "normals")
_TEACHERS: tuple[str, Kind] = ("teachers: gradient descent", "descent")
_STUDENTS: tuple[str, Kind] = ("students and ceilings: gradient descent", "descent")
_TESTS: tuple[str, Kind] = ("errors on new inputs", "elementwise")
READ = 12.0
"""Operations on a product of a test input with a filter, besides the product."""


class StudentCell(Cell):
    """One student at one step. The ceiling is the same student, at the same step, trained on the true labels."""

    p_hard: float = field(0.3, description="share of inputs with the hard signal only", ge=0, le=1)
    p_both: float = field(0.4, description="share of inputs with both signals; the others have the easy one only", ge=0, le=1)
    mu: float = field(description="size of the easy signal", unit="norm", gt=0)
    nu: float = field(description="size of the hard signal, whose sign is random", unit="norm", gt=0)
    sigma: float = field(description="standard deviation of the noise on each axis", unit="norm", gt=0)
    n_labeled: int = field(description="examples with true labels, for the teacher", unit="examples", ge=2, le=2**20)
    teacher_rate: float = field(description="learning rate of the teacher", ge=0)
    teacher_steps: int = field(200, description="steps of the teacher", unit="steps", ge=1, le=2**20)
    n_transfer: int = field(description="examples with the teacher's labels, for the student", unit="examples", ge=2, le=2**20)
    student: Literal["relu", "linear"] = field("relu", description="two-layer ReLU network, or a linear one like the teacher")
    per_class: int = field(
        10,
        description="filters of each class (m); with few, all may start on one side of a signal",
        unit="filters",
        when={"student": ["relu"]},
        ge=1,
        le=1024,
    )
    init: float = field(
        1e-3,
        description="standard deviation of the filters at step 0; a linear student starts at 0",
        unit="norm",
        when={"student": ["relu"]},
        gt=0,
    )
    rate: float = field(description="learning rate of the student, of the mean loss", ge=0)
    step: int = field(description="step of gradient descent at which the student is taken", unit="steps", ge=0, le=2**20)
    n_test: int = field(1000, description="new inputs of each type for the errors", unit="inputs", ge=4, le=2**20)
    n_validation: int = field(
        400, description="new inputs of each type on which the student is compared with its teacher only", unit="inputs", ge=4
    )


class PatchesCell(StudentCell):
    """A student of signals and Gaussian noise."""

    d: int = field(description="dimension of a patch; the four signals are orthogonal axes", unit="features", ge=8, le=2**20)


class Patches(Study):
    """A linear teacher and a ReLU student on patches."""

    name = "oh2025.patches"
    version = 1
    error_unit = "share of wrong answers"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = PatchesCell
    summary = "Oh et al. 2025: ReLU networks learn from a linear teacher what it cannot read, and forget it (0-1 errors)"
    shares: ClassVar[tuple[str, ...]] = ("step", "n_test", "n_validation", "rate", "init", "nu", "mu", "sigma", "n_transfer")
    columns: ClassVar[Mapping[str, str]] = COLUMNS
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("p_hard", "p_both"),
            lambda hard, both: ~(hard + both > 1.0 + 1e-12),
            "p_hard and p_both are shares of one population: they must not sum to more than 1",
        ),
        Rule(
            ("n_transfer", "d"),
            lambda n, d: n * d <= 2**31,
            "n_transfer * d must not exceed 2^31: the patches would not fit into memory",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        "d": 400,
        "mu": 3,
        "nu": 3,
        "sigma": 0.25,
        "n_labeled": 400,
        "teacher_rate": 0.05,
        "n_transfer": 2000,
        "init": 1e-3,
        "rate": 2,
        "step": [5, 20, 40, 80, 200],
    }

    fields: ClassVar[tuple[str, ...]] = FIELDS
    """Fields of a cell but the seed."""

    def levels(self, block: Block) -> list[Mapping[str, Any]]:
        """List what the cells of a block are, but for their seeds."""
        return asked_levels(block, *self.fields)

    def accounted(self, block: Block) -> list[Mapping[str, Any]]:
        """List the levels as an account needs them."""
        return self.levels(block)

    def world(self, level: Mapping[str, Any], seed: int, backend: Backend) -> World:  # noqa: ARG002
        """Return where the inputs of a seed come from."""
        return Gaussian(seed, backend)

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of patches, of products with them and of the weights that are kept."""
        groups = batches(self.accounted(block))
        held = max(_bytes(batch) for group in groups for batch in group.values())
        return Cost(sum(piece.flops for piece in self.pieces(block)), held + 400.0 * block.size)

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List samples, teachers, students and tests; a seed's networks on one sample are trained together."""
        levels, seeds = self.accounted(block), float(len(block.values("seed")))
        teachers, students = batches(levels)
        both = (*teachers.values(), *students.values())
        order = float(max(batch.rows for batch in both))
        drawn = sum(2.0 * batch.n * batch.level["d"] for batch in both)
        share = ("mu", "nu", "sigma")
        pieces = [Piece(*_DRAWS, seeds * len(both), seeds * drawn * NORMAL_FLOPS, share, "sizes scale the draws", order)]
        for name, group in ((_TEACHERS, teachers), (_STUDENTS, students)):
            count = float(sum(len(batch.networks) for batch in group.values()))
            work = sum(batch.flops for batch in group.values())
            kept = ("n_transfer", "rate") if name is _TEACHERS else ("step",)
            pieces.append(Piece(*name, seeds * count, seeds * work, kept, "steps are kept on the way", order))
        tested = sum(self.test_flops(level) for level in levels)
        pieces.append(Piece(*_TESTS, seeds * len(levels), seeds * tested, (), "", float(max(map(filters_of, levels)))))
        return pieces

    def test_flops(self, level: Mapping[str, Any]) -> float:
        """Count the operations of testing one cell of one seed."""
        filters = filters_of(level) + 1.0
        inputs = len(TYPES) * 2.0 * float(2 * level["n_test"] + level["n_validation"])
        return inputs * filters * (2.0 * filters + READ) + 2.0 * filters**2 * float(level["d"])

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: seed by seed, the networks of a sample side by side."""
        seeds, cells = block.group("seed"), block.group(*self.fields)
        results, asked = Results(block, (seeds, cells)), occurring(block, seeds, cells)
        levels = self.levels(block)
        places = np.flatnonzero(asked.any(axis=0))
        for s, seed in enumerate(seeds.values("seed")):
            wanted = [k for k, place in enumerate(places) if asked[s, place]]
            if wanted:
                found = solve_levels([levels[k] for k in wanted], seed, self.world(levels[0], seed, backend), backend)
                results.put((s, places[wanted]), found)
        columns = results.columns()
        columns["solver"] = np.array("patch_cnn", dtype=object).reshape((1,) * len(block.shape))
        return columns | self.indices(block)

    def indices(self, block: Block) -> dict[str, npt.NDArray[Any]]:
        """Compute the indices of the regimes."""
        sizes = (block.column(name) for name in ("n_transfer", "p_both", "nu", "sigma", "d"))
        n, p_both, nu, sigma, d = sizes
        return {
            "regime_theory": theory.regime_index(n, p_both, nu, sigma, d),
            "benign_theory": theory.benign_index(n, p_both, nu, sigma, d),
        }


def _bytes(batch: Batch) -> float:
    rows, d, width = batch.rows, float(batch.level[DATA[0]]), float(batch.filters * len(batch.networks))
    kept = min(MOST_KEPT, width * d * len(batch.steps))
    return 8.0 * (4.0 * rows * d + (2.0 * rows**2 if batch.span else 0.0) + 4.0 * rows * width + 2.0 * kept)
