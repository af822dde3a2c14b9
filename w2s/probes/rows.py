"""Linear probes on rows of data: one factorisation of the training rows serves any targets and any filters.

Targets may be true labels, or soft or hard weak labels. Helpers, not a cage: a study may solve its cells in any way it likes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import w2s_kernels as kernels
from w2s.probes.graded import factor_graded, is_graded
from w2s.probes.prepared import Prepared, feature_power
from w2s.probes.solver_choice import choose_solver
from w2s_kernels import Backend, Filters
from w2s_kernels.backend import Array, namespace, to_host

__all__ = ["Prediction", "Projected", "RowProbe"]

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """A fitted set of filters, ready to predict: coordinates of the coefficients (L, r, k) and an intercept (k,).

    Coordinates live where they were fitted; the intercept and the outputs are NumPy arrays.
    """

    coords: Array
    offset: Matrix
    backend: Backend

    def at(self, basis: Array) -> Matrix:
        """Compute outputs (L, m, k) at rows given by their ``basis`` (m, r), in the library of the coordinates."""
        return np.ascontiguousarray(np.moveaxis(self.by_row(basis), 1, 0)) + self.offset

    def by_row(self, basis: Array) -> Matrix:
        """Compute outputs as :meth:`at` without the intercept, as the one GEMM of all filters leaves them: (m, L, k)."""
        xp, (filters, rank, outputs) = namespace(self.coords), self.coords.shape
        stacked = xp.ascontiguousarray(xp.moveaxis(self.coords, 0, 1)).reshape(rank, filters * outputs)
        return np.asarray(to_host(kernels.gemm(basis, stacked, self.backend).reshape(len(basis), filters, outputs)))


@dataclass(frozen=True)
class Projected:
    """Targets in the coordinates that every filter starts from.

    Those of many teachers may stand side by side: one wide product is faster than many narrow ones.
    ``targets`` (n, k) are without their ``offset`` (k,); ``coords`` (r, k) live where they were computed.
    """

    targets: Matrix
    offset: Matrix
    coords: Array

    def columns(self, first: int, last: int) -> Projected:
        """Return the targets ``first`` to ``last`` of these."""
        return Projected(self.targets[:, first:last], self.offset[first:last], self.coords[:, first:last])


class RowProbe(Prepared):
    """Linear probes on one set of training rows: one singular value decomposition, any targets, any filters.

    The rows are factored, not their Gram: collinear features and as many features as rows keep their digits. Directions that
    the rows do not span carry no weight, whatever the filter. What is spanned does not depend on the sizes of the columns:
    where these are of different orders every one keeps its digits (:mod:`w2s.probes.graded`).
    """

    def __init__(self, features: Matrix, preprocess: str, backend: Backend) -> None:
        super().__init__(features, preprocess)
        self.backend, rows = backend, self.prepared(features)
        self.power = feature_power(rows)
        graded = preprocess != "standardise" and is_graded(rows, self.still)
        self.spectrum, self.left = (
            factor_graded(rows, self.still, backend) if graded else kernels.factor_rows(backend.asarray(rows), backend)
        )

    @functools.cached_property
    def rank(self) -> int:
        """Numerical rank of the prepared rows."""
        return int(self.backend.to_numpy(self.spectrum.rank))

    @property
    def full_rank(self) -> bool:
        """Whether least squares without regularisation has one solution."""
        return bool(self.rank == self.width)

    @property
    def exact(self) -> RowProbe:
        """The rows decomposed themselves: this probe."""
        return self

    def serving(self, filters: Filters) -> RowProbe:  # noqa: ARG002
        """Return the probe that is accurate for all of the filters: this one."""
        return self

    def solvers(self, filters: Filters) -> list[str]:
        """Name the solver of each filter, as the ``solver`` column shows it."""
        return [choose_solver(self.width, self.rows, strengths=1, rows=True).name] * len(filters)

    def fit(self, targets: Matrix, filters: Filters) -> Prediction:
        """Fit every filter to targets (n, k)."""
        return self.filtered(self.project(targets), filters)

    def project(self, targets: Matrix) -> Projected:
        """Compute the coordinates of targets (n, k) that every filter starts from."""
        offset = self.offset(targets)
        centred = targets - offset
        with np.errstate(over="ignore", invalid="ignore"):  # features whose power has no place in float64 give nan
            coords = kernels.project_rows(self.spectrum, self.left, self.backend.asarray(centred))
        # What rounding left in unspanned directions would become coefficients of size eps/lambda.
        coords[self.rank :] = 0.0
        return Projected(centred, offset, coords)

    def filtered(self, projected: Projected, filters: Filters) -> Prediction:
        """Fit every filter to targets in their coordinates."""
        with np.errstate(over="ignore", invalid="ignore"):
            coords = kernels.filter_coords(self.spectrum, filters, projected.coords, self.backend)
        return Prediction(coords, projected.offset, self.backend)

    def basis(self, features: Matrix) -> Array:
        """Compute coordinates of other rows in the right singular vectors, (m, d) -> (m, r), in the library of the backend."""
        return kernels.gemm(self.backend.asarray(self.prepared(features)), self.spectrum.vectors, self.backend)

    def slope(self, coords: Array) -> Matrix:
        """Compute coefficients (d, k) of the prepared features from coordinates (r, k)."""
        return np.asarray(self.backend.to_numpy(self.spectrum.vectors @ coords))

    def condition(self, filters: Filters) -> Matrix:
        """Compute the condition number of the system solved by each filter: (L,)."""
        return self.backend.to_numpy(kernels.condition(self.spectrum, filters))
