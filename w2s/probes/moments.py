"""Linear probes from second moments, for many seeds at once.

The student's right-hand side comes from the cross Gram with the weak features, so weak labels are never formed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import w2s_kernels as kernels
from w2s_kernels import Backend, Filters, Spectrum
from w2s_kernels.backend import Array

__all__ = ["MomentProbe"]


class MomentProbe:
    """Linear probes from second moments, batched over leading dimensions (seeds).

    ``gram`` is X'X/n, (..., d, d). Right-hand sides are X'Y/n, (..., d, k); those of a student trained on weak labels
    X_w theta_w are the cross Gram times theta_w. Results live where the backend computes.
    """

    def __init__(self, gram: Array, backend: Backend) -> None:
        self.backend = backend
        self.spectrum: Spectrum = kernels.factor_gram(backend.asarray(gram), backend)

    def fit(self, rhs: Array, filters: Filters) -> Array:
        """Compute the coefficients of every filter: (..., L, d, k)."""
        coords = self.spectrum.project(self.backend.asarray(rhs))
        return kernels.coefficients(self.spectrum, self.responses(filters), coords)

    def responses(self, filters: Filters) -> Array:
        """Compute phi(s)/s of every filter on every eigenvalue: (..., L, d)."""
        return kernels.response(self.spectrum, filters, self.backend)

    def condition(self, filters: Filters) -> Array:
        """Compute the condition number of the system solved by each filter: (..., L)."""
        return kernels.condition(self.spectrum, filters)

    @property
    def singular(self) -> npt.NDArray[np.bool_]:
        """Items whose Gram has not full rank: (...)."""
        rank = self.backend.to_numpy(self.spectrum.rank)
        return np.asarray(rank < self.spectrum.values.shape[-1])
