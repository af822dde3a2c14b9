"""The arithmetic of the surrogate study: one factor per count of rows and ridge, and labels of all surrogates as its columns.

A fit is linear in its labels, X b + noise e: with P b = fit(X b) and q = fit(e), a student has coefficients P b_s + noise q.
So noise levels cost nothing beyond sums, and students of all surrogates share rows and noise, which pairs them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.probes.smaller_side import fit_smaller_side
from w2s.theory import ildiz2024 as theory
from w2s_kernels import Backend, normals, stream, uniforms
from w2s_kernels.backend import Array

__all__ = ["NUMBERS", "SAMPLE", "TEACHER", "WORLD", "Draws", "Law", "World", "results"]

Matrix = npt.NDArray[np.float64]
Level = Mapping[str, Any]

WORLD = ("d", "decay", "signal_decay")
SAMPLE = ("n_transfer", "ridge")
TEACHER = ("surrogate", "keep", "n_labeled")
NUMBERS = (
    *("weak_error", "student_error", "ceiling_error", "misfit", "condition"),
    *("student_error_theory", "ceiling_error_theory", "omega_theory", "kept_theory"),
)
_NAME = "ildiz2024"


@dataclass(frozen=True)
class World:
    """Spectrum ``lam`` (d,) and sizes of the target's coefficients (d,); signs come with a seed."""

    lam: Matrix
    sizes: Matrix

    @classmethod
    def of(cls, level: Level) -> World:
        """Make the spectrum and the target of a cell."""
        index = np.arange(1.0, level["d"] + 1.0)
        return cls(index ** -level["decay"], index ** -level["signal_decay"])


@dataclass(frozen=True)
class Draws:
    """What a seed draws: the target's coefficients (d,), rows of the student (n, d), noise (n, 1); longer ones begin alike."""

    world: World
    seed: int
    target: Matrix
    rows: Array
    noise: Array

    @classmethod
    def of(cls, world: World, seed: int, count: int, backend: Backend) -> Draws:
        """Draw signs, rows and noise."""
        d = len(world.lam)
        signs = backend.to_numpy(uniforms(stream(_NAME, "signs", seed=seed), 1, d, backend))[0]
        target = world.sizes * np.where(signs < 0.5, -1.0, 1.0)
        rows = normals(stream(_NAME, "student", "rows", seed=seed), count, d, backend) * backend.asarray(np.sqrt(world.lam))
        noise = normals(stream(_NAME, "student", "noise", seed=seed), count, 1, backend)
        return cls(world, seed, target, rows, noise)


@dataclass(frozen=True)
class Law:
    """What a spectrum, a count of rows and a ridge decide: z (d,), Om, and the best surrogates as multiples of the target."""

    n: int
    ridge: float
    lost: Matrix
    omega: float
    optimal: Matrix
    mask: Matrix

    @classmethod
    def of(cls, world: World, sample: Level) -> Law:
        """Solve the fixed point for a spectrum and a count of rows."""
        lam, n, ridge = world.lam, sample["n_transfer"], float(sample["ridge"])
        optimal, mask = theory.optimal_surrogate(lam, np.ones_like(lam), n, ridge), theory.best_mask(lam, n, ridge)
        return cls(n, ridge, theory.shrinkage(lam, n, ridge), float(theory.variance_factor(lam, n, ridge)), optimal, mask)

    def risk(self, drawn: Draws, surrogates: Matrix, variances: Matrix) -> Matrix:
        """Compute the deterministic equivalent of the risks of students of surrogates (..., d), noise variances (...)."""
        return theory.risk_at(drawn.world.lam, drawn.target, surrogates, self.lost, self.omega, variances)


def results(drawn: Draws, law: Law, teachers: Sequence[Level], noises: Matrix, backend: Backend) -> dict[str, npt.NDArray[Any]]:
    """Compute the columns of L noise levels and T teachers for one count of rows and ridge; each broadcasts to (L, T)."""
    lam, target, n = drawn.world.lam, drawn.target, law.n
    fixed, by_noise = _coefficients(drawn, law, teachers, backend)
    labels = np.column_stack([fixed, by_noise, target])
    fitted, per_noise, found = _fit(drawn.rows[:n], drawn.noise[:n], labels, law.ridge, backend)
    count, noise = len(teachers), noises[:, None, None]
    surrogates = fixed.T + noise * by_noise.T  # (L, T, d)
    students = fitted[:, :count].T + noise * (fitted[:, count:-1].T + per_noise)
    ceilings = fitted[:, -1] + noise[:, 0] * per_noise  # (L, d)
    variances = noises[:, None] ** 2
    return {
        "weak_error": ((surrogates - target) ** 2) @ lam,
        "student_error": ((students - target) ** 2) @ lam,
        "ceiling_error": (((ceilings - target) ** 2) @ lam)[:, None],
        "misfit": ((students - surrogates) ** 2) @ lam,
        "condition": np.array(found),
        "student_error_theory": law.risk(drawn, surrogates, variances),
        "ceiling_error_theory": law.risk(drawn, target, variances),
        "omega_theory": np.array(law.omega),
        "kept_theory": np.array(law.mask.sum()),
    }


def _coefficients(drawn: Draws, law: Law, teachers: Sequence[Level], backend: Backend) -> tuple[Matrix, Matrix]:
    """Compute the surrogates' coefficients, and what one unit of noise adds to them: two (d, T)."""
    target = drawn.target
    fixed, by_noise = np.zeros((len(target), len(teachers))), np.zeros((len(target), len(teachers)))
    for t, level in enumerate(teachers):
        kind, keep = level["surrogate"], level["keep"]
        if kind == "learned":
            fixed[:keep, t], by_noise[:keep, t] = _learned(drawn, keep, level["n_labeled"], backend)
        elif kind == "first":
            fixed[:keep, t] = target[:keep]
        else:
            fixed[:, t] = target * {"optimal": law.optimal, "mask": law.mask}.get(kind, 1.0)
    return fixed, by_noise


def _learned(drawn: Draws, keep: int, n: int, backend: Backend) -> tuple[Matrix, Matrix]:
    """Fit the first ``keep`` features to the target's labels on rows of the teacher's own: two (keep,)."""
    d, seed = len(drawn.target), drawn.seed
    rows = normals(stream(_NAME, "teacher", "rows", seed=seed), n, d, backend) * backend.asarray(np.sqrt(drawn.world.lam))
    noise = normals(stream(_NAME, "teacher", "noise", seed=seed), n, 1, backend)
    labels = rows @ backend.asarray(drawn.target)[:, None]
    values = backend.xp.concatenate([labels, noise], axis=1)
    fitted = backend.to_numpy(fit_smaller_side(rows[:, :keep], values, 0.0, backend)[0])
    return fitted[:, 0], fitted[:, 1]


def _fit(rows: Array, noise: Array, labels: Matrix, ridge: float, backend: Backend) -> tuple[Matrix, Matrix, float]:
    """Fit the labels of coefficients (d, k), and unit noise: coefficients (d, k), (d,), and the condition of the system."""
    values = backend.xp.concatenate([rows @ backend.asarray(labels), noise], axis=1)
    coefficients, found = fit_smaller_side(rows, values, ridge, backend)
    fitted = backend.to_numpy(coefficients)
    return fitted[:, :-1], fitted[:, -1], found
