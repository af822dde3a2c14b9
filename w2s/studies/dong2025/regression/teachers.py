"""Teachers of the regression study: least squares on nested weak widths, for all ridge strengths of one labelled sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from w2s.probes.moments import MomentProbe
from w2s.probes.solver_choice import choose_solver, count_filters
from w2s_kernels import Backend, nested, ridge
from w2s_kernels.backend import Array
from w2s_kernels.refine import RefinedFactor

__all__ = ["Fit", "Teachers"]


@dataclass(frozen=True)
class Fit:
    """Teachers of one ridge strength; arrays live where the backend computes.

    Attributes
    ----------
    theta : (seeds, W, d_weak, k) coefficients of every width, zero beyond it.
    condition : (seeds, W).
    steps : (seeds, W) on the host, refinements: zero in float64, nan where mixed precision did not converge.
    """

    theta: Array
    condition: Array
    steps: Array


class Teachers:
    """Second moments of one labelled sample, (seeds, d_weak, d_weak) and (seeds, d_weak, k), and how they are solved.

    One Cholesky factor for each ridge strength serves every narrower width; many strengths, or those that need the spectrum,
    take one eigendecomposition for each width.
    """

    def __init__(
        self,
        gram: Array,
        rhs: Array,
        n: int,
        widths: Sequence[int],
        strengths: Sequence[float],
        mixed: bool,
        backend: Backend,
    ) -> None:
        self.gram, self.rhs, self.widths, self.mixed, self.backend = gram, rhs, list(widths), mixed, backend
        d = gram.shape[-1]
        levels = [{"student_filter": "ridge", "ridge": strength} for strength in strengths]
        factors, spectral = count_filters(levels, d, n)
        chosen = choose_solver(d, n, strengths=factors, spectral=spectral, rhs=rhs.shape[-1], widths=self.widths, mixed=mixed)
        self.solver = chosen.name
        self._probes = [self._probe(width) for width in self.widths] if self.solver == "eigh" else []

    def fit(self, strength: float) -> Fit:
        """Compute the coefficients of all widths for one ridge strength."""
        if self.mixed:
            return self._refined(strength)
        return self._spectral(strength) if self._probes else self._factored(strength)

    def _factored(self, strength: float) -> Fit:
        factor, _ = nested.cholesky_gram(self.gram, strength, self.backend)
        z = nested.forward(factor, self.rhs, self.backend)
        theta = nested.coefficients(factor, z, self.widths, self.backend)
        condition = nested.condition(factor, self.widths)
        return Fit(theta, condition, np.zeros(condition.shape))

    def _refined(self, strength: float) -> Fit:
        factor = RefinedFactor(self.gram, strength, self.backend)
        found = factor.solve_widths(self.rhs, self.widths)
        return Fit(found.solution, factor.condition(self.widths), np.where(found.converged, found.steps, np.nan))

    def _probe(self, width: int) -> MomentProbe:
        return MomentProbe(self.backend.xp.ascontiguousarray(self.gram[:, :width, :width]), self.backend)

    def _spectral(self, strength: float) -> Fit:
        filters, (seeds, d, k) = ridge([strength]), self.rhs.shape
        theta = self.backend.xp.zeros((seeds, len(self.widths), d, k))
        for at, (width, probe) in enumerate(zip(self.widths, self._probes, strict=True)):
            theta[:, at, :width] = probe.fit(self.rhs[:, :width], filters)[:, 0]
        condition = self.backend.xp.stack([probe.condition(filters)[:, 0] for probe in self._probes], axis=1)
        return Fit(theta, condition, np.zeros(condition.shape))
