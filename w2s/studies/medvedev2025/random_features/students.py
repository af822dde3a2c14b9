"""Teachers and students of random features in closed form: worlds that know their population moments.

A student is a list of orthonormal functions psi_i with eigenvalues s_i of its kernel, whatever they are: eigenvectors of a Gram
or spherical harmonics, or the two levels of the linear network's spectrum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from w2s.laws import relu_features as law
from w2s.laws.relu_spectrum import gegenbauer, multiplicity, relu_coefficient, relu_eigenvalue
from w2s_kernels import Backend, Spectrum, factor_gram, nested
from w2s_kernels.arccos import arccos_gram, linear_gram
from w2s_kernels.backend import Array

__all__ = [
    "LinearWorld",
    "ReluWorld",
    "Student",
    "Teachers",
    "World",
    "from_gram",
    "known_spectrum",
    "least_squares",
    "top_degree",
    "world_of",
]

Matrix = npt.NDArray[np.float64]


class World(Protocol):
    """A model with its inputs and its law of bottom weights."""

    def rows(self, role: str, seed: int, count: int) -> Array:
        """Draw bottom weights (count, d) of a role."""

    def gram(self, u: Array, v: Array | None = None) -> Array:
        """Compute moments E phi_u phi_v of features."""

    def moments(self, u: Array, target: Mapping[int, float]) -> Array:
        """Compute moments E f* phi_u, (m,)."""

    def infinite(self, teachers: Teachers) -> Student:
        """Make the student with infinitely many features."""

    def finite(self, seed: int, d_strong: int, teachers: Teachers) -> Student:
        """Make the student with ``d_strong`` features of its own draw."""


@dataclass(frozen=True)
class Teachers:
    """T teachers at their population optimum: ``weights`` (M, T) over bottom weights ``units`` (M, d), zero beyond their width.

    ``power`` E f_w^2, ``cross`` E f_w f*, ``condition`` of their Gram: (T,), NumPy. ``targets`` are coefficients per degree.
    """

    units: Array
    weights: Array
    targets: Sequence[Mapping[int, float]]
    power: Matrix
    cross: Matrix
    condition: Matrix

    @property
    def error(self) -> Matrix:
        """E (f_w - f*)^2, (T,), of the weights as they are."""
        return 1.0 - 2.0 * self.cross + self.power


@dataclass(frozen=True)
class Student:
    """Teachers and targets in a student's orthonormal functions.

    ``labels``, ``goals`` : (T, r) coordinates of teachers and targets. ``beyond`` : (3, T) what these leave out of E f_w^2,
    E f_w f* and E f*^2. ``projection`` : (T,) error of the teacher's projection on the features, by normal equations.
    ``given`` : the spectrum is known by formula, nothing was factored.
    """

    spectrum: Spectrum
    labels: Array
    goals: Array
    beyond: Matrix
    projection: Matrix
    given: bool = False

    @property
    def singular(self) -> bool:
        """Whether features are linearly dependent to rounding: without regularisation the fit is the minimum-norm one."""
        return not self.given and int(self.spectrum.rank) < self.spectrum.values.shape[-1]


def world_of(level: Mapping[str, Any], backend: Backend) -> World:
    """Make the world of a cell's ``model``, ``d`` and ``decay``."""
    if level["model"] == "relu":
        return ReluWorld(level["d"], backend)
    return LinearWorld(level["d"], float(level["d"]) ** -float(level["decay"]), backend)


def top_degree(d: int) -> int:
    """Return the degree up to which an infinite ReLU student is resolved; the rest learns at the pace of the next degree.

    Beyond it lies less than 1e-3 of a feature's power, 2e-5 below d = 10, and nothing of that is learnt before time 1e9 in
    d >= 3 (1e15 in d = 16).
    """
    return max(24, 2 * (200 // d))


@dataclass(frozen=True)
class ReluWorld:
    """ReLU features of inputs uniform on the unit sphere of R^d, bottom weights uniform on it too."""

    d: int
    backend: Backend

    def rows(self, role: str, seed: int, count: int) -> Array:
        """Draw unit bottom weights (count, d)."""
        return law.unit_rows(role, seed, count, self.d, self.backend)

    def gram(self, u: Array, v: Array | None = None) -> Array:
        """Compute the arc-cosine Gram."""
        return arccos_gram(u, v, backend=self.backend)

    def moments(self, u: Array, target: Mapping[int, float]) -> Array:
        """Compute moments with the target, by Funk and Hecke."""
        return law.relu_moments(u, target)

    def infinite(self, teachers: Teachers) -> Student:
        """Make the student with infinitely many features: two coordinates for each degree.

        They are the one along the zonal harmonic around the target's axis, and the length of the rest.
        """
        xp, d = self.backend.xp, self.d
        along, rest, values, top = [], [], [], top_degree(d)
        cosines = xp.clip(teachers.units @ teachers.units.T, -1.0, 1.0)
        pairs = zip(gegenbauer(cosines, d, top), gegenbauer(teachers.units[:, 0], d, top), strict=True)
        left = xp.asarray(teachers.power)
        for (degree, kernel), (_, axis) in pairs:
            c, count = relu_coefficient(d, degree), multiplicity(d, degree)
            if c == 0.0:
                continue
            energy = c * c * count * xp.sum(teachers.weights * (kernel @ teachers.weights), axis=0)
            along.append(math.sqrt(count) * c * (axis @ teachers.weights))
            rest.append(xp.sqrt(xp.maximum(energy - along[-1] ** 2, 0.0)))
            values.append(c * c)
            left = left - energy
        last = xp.sqrt(xp.maximum(left, 0.0))
        labels = xp.stack([*(part for two in zip(along, rest, strict=True) for part in two), last], axis=1)
        spectrum = [value for value in values for _ in range(2)] + [relu_eigenvalue(d, top + 2)]
        places = {0: 0, 1: 2} | {degree: degree + 2 for degree in range(2, top + 1, 2)}
        return self._resolved(teachers, spectrum, labels, places)

    def _resolved(self, teachers: Teachers, values: list[float], labels: Array, places: Mapping[int, int]) -> Student:
        goals = np.zeros(labels.shape)
        for row, target in zip(goals, teachers.targets, strict=True):
            for degree, weight in target.items():
                row[places[degree]] = weight
        goal = self.backend.asarray(goals)
        return Student(
            known_spectrum(values, self.backend), labels, goal, np.zeros((3, len(goals))), teachers.error, given=True
        )

    def finite(self, seed: int, d_strong: int, teachers: Teachers) -> Student:
        """Find the eigenfunctions of the student's Gram."""
        return from_gram(self, self.rows("student", seed, d_strong), teachers, self.backend)


@dataclass(frozen=True)
class LinearWorld:
    """Linear features of inputs N(0, I_d), bottom weights N(0, diag(1, tail, ..., tail)), target on the first axis."""

    d: int
    tail: float
    backend: Backend

    def rows(self, role: str, seed: int, count: int) -> Array:
        """Draw bottom weights (count, d) before they are scaled: standard normal."""
        return law.gaussian_rows(role, seed, count, self.d, self.backend)

    @property
    def scales(self) -> Array:
        """Variances of the bottom weights, (d,)."""
        xp = self.backend.xp
        return xp.where(xp.arange(self.d) == 0, 1.0, self.tail)

    def gram(self, u: Array, v: Array | None = None) -> Array:
        """Compute inner products of the scaled weights."""
        return linear_gram(u, v, scales=self.scales, backend=self.backend)

    def moments(self, u: Array, target: Mapping[int, float]) -> Array:  # noqa: ARG002
        """Return first coordinates, whose scale is 1."""
        return u[:, 0]

    def infinite(self, teachers: Teachers) -> Student:
        """Make the student with infinitely many features: two coordinates.

        They are the first axis, and the length of what a teacher has beside it.
        """
        xp, vectors = self.backend.xp, self._vectors(teachers)
        labels = xp.stack([vectors[:, 0], xp.sqrt(xp.sum(vectors[:, 1:] ** 2, axis=1))], axis=1)
        goals = xp.asarray(np.tile([1.0, 0.0], (len(labels), 1)))
        spectrum = known_spectrum([1.0, self.tail], self.backend)
        return Student(spectrum, labels, goals, np.zeros((3, len(labels))), teachers.error, given=True)

    def _vectors(self, teachers: Teachers) -> Array:
        """Return the teachers as vectors over the inputs, (T, d)."""
        return (teachers.weights.T @ teachers.units) * self.backend.xp.sqrt(self.scales)

    def finite(self, seed: int, d_strong: int, teachers: Teachers) -> Student:
        """Find the eigenfunctions of the student's Gram, or of its second moment where features span all inputs."""
        rows = self.rows("student", seed, d_strong)
        if d_strong < self.d:
            return from_gram(self, rows, teachers, self.backend)
        rows = rows * self.backend.xp.sqrt(self.scales)
        spectrum = factor_gram(rows.T @ rows / d_strong, self.backend)
        labels = self._vectors(teachers) @ spectrum.vectors
        goals = self.backend.xp.ascontiguousarray(self.backend.xp.broadcast_to(spectrum.vectors[0], labels.shape))
        return Student(spectrum, labels, goals, np.zeros((3, len(labels))), teachers.error)


def least_squares(gram: Array, moments: Array, widths: list[int], backend: Backend) -> tuple[Array, Array, Array]:
    """Fit the leading features at every width: coefficients (W, M, k), the power (W, k) of their fits, and the factor."""
    factor, _ = nested.cholesky_gram(gram, 0.0, backend)
    theta = nested.coefficients(factor, nested.forward(factor, moments, backend), widths, backend)
    return theta, nested.quadratics(theta, widths, gram), factor


def known_spectrum(values: list[float], backend: Backend) -> Spectrum:
    """Make a spectrum given by formula, all of it significant."""
    xp, none = backend.xp, backend.xp.asarray(0)
    s = xp.asarray(values)
    return Spectrum(s, xp.eye(len(values)), xp.asarray(len(values)), xp.asarray(0.0), none, "gram", none > 0)


def from_gram(world: World, rows: Array, teachers: Teachers, backend: Backend) -> Student:
    """Find eigenfunctions psi_i = sum_j V_ji phi_j / sqrt(s_i) of features phi_j = relu(u_j'x)/sqrt(M), without rounding."""
    xp, width = backend.xp, len(rows)
    root = math.sqrt(width)
    gram = world.gram(rows) / width
    cross = world.gram(rows, teachers.units) @ teachers.weights / root
    moments = xp.stack([world.moments(rows, target) for target in teachers.targets], axis=1) / root
    spectrum = factor_gram(gram, backend)
    kept = spectrum.values > spectrum.cutoff
    scale = xp.where(kept, 1.0 / xp.sqrt(xp.where(kept, spectrum.values, 1.0)), 0.0)
    labels, goals = (xp.ascontiguousarray((spectrum.project(part) * scale[:, None]).T) for part in (cross, moments))
    beyond = np.stack(
        [
            np.maximum(teachers.power - backend.to_numpy(xp.sum(labels * labels, axis=1)), 0.0),
            teachers.cross - backend.to_numpy(xp.sum(labels * goals, axis=1)),
            np.maximum(1.0 - backend.to_numpy(xp.sum(goals * goals, axis=1)), 0.0),
        ]
    )
    theta, power, _ = least_squares(gram, cross, [width], backend)
    projection = 1.0 - 2.0 * xp.sum(theta[0] * moments, axis=0) + power[0]
    return Student(spectrum, labels, goals, beyond, backend.to_numpy(projection))
