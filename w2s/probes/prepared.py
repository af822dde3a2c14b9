"""Training rows as a fit sees them: centred and scaled, with the same done to other rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Prepared", "feature_power", "magnitudes", "powers_of_two"]

Matrix = npt.NDArray[np.float64]

CONSTANT = 1e-12
"""A column whose deviation is at most this part of its largest magnitude is constant: what varies is rounding."""


class Prepared:
    """Training rows after ``preprocess``, and the same done to other rows.

    With ``center`` features and targets are centred on the training rows (an unpenalised intercept); ``standardise`` also
    divides features by their standard deviation on these rows, leaving constant ones at zero, on other rows too. No step
    depends on the units of a column: means and deviations are computed of columns brought near one by powers of two, which
    rounds nothing, so that squares neither overflow nor vanish.
    """

    def __init__(self, features: Matrix, preprocess: str) -> None:
        self.center = preprocess in ("center", "standardise")
        self.rows, self.width = features.shape
        largest = magnitudes(features)
        unit = powers_of_two(largest)
        near_one = features / unit
        mean = near_one.mean(axis=0) if self.center else np.zeros(self.width)
        near_one -= mean
        near_one *= near_one
        deviation = np.sqrt(near_one.mean(axis=0))
        self.still = deviation <= CONSTANT * (largest / unit)
        """Which columns carry nothing but rounding: (d,)."""
        scaled = preprocess == "standardise"
        self.constant = int(np.sum(self.still)) if scaled else 0
        self.unit = unit if scaled else np.ones(self.width)
        self.mean = mean if scaled else mean * unit
        self.scale = np.where(self.still, np.inf, deviation) if scaled else np.ones(self.width)
        self._as_is = not self.center

    def prepared(self, features: Matrix) -> Matrix:
        """Return features (m, d) of other rows in the units of the fit; the same array where nothing is done to them."""
        if self._as_is:
            return np.asarray(features, dtype=np.float64)
        with np.errstate(over="ignore"):  # a row far outside the training rows' range is data: its error is not finite
            found = np.divide(features, self.unit, dtype=np.float64)
            found -= self.mean
            found /= self.scale
        return found

    def offset(self, targets: Matrix) -> Matrix:
        """Compute the intercept (k,) of targets (n, k)."""
        return np.asarray(targets.mean(axis=0) if self.center else np.zeros(targets.shape[1]))


def magnitudes(rows: Matrix) -> Matrix:
    """Return the largest magnitude of each column of rows (n, d): (d,)."""
    return np.asarray(np.maximum(rows.max(axis=0), -rows.min(axis=0)))


def feature_power(rows: Matrix) -> float:
    """Compute the power of prepared rows (n, d), the mean of |x|^2: the sum of the eigenvalues of X'X/n."""
    with np.errstate(over="ignore"):
        return float(np.vdot(rows, rows) / len(rows))


def powers_of_two(sizes: Matrix) -> Matrix:
    """Return powers of two near ``sizes`` (d,), by which a division is exact; 1 for a size of zero."""
    exponents = np.where(sizes == 0, 0, np.frexp(sizes)[1])
    return np.asarray(np.ldexp(1.0, np.clip(exponents, -1021, 1023)))
