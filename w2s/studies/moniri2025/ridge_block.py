"""Blocks of ridge students of ridge teachers: which designs they have, how they are solved, what they cost.

Two studies are of this kind. They say which fields make the inputs and the target, the teacher's design and the student's, and
how these become a law and weights; everything else is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block, Group
from w2s.contract.study import Cost, Piece
from w2s.sharing.results import Results
from w2s.studies.fields import occurring
from w2s.studies.moniri2025 import ridge_fits as fits
from w2s.studies.moniri2025.ridge_fits import Design, Law
from w2s.theory import moniri2025 as theory
from w2s.theory.moniri2025 import spectra
from w2s_kernels import Backend, flops

__all__ = ["COLUMNS", "FINITE_SIZE", "RidgeKind", "block_cost", "block_pieces", "power_law", "solve_block"]

Matrix = npt.NDArray[np.float64]
Level = Mapping[str, Any]

TEACHERS = ("ridge_weak", "signal", "noise_variance")
COLUMNS: Mapping[str, str] = dict.fromkeys(
    ("weak_error_theory", "student_error_theory", "ceiling_error_theory", "gain_theory", "finite_size_theory"), "double"
)
FINITE_SIZE = 2.0
"""What a closed form may leave out, times d (1 - q) and relative to it, q the larger variance share of the two fits.

Least squares on n rows has the error noise d/(n - d - 1), the limit noise d/(n - d): q/(d (1 - q)) less, with q = d/n. Ridges,
covariances and weights at random deviate by up to 1.4/(d (1 - q)) at d = 24, mostly by less than half of that."""
_NUMBERS = ("weak_error", "student_error", "ceiling_error", "misfit", "gain", "condition", "singular")


@dataclass(frozen=True)
class RidgeKind:
    """A family of designs: the fields that decide them, and what they mean.

    ``law`` makes inputs and target of a level of ``world``; ``weigh`` the weights of the penalty of a level of ``teacher`` or
    ``student`` in so many dimensions. A level of ``student`` with the field ``sample`` at "same" is trained on the teacher's
    rows.
    """

    world: tuple[str, ...]
    teacher: tuple[str, ...]
    student: tuple[str, ...]
    law: Callable[[Level], Law]
    weigh: Callable[[Level, int], Matrix]

    def groups(self, block: Block) -> list[Group]:
        """Group a block's cells: seeds, worlds, teachers' designs, teachers, students' designs, ridges."""
        names = (("seed",), self.world, self.teacher, TEACHERS, self.student, ("ridge",))
        return [block.group(*fields) for fields in names]


def power_law(d: int, decay: float) -> Matrix:
    """Return eigenvalues i^-decay, i = 1 ... d, with mean 1."""
    levels = np.arange(1, d + 1) ** -float(decay)
    return np.asarray(levels / levels.mean() if decay else np.ones(d))


def solve_block(block: Block, kind: RidgeKind, backend: Backend) -> dict[str, npt.NDArray[Any]]:
    """Solve every cell: all seeds at once, each design decomposed once, then all teachers and ridges of it."""
    groups = kind.groups(block)
    seeds, worlds, designs, teachers, students, ridges = groups
    asked = occurring(block, worlds, designs, students)
    results = Results(block, groups, (*_NUMBERS, *COLUMNS))
    for w in np.flatnonzero(asked.any(axis=(1, 2))):
        part = _World(kind, kind.law(worlds.levels[w]), seeds.values("seed"), teachers, ridges.values("ridge"), backend)
        wanted = asked[w]
        labeled = part.designs("labeled", designs, wanted.any(axis=1))
        fresh = wanted.any(axis=0) & np.array([level.get("sample") != "same" for level in students.levels])
        transfer = part.designs("transfer", students, fresh)
        for n, first in labeled.items():
            for k in np.flatnonzero(wanted[n]):
                second = transfer.get(int(k), first)
                results.put((slice(None), w, n, slice(None), k), part.columns(first, second))
    return _completed(block, results.columns())


@dataclass(frozen=True)
class _World:
    """One law, with the teachers and ridges that a block asks for."""

    kind: RidgeKind
    law: Law
    seeds: Sequence[int]
    teachers: Group
    ridges: Sequence[float]
    backend: Backend

    def designs(self, role: str, group: Group, wanted: npt.NDArray[np.bool_]) -> dict[int, Design]:
        """Draw the wanted designs of a role; those with the same weights come from one draw of normals."""
        count = "n_labeled" if role == "labeled" else "n_transfer"
        found: dict[int, Design] = {}
        d = len(self.law.levels)
        weights = {int(k): self.kind.weigh(group.levels[k], d) for k in np.flatnonzero(wanted)}
        for key in dict.fromkeys(values.tobytes() for values in weights.values()):
            places = [k for k, values in weights.items() if values.tobytes() == key]
            counts = sorted({group.levels[k][count] for k in places})
            drawn = fits.draw_designs(role, self.seeds, counts, self.law, weights[places[0]], self.backend)
            found |= {k: drawn[counts.index(group.levels[k][count])] for k in places}
        return dict(sorted(found.items()))

    def columns(self, first: Design, second: Design) -> dict[str, Matrix]:
        """Solve teachers on one design and students on another: columns that broadcast to (S, T, L)."""
        strengths, signal, noise = (np.array(self.teachers.values(name), dtype=np.float64) for name in TEACHERS)
        distinct = sorted(set(strengths.tolist()))
        at, each = [distinct.index(strength) for strength in strengths], np.arange(len(strengths))
        truth = fits.fit_truth(first, self.law, distinct, self.backend)
        labels = truth.labels(at, signal, noise, self.backend.xp)
        found = fits.fit_teacher(second, self.law, labels, signal, self.ridges, self.backend)
        found["weak_error"] = truth.error(signal, noise)[:, at, each][:, :, None]
        ceiling = fits.fit_truth(second, self.law, self.ridges, self.backend).error(signal, noise)
        found["ceiling_error"] = np.swapaxes(ceiling, 1, 2)
        of_teacher = fits.conditions(first, distinct, self.backend)[:, at, None]
        found["condition"] = np.maximum(of_teacher, fits.conditions(second, self.ridges, self.backend)[:, None])
        short = [fits.deficient(design, self.backend) for design in (first, second)]
        unregularised = (strengths == 0)[:, None] & short[0][:, None, None], np.array(self.ridges) == 0
        found["singular"] = (unregularised[0] | (unregularised[1] & short[1][:, None, None])).astype(np.float64)
        return found | self._theory(first, second, strengths, signal, noise)

    def _theory(self, first: Design, second: Design, strengths: Matrix, signal: Matrix, noise: Matrix) -> dict[str, Matrix]:
        """Compute closed forms (T, L) and (1, L); NaN where there is none: one sample for both, inputs not isotropic."""
        levels, d = self.law.levels, len(self.law.levels)
        teacher, student = strengths[:, None], np.array(self.ridges, dtype=np.float64)
        powers = signal[:, None], noise[:, None]
        weights = (self.backend.to_numpy(first.scales) ** 2, self.backend.to_numpy(second.scales) ** 2)
        if first.flat and second.flat:
            ratios = d / first.rows, d / second.rows
            ceiling = theory.ridge(ratios[1], ratios[1], student, student, *powers).teacher
            found = theory.ridge(*ratios, teacher, student, *powers)
            if second is first:
                found = theory.same_sample(ratios[0], teacher, student, *powers)
        else:
            goal, (t, s), n, rows = powers[0][..., None] * self.law.goal**2, weights, first.rows, second.rows
            ceiling = spectra.weighted(levels, goal, s, s, rows, rows, student, student, powers[1]).teacher
            found = spectra.weighted(levels, goal, t, s, n, rows, teacher, student, powers[1])
            if second is first:
                found = theory.Errors(found.teacher, np.full_like(found.student, np.nan))
        shares = (
            spectra.variance_share(levels / weights[0], first.rows, teacher),
            spectra.variance_share(levels / weights[1], second.rows, student),
        )
        return {
            "weak_error_theory": found.teacher,
            "student_error_theory": found.student,
            "ceiling_error_theory": ceiling,
            "gain_theory": found.teacher - found.student,
            "finite_size_theory": FINITE_SIZE / d / (1.0 - np.maximum(*shares)),
        }


def _completed(block: Block, columns: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    columns["status"] = (columns.pop("singular") > 0).astype(np.int8)
    columns["solver"] = np.broadcast_to(np.array("wishart+eigh", dtype=object), block.shape)
    return columns


def block_pieces(block: Block, kind: RidgeKind) -> list[Piece]:
    """List per seed and world one decomposition for each design, and sums for each pair of designs."""
    seeds, worlds, designs, teachers, students, ridges = (float(len(group)) for group in kind.groups(block))
    d, repeats = float(max(block.values("d"))), seeds * worlds
    count = designs + students
    entries = repeats * designs * students * teachers * ridges
    served = (*TEACHERS, "ridge")
    fitted = repeats * (designs * teachers + students * ridges)
    return [
        Piece("designs: Grams drawn at any count", "gemm", repeats, repeats * (d**3 + count * d**2), served, "", d),
        Piece(
            "designs: eigendecompositions",
            "eigh",
            repeats * count,
            repeats * flops.eigh(d, count),
            served,
            "every ridge is a filter of one spectrum, target and noise are its coordinates",
            d,
        ),
        Piece("fits of true labels", "gemm", fitted, flops.gemm(d, d, 2.0 * fitted), (), "", d),
        Piece("students: sums over eigenvectors", "elementwise", entries, entries * _entry(block, kind, d), (), "", d),
    ]


def _entry(block: Block, kind: RidgeKind, d: float) -> float:
    """Count the operations of one student's errors: sums in its eigenbasis, or coefficients where the metric is another."""
    levels = block.group(*kind.world).levels
    flat = all(not level.get("decay") for level in levels) and "ratio" not in kind.student
    return 10.0 * d if flat else 2.0 * d * d + 10.0 * d


def block_cost(block: Block, kind: RidgeKind) -> Cost:
    """Add up the pieces, and count the bytes of all designs of all seeds and of what is fitted on one of them."""
    seeds, _, designs, teachers, students, ridges = (float(len(group)) for group in kind.groups(block))
    d = float(max(block.values("d")))
    held = 4.0 * seeds * (designs + students) * d * d + 8.0 * seeds * (teachers + ridges) * d
    held += 4.0 * teachers * ridges * (seeds + d) + 12.0 * block.size
    return Cost(sum(piece.flops for piece in block_pieces(block, kind)), 8.0 * held)
