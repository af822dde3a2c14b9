"""Random features of two-layer networks and the moments that a target has with them; no input is ever drawn.

``relu``: inputs and bottom weights uniform on the unit sphere of R^d. The target is zonal around the first axis b,
f*(x) = sum_k a_k sqrt(N(d, k)) P_k(b'x) with sum a_k^2 = 1; the linear one is sqrt(d) b'x. Degrees 1, 2 and 4: relu features
cannot see odd degrees above 1.

``linear``: inputs N(0, I_d), bottom weights N(0, diag(1, eps, ..., eps)), target b'x.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from w2s.laws.relu_spectrum import gegenbauer, multiplicity, relu_coefficient
from w2s_kernels import Backend, streams
from w2s_kernels.backend import Array

__all__ = ["degree_weights", "gaussian_rows", "relu_moments", "unit_rows"]


def degree_weights(quadratic: float, quartic: float) -> dict[int, float]:
    """Compute the coefficients a_k of a target whose power has these shares in degrees 2 and 4 and the rest in degree 1."""
    parts = {1: max(1.0 - quadratic - quartic, 0.0), 2: quadratic, 4: quartic}
    return {degree: math.sqrt(part) for degree, part in parts.items() if part > 0}


def gaussian_rows(role: str, seed: int, count: int, d: int, backend: Backend) -> Array:
    """Draw standard normal bottom weights (count, d) of a role; fewer rows, or columns, are a prefix of more."""
    return streams.normals(streams.stream("random_features", role, seed=seed), count, d, backend)


def unit_rows(role: str, seed: int, count: int, d: int, backend: Backend) -> Array:
    """Draw bottom weights uniform on the unit sphere, (count, d); fewer rows are a prefix of more."""
    xp = backend.xp
    rows = gaussian_rows(role, seed, count, d, backend)
    return rows / xp.sqrt(xp.sum(rows * rows, axis=1))[:, None]


def relu_moments(units: Array, weights: Mapping[int, float]) -> Array:
    """Compute the moments E f*(x) relu(u'x) = sum_k a_k sqrt(N(d, k)) c_k P_k(b'u), (m,), of unit rows u (m, d).

    ``weights`` are the a_k. For the linear target the moment is (b'u)/(2 sqrt(d)).
    """
    d = units.shape[1]
    moments = 0.0 * units[:, 0]
    for degree, values in gegenbauer(units[:, 0], d, max(weights)):
        if degree in weights:
            moments = moments + weights[degree] * math.sqrt(multiplicity(d, degree)) * relu_coefficient(d, degree) * values
    return moments
