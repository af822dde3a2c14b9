"""Training rows as a fit sees them: centred and scaled, with the same done to other rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Prepared"]

Matrix = npt.NDArray[np.float64]


class Prepared:
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
