"""Students of the regression study: strong features on one sample, fitted to the labels of many teachers under many filters.

Two ways to the same errors. With the spectrum of the Gram a filter is a sum over d_strong numbers, and no coefficients are
formed; with a Cholesky factor for each ridge strength nothing expensive is computed first. :mod:`w2s.probes.solver_choice` says
which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from w2s.probes.probe import MomentProbe
from w2s_kernels import Backend, Filters, filtered_products, joint_risk, nested
from w2s_kernels.cholesky import condition_estimate, solve_factor
from w2s_kernels.refine import RefinedFactor

__all__ = ["FactorStudent", "MixedStudent", "SpectralStudent", "Student", "quadratic"]

Matrix = npt.NDArray[np.float64]
NAMES = ("student_error", "misfit", "gain")


class Student(ABC):
    """Strong features on one sample: second moments (seeds, D, D) of z, and errors of what is fitted to labels v'z."""

    solver: str

    def __init__(self, second: Matrix, d_strong: int, backend: Backend) -> None:
        self.second, self.d_strong, self.backend = second, d_strong, backend
        self.steps = np.zeros((len(second), 1))
        """Refinements of the latest fits, broadcasting to (seeds, L): zero in float64, nan where they did not converge."""

    @abstractmethod
    def condition(self, filters: Filters) -> Matrix:
        """Condition number of the system that each filter solves: (seeds, L)."""

    @abstractmethod
    def errors(self, filters: Filters, labels: Matrix, goals: Matrix, second: Matrix | None) -> dict[str, Matrix]:
        """Errors of the students of T labels against T goals: ``student_error``, ``misfit``, ``gain``, each (seeds, T, L).

        ``labels`` (seeds, T, D) and ``goals`` (T, D) are vectors over z; ``second`` (seeds, D, D) holds the moments of the
        inputs that errors are measured on, None for the population.
        """

    def _fresh_errors(self, sums: Matrix, labels: Matrix, goals: Matrix) -> dict[str, Matrix]:
        """Add to the sums (3, seeds, T, L) over the strong part what labels and goals have beyond it."""
        beyond_goal, beyond_label = goals[..., self.d_strong :], labels[..., self.d_strong :]
        misfit = sums[1] + np.sum(beyond_label**2, axis=-1)[..., None]
        cross = sums[2] - np.sum(beyond_label * beyond_goal, axis=-1)[..., None]
        student_error = sums[0] + np.sum(beyond_goal**2, axis=-1)[..., None]
        return {"student_error": student_error, "misfit": misfit, "gain": misfit + 2.0 * cross}

    def _over_z(self, theta: Matrix) -> Matrix:
        """Coefficients (seeds, T, d_strong) as vectors over z (seeds, T, D)."""
        return np.pad(theta, ((0, 0), (0, 0), (0, self.second.shape[-1] - self.d_strong)))


class SpectralStudent(Student):
    """The eigendecomposition V S V' of the Gram and its product with all moments: any filter."""

    solver = "eigh"

    def __init__(self, second: Matrix, d_strong: int, backend: Backend) -> None:
        super().__init__(second, d_strong, backend)
        self.probe = MomentProbe(np.ascontiguousarray(second[:, :d_strong, :d_strong]), backend)
        self.basis = backend.to_numpy(self.probe.spectrum.vectors)
        image = np.ascontiguousarray(np.swapaxes(self.basis, -1, -2)) @ np.ascontiguousarray(second[:, :d_strong, :])
        # What rounding leaves in directions that the rows do not span would become coefficients of size eps/lambda.
        spanned = np.arange(d_strong) < backend.to_numpy(self.probe.spectrum.rank)[:, None]
        self.image = np.where(spanned[..., None], image, 0.0)

    def condition(self, filters: Filters) -> Matrix:
        """As :class:`Student`; exact."""
        return self.probe.condition(filters)

    def fit(self, filters: Filters, labels: Matrix) -> Matrix:
        """Fits of one filter, or one for each label, as vectors over z: labels (seeds, T, D) to (seeds, T, D)."""
        return self._vectors(self.probe.responses(filters) * self._coordinates(labels))

    def errors(self, filters: Filters, labels: Matrix, goals: Matrix, second: Matrix | None) -> dict[str, Matrix]:
        """As :class:`Student`: sums in the eigenbasis, or quadratic forms of explicit differences."""
        response, coords = self.probe.responses(filters), self._coordinates(labels)
        if second is None:
            wide = np.broadcast_to(goals, labels.shape)
            sums = filtered_products(response, coords, self._rotate(wide), self._rotate(labels), self.backend)
            return self._fresh_errors(sums, labels, wide)
        errors = {name: np.empty((*labels.shape[:2], len(filters))) for name in NAMES}
        for t in range(labels.shape[1]):
            fitted = self._vectors(response * coords[:, t, None, :])
            for name, values in _sample_errors(fitted, labels[:, t, None, :], goals[t], second).items():
                errors[name][:, t] = values
        return errors

    def _coordinates(self, vectors: Matrix) -> Matrix:
        """V'E[s z']v, the coordinates of a fit to labels v'z: (seeds, T, D) to (seeds, T, d_strong)."""
        return np.asarray(np.ascontiguousarray(vectors) @ np.swapaxes(self.image, -1, -2))

    def _rotate(self, vectors: Matrix) -> Matrix:
        """V' of the strong part of vectors over z: (seeds, T, D) to (seeds, T, d_strong)."""
        return np.asarray(np.ascontiguousarray(vectors[..., : self.d_strong]) @ self.basis)

    def _vectors(self, coords: Matrix) -> Matrix:
        """Coefficients from coordinates, as vectors over z: (seeds, T, d_strong) to (seeds, T, D)."""
        return self._over_z(coords @ np.swapaxes(self.basis, -1, -2))


class FactorStudent(Student):
    """A Cholesky factor of the Gram for each of a few ridge strengths, in the order of the filters that are asked for."""

    solver = "cholesky"

    def __init__(self, second: Matrix, d_strong: int, filters: Filters, backend: Backend) -> None:
        super().__init__(second, d_strong, backend)
        self.rows = np.ascontiguousarray(second[:, :d_strong, :])
        self._factor(np.ascontiguousarray(second[:, :d_strong, :d_strong]), filters)

    def _factor(self, gram: Matrix, filters: Filters) -> None:
        made = [nested.cholesky_gram(gram, strength, self.backend) for strength in filters.value]
        self.gram, self.factors = gram, [factor for factor, _ in made]
        self.complete = not any(self.backend.to_numpy(info).any() for _, info in made)

    def _solve(self, at: int, rhs: Matrix) -> Matrix:
        """Coefficients (seeds, d_strong, T) of filter ``at`` for right-hand sides of that shape."""
        return self.backend.to_numpy(solve_factor(self.factors[at], self.backend.asarray(rhs), self.backend))

    def condition(self, filters: Filters) -> Matrix:
        """As :class:`Student`, estimated from the factors."""
        parts = zip(filters.value, self.factors, strict=True)
        found = [condition_estimate(self.gram, factor, strength, self.backend) for strength, factor in parts]
        return np.stack([self.backend.to_numpy(part) for part in found], axis=-1)

    def errors(self, filters: Filters, labels: Matrix, goals: Matrix, second: Matrix | None) -> dict[str, Matrix]:
        """As :class:`Student`, from explicit coefficients, one filter at a time."""
        labels, wide = np.ascontiguousarray(labels), np.broadcast_to(goals, labels.shape)
        rhs = np.swapaxes(labels @ np.swapaxes(self.rows, -1, -2), -1, -2)
        errors = {name: np.empty((*labels.shape[:2], len(filters))) for name in NAMES}
        one = np.ones((len(labels), 1, self.d_strong))
        for at in range(len(filters)):
            theta = np.ascontiguousarray(np.swapaxes(self._solve(at, rhs), -1, -2))
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

    def _factor(self, gram: Matrix, filters: Filters) -> None:
        self.refined = [RefinedFactor(gram, strength, self.backend) for strength in filters.value]
        self.steps = np.zeros((len(gram), len(filters)))

    def _solve(self, at: int, rhs: Matrix) -> Matrix:
        found = self.refined[at].solve(self.backend.asarray(rhs))
        solution, steps, converged = (self.backend.to_numpy(part) for part in found)
        self.steps[:, at] = np.where(converged, steps, np.nan)
        return solution

    def condition(self, filters: Filters) -> Matrix:  # noqa: ARG002
        """As :class:`Student`, estimated from the float32 factors."""
        found = [self.backend.to_numpy(factor.condition([self.d_strong])) for factor in self.refined]
        return np.concatenate(found, axis=-1)


def _sample_errors(fitted: Matrix, labels: Matrix, goals: Matrix, second: Matrix) -> dict[str, Matrix]:
    """Quadratic forms (seeds, T) of explicit differences of vectors over z (seeds, T, D)."""
    to_goal, to_label = fitted - goals, labels - fitted
    misfit = quadratic(to_label, second)
    gain = misfit + 2.0 * np.sum((to_label @ second) * to_goal, axis=-1)
    return {"student_error": quadratic(to_goal, second), "misfit": misfit, "gain": gain}


def quadratic(difference: Matrix, second: Matrix | None) -> Matrix:
    """E (v'z)^2 for vectors (seeds, T, D): (seeds, T). The population's second moment of z is the identity."""
    if second is None:
        return np.asarray(np.sum(difference * difference, axis=-1))
    return np.asarray(joint_risk(np.ascontiguousarray(difference)[..., None], second)[..., 0])
