"""Weak-to-strong in random feature networks (Medvedev et al. 2025, arXiv 2503.02877): spectra, bounds and closed forms.

The kernel of infinitely many ReLU features on the sphere of R^d has the spherical harmonics of degree k as eigenspaces, with
eigenvalue lam_k = c_k^2 and multiplicity N(d, k), where c_k is the Funk-Hecke coefficient of relu:

    c_0 = Gamma(d/2) / (2 sqrt(pi) Gamma((d+1)/2)),   c_1 = 1/(2d),   c_k = 0 for odd k >= 3,
    c_k = (-1)^(k/2 - 1) Gamma(d/2) (k-2)! / (sqrt(pi) 2^k Gamma(k/2) Gamma((k+d+1)/2))   for even k >= 2,

the last from Rodrigues' formula and two integrations by parts. Errors are in units of E f*^2 = 1; L is the teacher's error.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["PROVED_EXPONENT", "lower_bound", "two_level_error"]

Matrix = npt.NDArray[np.float64]

PROVED_EXPONENT = {"relu": 1.49, "linear": 2.0}
"""Student error of a suitably stopped student is at most L to this power, up to logarithms."""

_ROUNDING = 1e-9


def lower_bound(weak_error: npt.ArrayLike) -> Matrix:
    """Compute the least error ((sqrt(1 + 3L) - sqrt(1 - L))/2)^2 of any student that shrinks its teacher; at least (3/4) L^2.

    The teacher p is the projection of f* on its features. A student A p with 0 <= A <= I (flow from zero, ridge, any spectral
    filter) lies in the ball with diameter [0, p], whose centre is sqrt((1 + 3L)/4) from f* and whose radius is sqrt(1 - L)/2.
    The bound is computed as (2L / (sqrt(1 + 3L) + sqrt(1 - L)))^2, in which nothing cancels. Domain: 0 <= L <= 1, up to
    rounding; NaN outside. The lower bound of the paper, derived. O(1) a value.
    """
    loss = _share(weak_error)
    return np.asarray((2.0 * loss / (np.sqrt(1.0 + 3.0 * loss) + np.sqrt(1.0 - loss))) ** 2)


def two_level_error(signal: npt.ArrayLike, tail: npt.ArrayLike, weak_error: npt.ArrayLike) -> Matrix:
    """Compute the student error of the linear network with spectrum {1, eps, ..., eps}; exact for any teacher.

    The target f* is on the top direction. ``signal`` and ``tail`` are what the student's filter lets through at 1 and at eps
    (flow: 1 - exp(-t), 1 - exp(-eps t)): (1 - signal (1 - L))^2 + tail^2 L (1 - L). They broadcast. Domain: all three in
    [0, 1], up to rounding; NaN outside. The linear network of the paper, derived. O(1) a value.
    """
    signal, tail, loss = (_share(value) for value in (signal, tail, weak_error))
    return np.asarray((1.0 - signal * (1.0 - loss)) ** 2 + tail**2 * loss * (1.0 - loss))


def _share(value: npt.ArrayLike) -> Matrix:
    """Return a share of 1 as float64, brought to [0, 1] where rounding took it out; NaN where it is no share."""
    given = np.asarray(value, dtype=np.float64)
    return np.where(np.abs(given - 0.5) <= 0.5 + _ROUNDING, np.clip(given, 0.0, 1.0), np.nan)
