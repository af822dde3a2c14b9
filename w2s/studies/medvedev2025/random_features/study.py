"""Medvedev, Lyu, Yu, Arora, Li and Srebro 2025: weak-to-strong in random feature networks (arXiv 2503.02877).

Two-layer networks with random bottom weights. The teacher is the population optimum on ``d_weak`` features; the student has
many more features, is trained by gradient flow from zero on the teacher's predictions on the whole population, and is stopped.
Nothing is sampled but features: errors are exact given these, in units of E f*^2 = 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Kind, Piece, Rule, Study
from w2s.probes.filters import filters_of
from w2s.sharing.results import Results
from w2s.studies.fields import occurring
from w2s.studies.medvedev2025.random_features import solve as solver
from w2s.studies.medvedev2025.random_features.claims import CLAIMS
from w2s.studies.medvedev2025.random_features.figures import FIGURES
from w2s.studies.medvedev2025.random_features.students import top_degree, world_of
from w2s.summary.population import SeedsDraw
from w2s.theory import medvedev2025 as theory
from w2s_kernels import Backend, flops

__all__ = ["RandomFeatures", "RandomFeaturesCell"]

WORLD = ("model", "d", "decay")
TEACHER = ("d_weak", "quadratic", "quartic")
STUDENT = ("student", "d_strong")
FILTERS = ("student_filter", "time", "ridge")
_DEPENDENT = "the teacher's features are dependent to rounding"
_ENTRY = 30.0  # operations of one entry of an arc-cosine Gram beyond its inner product
_TEACHERS: tuple[str, Kind] = ("teachers: Gram and its Cholesky factor", "cholesky")
_GRAMS: tuple[str, Kind] = ("student: population Grams", "elementwise")
_SPECTRUM: tuple[str, Kind] = ("student: eigendecomposition of its Gram", "eigh")
_HARMONICS: tuple[str, Kind] = ("infinite student: teachers by degree", "gemm")
_SUMS: tuple[str, Kind] = ("errors: sums over eigenfunctions", "elementwise")


class RandomFeaturesCell(Cell):
    """One point of the random feature study. The ceiling is the student's features fitted to f* itself, without stopping."""

    model: Literal["relu", "linear"] = field(
        "relu", description="relu: inputs and bottom weights on the sphere; linear: inputs N(0, I), bottom weights N(0, Lam)"
    )
    d: int = field(description="dimension of the inputs; the linear model of the paper has d_weak^(3/2)", ge=2, le=2**24)
    decay: float = field(2 / 3, description="Lam = diag(1, d^-decay, ..., d^-decay)", when={"model": ["linear"]}, ge=0, le=4)
    d_weak: int = field(description="width of the teacher (M_TE)", unit="features", ge=1, le=20_000)
    student: Literal["finite", "infinite"] = field("finite", description="a student of d_strong features, or the limit of many")
    d_strong: int = field(
        1024, description="width of the student (M_ST)", unit="features", when={"student": ["finite"]}, ge=1, le=65_536
    )
    quadratic: float = field(
        0.0,
        description="part of the target in degree 2; what is left is linear",
        unit="of the power",
        when={"model": ["relu"]},
        ge=0,
        le=1,
    )
    quartic: float = field(
        0.0, description="part of the target in degree 4", unit="of the power", when={"model": ["relu"]}, ge=0, le=1
    )
    student_filter: Literal["flow", "ridge"] = field(
        "flow", description="how the student is trained on the teacher's predictions", formerly="filter"
    )
    time: float = field(
        1.0,
        description="stopping time of gradient flow on half the mean squared error",
        unit="1 / kernel",
        when={"student_filter": ["flow"]},
        infinite=True,
        ge=0,
    )
    ridge: float = field(
        0.0,
        description="lambda of (K + lambda I)^-1, K the mean over the student's features; 0 is the minimum norm",
        unit="kernel",
        when={"student_filter": ["ridge"]},
        ge=0,
    )


class RandomFeatures(Study):
    """Teacher and student networks of random features, at the population level."""

    name = "medvedev2025.random_features"
    version = 1
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = RandomFeaturesCell
    summary = "Medvedev et al. 2025: exact errors of early stopped students of random feature teachers, finite and infinite"
    shares = ("d_weak", *FILTERS, "quadratic", "quartic")
    columns: ClassVar[Mapping[str, str]] = {
        "loss_ratio": "double",
        "teacher_cross": "double",
        "time_scaled": "double",
        "lower_bound_theory": "double",
        "student_error_theory": "double",
    }
    rules = (
        Rule(
            ("model", "d_weak", "d"),
            lambda model, width, d: (model != "linear") | (width <= d),
            "a linear teacher has no more than d independent features: d_weak must not exceed d",
        ),
        Rule(
            ("quadratic", "quartic"),
            lambda second, fourth: ~(second + fourth > 1.0 + 1e-12),
            "quadratic and quartic are parts of one power: they must not sum to more than 1",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        "d": 32,
        "d_weak": [16, 32, 64, 128],
        "student": "infinite",
        "time": [1e3, 1e4, 3e4, 1e5, 1e6],
    }

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of the widest Gram, its eigenvectors and the arrays beside them."""
        d, weak = float(max(block.values("d"))), float(max(block.values("d_weak")))
        strong = float(max((width or 0 for width in block.values("d_strong")), default=0))
        teachers, filters = float(len(block.group(*TEACHER))), float(len(block.group(*FILTERS)))
        held = max(5.0 * weak**2, 6.0 * strong**2) + (weak + strong) * (d + 4.0 * teachers + filters) + 10.0 * block.size
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * held)

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List per seed and world one factor for the teachers; per student one spectrum; sums for the rest."""
        d, weak = float(max(block.values("d"))), float(max(block.values("d_weak")))
        teachers, filters = float(len(block.group(*TEACHER))), float(len(block.group(*FILTERS)))
        repeats = float(len(block.values("seed")) * len(block.group(*WORLD)))
        fit = flops.cholesky(weak) + flops.trsm(weak, 2.0 * teachers) + weak**2 * (d + _ENTRY)
        pieces = [Piece(*_TEACHERS, repeats, repeats * fit, TEACHER[1:], "widths are leading blocks of one factor", weak)]
        for level in block.group(*STUDENT).levels:
            width = float(level["d_strong"] or 0)
            served = (*TEACHER, *FILTERS)
            if width:
                gram = width * (width + 2.0 * weak) * (d + _ENTRY) + flops.gemm(width, width + weak, teachers)
                factor = flops.eigh(width) + flops.gemm(width, width, width) + flops.cholesky(width)
                pieces.append(Piece(*_GRAMS, repeats, repeats * gram, served, "population moments need no sample", width))
                pieces.append(Piece(*_SPECTRUM, repeats, repeats * factor, served, "every filter is a function of it", width))
            else:
                degrees = float(top_degree(min(block.values("d"))))
                work = degrees * (4.0 * weak**2 + flops.gemm(weak, weak, teachers) / 2.0)
                pieces.append(Piece(*_HARMONICS, repeats, repeats * work, FILTERS, "the spectrum is a formula", weak))
            sums = 10.0 * teachers * filters * (width or 48.0)
            pieces.append(Piece(*_SUMS, repeats, repeats * sums, (), "", width or 1.0))
        return pieces

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per seed and world the teachers once, each student's spectrum once, then all filters."""
        groups = [block.group(*names) for names in (("seed",), WORLD, TEACHER, STUDENT, FILTERS)]
        seeds, worlds, teachers, students, filters = groups
        asked = occurring(block, worlds, teachers, students)
        names = ("weak_error", "student_error", "ceiling_error", "misfit", "gain", "teacher_cross", "condition", "projection")
        results = Results(block, groups, (*names, "singular"))
        trained = filters_of(filters.levels)
        for w in np.flatnonzero(asked.any(axis=(1, 2))):
            fitted, here = np.flatnonzero(asked[w].any(axis=1)), world_of(worlds.levels[w], backend)
            for s, seed in enumerate(seeds.values("seed")):
                found = solver.fit_teachers(here, seed, [teachers.levels[t] for t in fitted], backend)
                for k in np.flatnonzero(asked[w].any(axis=0)):
                    student = solver.student_of(here, seed, students.levels[k]["d_strong"], found)
                    results.put((s, w, fitted, k), solver.results(student, found, trained, backend))
        return _completed(block, results.columns())


def _completed(block: Block, columns: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Add closed forms, the loss ratio and the scaled time to what was computed."""
    weak, projection, singular = columns["weak_error"], columns.pop("projection"), columns.pop("singular") > 0
    endless = (block.column("ridge") == 0) | (block.column("time") == np.inf)
    linear, infinite = (block.column(name) == value for name, value in (("model", "linear"), ("student", "infinite")))
    d, tail = block.column("d"), block.column("d") ** -block.column("decay")
    levels = theory.two_level_error(_passed(block, 1.0), _passed(block, tail), weak)
    columns["student_error_theory"] = np.where(linear & infinite, levels, np.where(endless, projection, np.nan))
    columns["lower_bound_theory"] = theory.lower_bound(weak)
    columns["loss_ratio"] = columns["student_error"] / weak
    time = block.column("time")
    columns["time_scaled"] = np.where(linear, 1.0, 0.25 / d**2) * np.where(np.isinf(time), np.nan, time)
    columns["status"] = np.where(singular & endless, 1, 0).astype(np.int8)
    columns["message"] = np.where(np.isnan(weak), np.array(_DEPENDENT, dtype=object), np.array(None))
    columns["solver"] = np.where(infinite, "cholesky", "cholesky+eigh").astype(object)
    return columns


def _passed(block: Block, level: Any) -> npt.NDArray[np.float64]:
    """Compute what a cell's filter lets through at an eigenvalue."""
    ridge, time = block.column("ridge"), block.column("time")
    return np.asarray(np.where(block.column("student_filter") == "ridge", level / (level + ridge), -np.expm1(-time * level)))
