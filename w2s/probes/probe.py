"""Weak, student, strong and ceiling models as linear probes on fixed features.

Helpers for two kinds of study. :class:`RowProbe` works on rows of data: it factors the training rows once and serves any
targets (true labels, soft or hard weak labels) and any filters; :class:`MixedProbe` does so for ridges in mixed precision.
:class:`MomentProbe` works on second moments: the student's right-hand side comes from the cross Gram with the weak features,
so weak labels are never formed. Helpers, not a cage: a study may solve its cells in any way it likes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import w2s_kernels as kernels
from w2s.probes.solver_choice import choose_solver, mixed_solver
from w2s_kernels import Backend, Filters, Spectrum
from w2s_kernels.backend import Array, namespace, to_host
from w2s_kernels.refine import RefinedFactor

__all__ = [
    "FILTER_FIELDS",
    "LABEL_RULES",
    "MixedProbe",
    "MomentProbe",
    "Prediction",
    "RowProbe",
    "filters_of",
    "hard_labels",
]

Matrix = npt.NDArray[np.float64]

FILTER_FIELDS = ("filter", "ridge", "time", "steps", "step_size")
"""Cell fields that name the student's filter."""


def filters_of(levels: Sequence[Mapping[str, Any]]) -> Filters:
    """Kernel filters from cells' ``filter``, ``ridge``, ``time``, ``steps`` and ``step_size`` (null where inactive)."""
    make: Mapping[str, Callable[[list[Mapping[str, Any]]], Filters]] = {
        "ridge": lambda cells: kernels.ridge([cell["ridge"] for cell in cells]),
        "flow": lambda cells: kernels.flow([cell["time"] for cell in cells]),
        "steps": lambda cells: kernels.steps([cell["steps"] for cell in cells], [cell["step_size"] for cell in cells]),
    }
    alike = itertools.groupby(levels, key=lambda level: level["filter"])
    return kernels.concat(*(make[name](list(cells)) for name, cells in alike))


def soft_labels(scores: Matrix) -> Matrix:
    """The weak model's outputs as they are."""
    return scores


def hard_labels(scores: Matrix) -> Matrix:
    """One-hot vector of the largest output (the first one among equals): (..., k) -> (..., k)."""
    return np.asarray(np.eye(scores.shape[-1])[np.argmax(scores, axis=-1)])


LABEL_RULES: Mapping[str, Callable[[Matrix], Matrix]] = {"soft": soft_labels, "hard": hard_labels}
"""What the student is trained on, from the weak model's outputs (n, k)."""


@dataclass(frozen=True)
class Prediction:
    """A fitted set of filters, ready to predict: coordinates of the coefficients (L, r, k) and an intercept (k,).

    Coordinates live where they were fitted; the intercept and the outputs are NumPy arrays.
    """

    coords: Array
    offset: Matrix

    def at(self, basis: Array) -> Matrix:
        """Outputs at rows given by their ``basis`` (m, r), where the coordinates live: (L, m, k). One GEMM for all filters."""
        xp, (filters, rank, outputs) = namespace(self.coords), self.coords.shape
        stacked = xp.ascontiguousarray(xp.moveaxis(self.coords, 0, 1)).reshape(rank, filters * outputs)
        with np.errstate(invalid="ignore", over="ignore"):
            scores = to_host((basis @ stacked).reshape(len(basis), filters, outputs))
        return np.ascontiguousarray(np.moveaxis(scores, 1, 0)) + self.offset


class _Prepared:
    """Training rows after ``preprocess``, and the same done to other rows.

    With ``center`` features and targets are centred on the training rows (an unpenalised intercept); ``standardise`` also
    divides features by their standard deviation on these rows, leaving constant ones at zero, on other rows too.
    """

    def __init__(self, features: Matrix, preprocess: str) -> None:
        self.center = preprocess in ("center", "standardise")
        self.mean = features.mean(axis=0) if self.center else np.zeros(features.shape[1])
        self.scale, tiny = np.ones(features.shape[1]), np.zeros(features.shape[1], dtype=bool)
        if preprocess == "standardise":
            deviation = np.std(features, axis=0)
            tiny = deviation <= 1e-12 * np.max(np.abs(features), axis=0)
            self.scale = np.where(tiny, np.inf, deviation)
        self.constant = int(np.sum(tiny))
        self.rows, self.width = features.shape

    def prepared(self, features: Matrix) -> Matrix:
        """Features (m, d) of other rows in the units of the fit."""
        return np.asarray((features - self.mean) / self.scale)

    def offset(self, targets: Matrix) -> Matrix:
        """Intercept (k,) of targets (n, k)."""
        return np.asarray(targets.mean(axis=0) if self.center else np.zeros(targets.shape[1]))


class RowProbe(_Prepared):
    """Linear probes on one set of training rows: one singular value decomposition, any targets, any filters.

    The rows are factored, not their Gram: collinear features and as many features as rows keep their digits. Directions that
    the rows do not span carry no weight, whatever the filter.
    """

    def __init__(self, features: Matrix, preprocess: str, backend: Backend) -> None:
        super().__init__(features, preprocess)
        self.backend = backend
        self.spectrum, self.left = kernels.factor_rows(backend.asarray(self.prepared(features)), backend)

    @functools.cached_property
    def rank(self) -> int:
        """Numerical rank of the prepared rows."""
        return int(self.backend.to_numpy(self.spectrum.rank))

    @property
    def full_rank(self) -> bool:
        """Whether least squares without regularisation has one solution."""
        return bool(self.rank == self.width)

    def solvers(self, filters: Filters) -> list[str]:
        """Name of what solved each filter, as the ``solver`` column shows it."""
        return [choose_solver(self.width, self.rows, strengths=1, rows=True).name] * len(filters)

    def fit(self, targets: Matrix, filters: Filters) -> Prediction:
        """Fit every filter to targets (n, k)."""
        offset = self.offset(targets)
        coords = kernels.project_rows(self.spectrum, self.left, self.backend.asarray(targets - offset))
        # What rounding left in unspanned directions would become coefficients of size eps/lambda.
        coords[self.rank :] = 0.0
        filtered = kernels.filter_coords(self.spectrum, filters, coords, self.backend)
        return Prediction(filtered, offset)

    def basis(self, features: Matrix) -> Array:
        """Coordinates of other rows in the right singular vectors, (m, d) -> (m, r), where the backend computes."""
        return self.backend.asarray(self.prepared(features)) @ self.spectrum.vectors

    def condition(self, filters: Filters) -> Matrix:
        """Condition number of the system solved by each filter: (L,)."""
        return self.backend.to_numpy(kernels.condition(self.spectrum, filters))


class MixedProbe(_Prepared):
    """Ridges > 0 on one set of training rows in mixed precision: a float32 Cholesky factor for each, refined.

    The system is that of the second moments, or of the rows' products where there are fewer rows than features; it squares the
    condition number of the rows, and a strength for which refinement does not converge is left to :class:`RowProbe`. No
    singular values are computed: the rank is unknown (nan).
    """

    rank = np.nan
    full_rank = False

    def __init__(self, features: Matrix, preprocess: str, backend: Backend) -> None:
        super().__init__(features, preprocess)
        self.backend, self._exact = backend, functools.cache(lambda: RowProbe(features, preprocess, backend))
        self._rows = self.prepared(features)
        self._dual = self.rows < self.width
        self._gram = kernels.gram(self._rows.T if self._dual else self._rows, backend=backend) / self.rows
        self._factors: dict[float, RefinedFactor] = {}
        self._found: dict[float, tuple[int, bool]] = {}
        self._conditions: dict[float, float] = {}

    def solvers(self, filters: Filters) -> list[str]:
        """As :class:`RowProbe`; of the latest fit."""
        found = (self._found[strength] for strength in filters.value)
        exact = "dual svd" if self._dual else "svd"
        return [mixed_solver(steps, None if converged else exact) for steps, converged in found]

    def fit(self, targets: Matrix, filters: Filters) -> Prediction:
        """As :class:`RowProbe`, coordinates being coefficients of the prepared features."""
        offset = self.offset(targets)
        coords = np.empty((len(filters), self.width, targets.shape[1]))
        for at, strength in enumerate(filters.value):
            coords[at] = self._solve(float(strength), targets - offset)
            if not self._found[strength][1]:
                exact = self._exact()
                coords[at] = self.backend.to_numpy(exact.spectrum.vectors @ exact.fit(targets, filters[at]).coords[0])
        return Prediction(coords, offset)

    def _solve(self, strength: float, targets: Matrix) -> Matrix:
        """Coefficients (d, k): X'(XX'/n + lambda I)^-1 Y/n, or (X'X/n + lambda I)^-1 X'Y/n."""
        if strength not in self._factors:
            self._factors[strength] = RefinedFactor(self._gram, strength, self.backend)
        rhs = (targets if self._dual else self._rows.T @ targets) / self.rows
        found = self._factors[strength].solve(self.backend.asarray(rhs))
        solution = self.backend.to_numpy(found.solution)
        self._found[strength] = int(found.steps), bool(found.converged)
        return np.asarray(self._rows.T @ solution if self._dual else solution)

    def basis(self, features: Matrix) -> Matrix:
        """Features (m, d) in the units of the fit."""
        return self.prepared(features)

    def condition(self, filters: Filters) -> Matrix:
        """As :class:`RowProbe`; of the latest fit, and estimated where it was refined."""
        return np.array([self._condition(float(filters.value[at]), filters[at]) for at in range(len(filters))])

    def _condition(self, strength: float, one: Filters) -> float:
        if not self._found[strength][1]:
            return float(self._exact().condition(one)[0])
        if strength not in self._conditions:
            estimate = self._factors[strength].condition([self._gram.shape[-1]])
            self._conditions[strength] = float(self.backend.to_numpy(estimate)[0])
        return self._conditions[strength]


class MomentProbe:
    """Linear probes from second moments, batched over leading dimensions (seeds).

    ``gram`` is X'X/n, (..., d, d). Right-hand sides are X'Y/n, (..., d, k); those of a student trained on weak labels
    X_w theta_w are the cross Gram times theta_w. Results live where the backend computes.
    """

    def __init__(self, gram: Array, backend: Backend) -> None:
        self.backend = backend
        self.spectrum: Spectrum = kernels.factor_gram(backend.asarray(gram), backend)

    def fit(self, rhs: Array, filters: Filters) -> Array:
        """Coefficients of every filter: (..., L, d, k)."""
        coords = self.spectrum.project(self.backend.asarray(rhs))
        return kernels.coefficients(self.spectrum, self.responses(filters), coords)

    def responses(self, filters: Filters) -> Array:
        """phi(s)/s of every filter on every eigenvalue: (..., L, d)."""
        return kernels.response(self.spectrum, filters, self.backend)

    def condition(self, filters: Filters) -> Array:
        """Condition number of the system solved by each filter: (..., L)."""
        return kernels.condition(self.spectrum, filters)

    @property
    def singular(self) -> npt.NDArray[np.bool_]:
        """Items whose Gram has not full rank: (...)."""
        rank = self.backend.to_numpy(self.spectrum.rank)
        return np.asarray(rank < self.spectrum.values.shape[-1])
