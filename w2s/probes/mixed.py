"""Linear probes on rows of data in mixed precision: a refined float32 factor for each ridge."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

import w2s_kernels as kernels
from w2s.probes.prepared import Prepared, feature_power
from w2s.probes.rows import Prediction, Projected, RowProbe
from w2s.probes.solver_choice import mixed_solver
from w2s_kernels import Backend, Filters
from w2s_kernels.refine import RefinedFactor

__all__ = ["MixedProbe"]

Matrix = npt.NDArray[np.float64]


class MixedProbe(Prepared):
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
        self.power = feature_power(self._rows)
        self._dual = self.rows < self.width
        self._squares = bool(np.isfinite(self.power))  # else the Gram has no place in float64, and the rows are factored
        if self._squares:
            self._gram = kernels.gram(self._rows.T if self._dual else self._rows, backend=backend) / self.rows
        self._factors: dict[float, RefinedFactor] = {}
        self._found: dict[float, tuple[int, bool]] = {}
        self._conditions: dict[float, float] = {}

    def serving(self, filters: Filters) -> MixedProbe:  # noqa: ARG002
        """Return this probe: what does not converge is solved by another one for its filter alone."""
        return self

    def solvers(self, filters: Filters) -> list[str]:
        """Name the solvers as :class:`RowProbe`; those of the latest fit."""
        found = (self._found[strength] for strength in filters.value)
        exact = "dual svd" if self._dual else "svd"
        return [mixed_solver(steps, None if converged else exact) for steps, converged in found]

    def fit(self, targets: Matrix, filters: Filters) -> Prediction:
        """Fit as :class:`RowProbe`; the coordinates are coefficients of the prepared features."""
        return self.filtered(self.project(targets), filters)

    def project(self, targets: Matrix) -> Projected:
        """Compute the right-hand sides of the systems: targets over n, or X'Y/n."""
        offset = self.offset(targets)
        centred = targets - offset
        return Projected(centred, offset, (centred if self._dual else self._rows.T @ centred) / self.rows)

    def filtered(self, projected: Projected, filters: Filters) -> Prediction:
        """Fit as :class:`RowProbe`; the coordinates are coefficients of the prepared features."""
        coords = np.empty((len(filters), self.width, len(projected.offset)))
        for at, strength in enumerate(filters.value):
            coords[at] = self._solve(float(strength), projected.coords)
            if not self._found[strength][1]:
                exact = self._exact()
                fitted = exact.fit(projected.targets, filters[at])  # centred already: centring again changes rounding alone
                coords[at] = self.backend.to_numpy(exact.spectrum.vectors @ fitted.coords[0])
        return Prediction(coords, projected.offset, self.backend)

    def _solve(self, strength: float, rhs: Matrix) -> Matrix:
        """Solve for coefficients (d, k): X'(XX'/n + lambda I)^-1 Y/n, or (X'X/n + lambda I)^-1 X'Y/n."""
        if not self._squares:
            self._found[strength] = 0, False
            return np.zeros((self.width, rhs.shape[1]))
        if strength not in self._factors:
            self._factors[strength] = RefinedFactor(self._gram, strength, self.backend)
        found = self._factors[strength].solve(self.backend.asarray(rhs))
        solution = self.backend.to_numpy(found.solution)
        self._found[strength] = int(found.steps), bool(found.converged)
        return np.asarray(self._rows.T @ solution if self._dual else solution)

    def basis(self, features: Matrix) -> Matrix:
        """Return features (m, d) in the units of the fit."""
        return self.prepared(features)

    def condition(self, filters: Filters) -> Matrix:
        """Compute condition numbers as :class:`RowProbe`; those of the latest fit, estimated where it was refined."""
        return np.array([self._condition(float(filters.value[at]), filters[at]) for at in range(len(filters))])

    def _condition(self, strength: float, one: Filters) -> float:
        if not self._found[strength][1]:
            return float(self._exact().condition(one)[0])
        if strength not in self._conditions:
            estimate = self._factors[strength].condition([self._gram.shape[-1]])
            self._conditions[strength] = float(self.backend.to_numpy(estimate)[0])
        return self._conditions[strength]
