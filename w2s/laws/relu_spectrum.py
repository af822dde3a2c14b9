"""Spectrum of infinitely many ReLU features on the sphere: Funk-Hecke coefficients, eigenvalues, Gegenbauer polynomials."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

__all__ = ["gegenbauer", "multiplicity", "relu_coefficient", "relu_eigenvalue"]


def multiplicity(d: int, k: int) -> int:
    """Compute the dimension N(d, k) of the spherical harmonics of degree k in R^d, d >= 2."""
    return 1 if k == 0 else (2 * k + d - 2) * math.comb(k + d - 3, d - 2) // k


def relu_coefficient(d: int, k: int) -> float:
    """Compute the Funk-Hecke c_k: E relu(u'x) P_k(b'x) = c_k P_k(u'b) for x uniform on the sphere of R^d, d >= 2."""
    if k == 1:
        return 1.0 / (2.0 * d)
    if k % 2:
        return 0.0
    if k == 0:
        return math.exp(math.lgamma(d / 2) - math.lgamma((d + 1) / 2)) / (2.0 * math.sqrt(math.pi))
    log = math.lgamma(d / 2) + math.lgamma(k - 1) - math.lgamma(k / 2) - math.lgamma((k + d + 1) / 2) - k * math.log(2.0)
    return (-1.0) ** (k // 2 - 1) * math.exp(log) / math.sqrt(math.pi)


def relu_eigenvalue(d: int, k: int) -> float:
    """Compute the eigenvalue lam_k = c_k^2 of E_u relu(u'x) relu(u'y), u on the sphere; sum_k lam_k N(d, k) = 1/(2d)."""
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
