"""Students of the regression study: strong features on one sample, fitted to the labels of many teachers under many filters.

Two ways to the same errors. With the spectrum of the Gram a filter is a sum over d_strong numbers, and no coefficients are
formed; with a Cholesky factor for each ridge strength nothing expensive is computed first. :mod:`w2s.probes.solver_choice`
says which. Arrays of a student live where its backend computes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from w2s.probes.moments import MomentProbe
from w2s_kernels import Backend, Filters, filter_products, filtered_products, joint_risk, nested
from w2s_kernels.backend import Array, namespace
from w2s_kernels.cholesky import condition_estimate, solve_factor
from w2s_kernels.items import matmul
from w2s_kernels.refine import RefinedFactor

__all__ = ["FactorStudent", "MixedStudent", "SpectralStudent", "Student", "quadratic"]

NAMES = ("student_error", "misfit", "gain")


class Student(ABC):
    """Strong features on one sample: second moments (seeds, D, D) of z, and errors of what is fitted to labels v'z."""

    solver: str

    def __init__(self, second: Array, d_strong: int, backend: Backend) -> None:
        self.second, self.d_strong, self.backend, self.xp = second, d_strong, backend, backend.xp
        self.steps = np.zeros((len(second), 1))
        """Refinements of the latest fits, broadcasting to (seeds, L), on the host: zero in float64, nan without convergence."""

    @abstractmethod
    def condition(self, filters: Filters) -> Array:
        """Compute the condition number of the system that each filter solves: (seeds, L)."""

    @abstractmethod
    def errors(self, filters: Filters, labels: Array, goals: Array, second: Array | None) -> dict[str, Array]:
        """Compute errors of students of T labels against T goals: ``student_error``, ``misfit``, ``gain``, each (seeds, T, L).

        ``labels`` (seeds, T, D) and ``goals`` (T, D) are vectors over z; ``second`` (seeds, D, D) holds the moments of the
        inputs that errors are measured on, None for the population.
        """

    def _fresh_errors(self, sums: Array, labels: Array, goals: Array) -> dict[str, Array]:
        """Add to the sums (3, seeds, T, L) over the strong part what labels and goals have beyond it."""
        beyond_goal, beyond_label = goals[..., self.d_strong :], labels[..., self.d_strong :]
        misfit = sums[1] + self.xp.sum(beyond_label**2, axis=-1)[..., None]
        cross = sums[2] - self.xp.sum(beyond_label * beyond_goal, axis=-1)[..., None]
        student_error = sums[0] + self.xp.sum(beyond_goal**2, axis=-1)[..., None]
        return {"student_error": student_error, "misfit": misfit, "gain": misfit + 2.0 * cross}

    def _over_z(self, theta: Array) -> Array:
        """Write coefficients (seeds, T, d_strong) as vectors over z (seeds, T, D)."""
        return self.xp.pad(theta, ((0, 0), (0, 0), (0, self.second.shape[-1] - self.d_strong)))


class SpectralStudent(Student):
    """The eigendecomposition V S V' of the Gram and its product with all moments: any filter."""

    solver = "eigh"

    def __init__(self, second: Array, d_strong: int, backend: Backend, probe: MomentProbe | None = None) -> None:
        super().__init__(second, d_strong, backend)
        xp, rows = backend.xp, backend.xp.ascontiguousarray(second[:, :d_strong, :])
        self.probe = probe or MomentProbe(xp.ascontiguousarray(second[:, :d_strong, :d_strong]), backend)
        self.basis = self.probe.spectrum.vectors
        image = matmul(xp.ascontiguousarray(xp.swapaxes(self.basis, -1, -2)), rows, xp)
        # What rounding leaves in directions that the rows do not span would become coefficients of size eps/lambda.
        spanned = xp.arange(d_strong) < self.probe.spectrum.rank[:, None]
        self.image = xp.where(spanned[..., None], image, 0.0)

    def condition(self, filters: Filters) -> Array:
        """Compute as :class:`Student`; exact."""
        return self.probe.condition(filters)

    def fit(self, filters: Filters, labels: Array) -> Array:
        """Compute the fits of one filter, or one for each label, as vectors over z: labels (seeds, T, D) to (seeds, T, D)."""
        return self._vectors(self.probe.responses(filters) * self._coordinates(labels))

    def errors(self, filters: Filters, labels: Array, goals: Array, second: Array | None) -> dict[str, Array]:
        """Compute as :class:`Student`, by sums in the eigenbasis, or by quadratic forms of explicit differences."""
        coords = self._coordinates(labels)
        if second is None:
            wide = self.xp.broadcast_to(goals, labels.shape)
            rotated = self._rotate(wide), self._rotate(labels)
            sums = filter_products(self.probe.spectrum, filters, coords, *rotated, self.backend)
            return self._fresh_errors(sums, labels, wide)
        response = self.probe.responses(filters)
        errors = {name: self.xp.empty((*labels.shape[:2], len(filters))) for name in NAMES}
        for t in range(labels.shape[1]):
            fitted = self._vectors(response * coords[:, t, None, :])
            for name, values in _sample_errors(fitted, labels[:, t, None, :], goals[t], second).items():
                errors[name][:, t] = values
        return errors

    def _coordinates(self, vectors: Array) -> Array:
        """Compute V'E[s z']v, the coordinates of a fit to labels v'z: (seeds, T, D) to (seeds, T, d_strong)."""
        return matmul(self.xp.ascontiguousarray(vectors), self.xp.swapaxes(self.image, -1, -2), self.xp)

    def _rotate(self, vectors: Array) -> Array:
        """Multiply the strong part of vectors over z by V': (seeds, T, D) to (seeds, T, d_strong)."""
        return matmul(self.xp.ascontiguousarray(vectors[..., : self.d_strong]), self.basis, self.xp)

    def _vectors(self, coords: Array) -> Array:
        """Turn coordinates into coefficients, as vectors over z: (seeds, T, d_strong) to (seeds, T, D)."""
        return self._over_z(matmul(coords, self.xp.swapaxes(self.basis, -1, -2), self.xp))


class FactorStudent(Student):
    """A Cholesky factor of the Gram for each of a few ridge strengths, in the order of the filters that are asked for."""

    solver = "cholesky"

    def __init__(self, second: Array, d_strong: int, filters: Filters, backend: Backend, made: Sequence[Any] = ()) -> None:
        super().__init__(second, d_strong, backend)
        self.rows, self._made = self.xp.ascontiguousarray(second[:, :d_strong, :]), made
        self._factor(self.xp.ascontiguousarray(second[:, :d_strong, :d_strong]), filters)

    def _factor(self, gram: Array, filters: Filters) -> None:
        made = self._made or [nested.cholesky_gram(gram, strength, self.backend) for strength in filters.value]
        self.gram, self.factors = gram, [factor for factor, _ in made]
        self.complete = not any(info.any() for _, info in made)

    def _solve(self, at: int, rhs: Array) -> Array:
        """Solve for coefficients (seeds, d_strong, T) of filter ``at``, for right-hand sides of that shape."""
        return solve_factor(self.factors[at], rhs, self.backend)

    def condition(self, filters: Filters) -> Array:
        """Estimate as :class:`Student`, from the factors."""
        parts = zip(filters.value, self.factors, strict=True)
        found = [condition_estimate(self.gram, factor, strength, self.backend) for strength, factor in parts]
        return self.xp.stack(found, axis=-1)

    def errors(self, filters: Filters, labels: Array, goals: Array, second: Array | None) -> dict[str, Array]:
        """Compute as :class:`Student`, from explicit coefficients, one filter at a time."""
        xp = self.xp
        labels, wide = xp.ascontiguousarray(labels), xp.broadcast_to(goals, labels.shape)
        rhs = xp.swapaxes(matmul(labels, xp.swapaxes(self.rows, -1, -2), xp), -1, -2)
        errors = {name: xp.empty((*labels.shape[:2], len(filters))) for name in NAMES}
        one = xp.ones((len(labels), 1, self.d_strong))
        for at in range(len(filters)):
            theta = xp.ascontiguousarray(xp.swapaxes(self._solve(at, rhs), -1, -2))
            if second is None:
                strong = (wide[..., : self.d_strong], labels[..., : self.d_strong])
                sums = filtered_products(one, theta, *strong, self.backend)
                part = {name: values[..., 0] for name, values in self._fresh_errors(sums, labels, wide).items()}
            else:
                part = _sample_errors(self._over_z(theta), labels, wide, second)
            for name, values in part.items():
                errors[name][..., at] = values
        return errors


class MixedStudent(FactorStudent):
    """The same with refined float32 factors."""

    def _factor(self, gram: Array, filters: Filters) -> None:
        self.refined = self._made or [RefinedFactor(gram, strength, self.backend) for strength in filters.value]
        self.steps = np.zeros((len(gram), len(filters)))

    def _solve(self, at: int, rhs: Array) -> Array:
        found = self.refined[at].solve(rhs)
        self.steps[:, at] = np.where(found.converged, found.steps, np.nan)
        return found.solution

    def condition(self, filters: Filters) -> Array:  # noqa: ARG002
        """Estimate as :class:`Student`, from the float32 factors."""
        return self.xp.concatenate([factor.condition([self.d_strong]) for factor in self.refined], axis=-1)


def _sample_errors(fitted: Array, labels: Array, goals: Array, second: Array) -> dict[str, Array]:
    """Compute quadratic forms (seeds, T) of explicit differences of vectors over z (seeds, T, D)."""
    xp, to_goal, to_label = namespace(fitted), fitted - goals, labels - fitted
    misfit = quadratic(to_label, second)
    gain = misfit + 2.0 * xp.sum(matmul(to_label, second, xp) * to_goal, axis=-1)
    return {"student_error": quadratic(to_goal, second), "misfit": misfit, "gain": gain}


def quadratic(difference: Array, second: Array | None) -> Array:
    """Compute E (v'z)^2 for vectors (seeds, T, D): (seeds, T). The population's second moment of z is the identity."""
    xp = namespace(difference)
    if second is None:
        return xp.sum(difference * difference, axis=-1)
    return joint_risk(xp.ascontiguousarray(difference)[..., None], second)[..., 0]
