"""Weak-to-strong in random feature networks (Medvedev et al. 2025, arXiv 2503.02877): spectra, bounds and closed forms.

The kernel of infinitely many ReLU features on the sphere of R^d has the spherical harmonics of degree k as eigenspaces, with
eigenvalue lam_k = c_k^2 and multiplicity N(d, k), where c_k is the Funk-Hecke coefficient of relu:

    c_0 = Gamma(d/2) / (2 sqrt(pi) Gamma((d+1)/2)),   c_1 = 1/(2d),   c_k = 0 for odd k >= 3,
    c_k = (-1)^(k/2 - 1) Gamma(d/2) (k-2)! / (sqrt(pi) 2^k Gamma(k/2) Gamma((k+d+1)/2))   for even k >= 2,

the last from Rodrigues' formula and two integrations by parts. Errors are in units of E f*^2 = 1; L is the teacher's error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "PROVED_EXPONENT",
    "best_shrinkage",
    "gegenbauer",
    "lower_bound",
    "multiplicity",
    "relu_coefficient",
    "relu_eigenvalue",
    "two_level_error",
]

Matrix = npt.NDArray[np.float64]

PROVED_EXPONENT = {"relu": 1.49, "linear": 2.0}
"""Student error of a suitably stopped student is at most L to this power, up to logarithms."""


def multiplicity(d: int, k: int) -> int:
    """Dimension N(d, k) of the spherical harmonics of degree k in R^d, d >= 2."""
    return 1 if k == 0 else (2 * k + d - 2) * math.comb(k + d - 3, d - 2) // k


def relu_coefficient(d: int, k: int) -> float:
    """Funk-Hecke coefficient c_k: E relu(u'x) P_k(b'x) = c_k P_k(u'b) for x uniform on the sphere of R^d, d >= 2."""
    if k == 1:
        return 1.0 / (2.0 * d)
    if k % 2:
        return 0.0
    if k == 0:
        return math.exp(math.lgamma(d / 2) - math.lgamma((d + 1) / 2)) / (2.0 * math.sqrt(math.pi))
    log = math.lgamma(d / 2) + math.lgamma(k - 1) - math.lgamma(k / 2) - math.lgamma((k + d + 1) / 2) - k * math.log(2.0)
    return (-1.0) ** (k // 2 - 1) * math.exp(log) / math.sqrt(math.pi)


def relu_eigenvalue(d: int, k: int) -> float:
    """Eigenvalue lam_k = c_k^2 of E_u relu(u'x) relu(u'y), u uniform on the sphere; sum_k lam_k N(d, k) = 1/(2d)."""
    return relu_coefficient(d, k) ** 2


def gegenbauer(t: Any, d: int, top: int) -> Iterator[tuple[int, Any]]:
    """Yield (k, P_k(t)) for k = 0 ... top: Gegenbauer polynomials of index (d-2)/2 with P_k(1) = 1, d >= 2.

    ``t`` is an array of any library with entries in [-1, 1]. Three-term recursion, stable there; E P_k(b'x)^2 = 1/N(d, k).
    """
    before, here = t * 0.0 + 1.0, t
    yield 0, before
    for k in range(1, top + 1):
        yield k, here
        before, here = here, ((2 * k + d - 2) * t * here - k * before) / (k + d - 2)


def lower_bound(weak_error: npt.ArrayLike) -> Matrix:
    """Least error ((sqrt(1 + 3L) - sqrt(1 - L))/2)^2 of any student that shrinks its teacher; at least (3/4) L^2.

    The teacher p is the projection of f* on its features. A student A p with 0 <= A <= I (flow from zero, ridge, any spectral
    filter) lies in the ball with diameter [0, p], whose centre is sqrt((1 + 3L)/4) from f* and whose radius is sqrt(1 - L)/2.
    Computed as (2L / (sqrt(1 + 3L) + sqrt(1 - L)))^2, in which nothing cancels.
    """
    loss = np.clip(np.asarray(weak_error, dtype=np.float64), 0.0, 1.0)
    return np.asarray((2.0 * loss / (np.sqrt(1.0 + 3.0 * loss) + np.sqrt(1.0 - loss))) ** 2)


def best_shrinkage(weak_error: float) -> Matrix:
    """Shrinkage operator that attains :func:`lower_bound`: A (2, 2), symmetric with eigenvalues 0 and 1, for 0 <= L < 1.

    Coordinates: along the teacher p and along f* - p, so that p = (sqrt(1 - L), 0) and f* = (sqrt(1 - L), sqrt(L)). A is the
    projection on the point v of the ball that is nearest to f*: a student whose only feature is v.
    """
    teacher = np.array([math.sqrt(1.0 - weak_error), 0.0])
    target = np.array([teacher[0], math.sqrt(weak_error)])
    outward = target - teacher / 2.0
    nearest = teacher / 2.0 + (teacher[0] / 2.0) * outward / np.linalg.norm(outward)
    return np.asarray(np.outer(nearest, nearest) / (nearest @ nearest))


def two_level_error(signal: npt.ArrayLike, tail: npt.ArrayLike, weak_error: npt.ArrayLike) -> Matrix:
    """Student error of the linear network with spectrum {1, eps, ..., eps} and f* on the top direction; exact for any teacher.

    ``signal`` and ``tail`` are what the student's filter lets through at 1 and at eps (flow: 1 - exp(-t), 1 - exp(-eps t)):
    (1 - signal (1 - L))^2 + tail^2 L (1 - L).
    """
    signal, tail, loss = (np.asarray(a, dtype=np.float64) for a in (signal, tail, weak_error))
    return np.asarray((1.0 - signal * (1.0 - loss)) ** 2 + tail**2 * loss * (1.0 - loss))
