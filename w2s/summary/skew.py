"""Student's quantiles for means of skewed samples: Hall's cubic transformation, in closed form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["adjusted_skewness", "corrected_quantiles"]

FloatArray = npt.NDArray[np.float64]


def adjusted_skewness(second: npt.ArrayLike, third: npt.ArrayLike, count: npt.ArrayLike) -> FloatArray:
    """Compute G1 = sqrt(n (n - 1)) / (n - 2) m3 / m2^(3/2) from central moments of n samples; 0 without spread or n < 3."""
    m2, m3, n = (np.asarray(item, dtype=np.float64) for item in (second, third, count))
    some = (n > 2) & (m2 > 0)
    plain = np.divide(m3, np.where(some, m2, 1.0) ** 1.5, out=np.zeros(np.broadcast(m3, some).shape), where=some)
    return np.where(some, np.sqrt(n * np.maximum(n - 1, 0)) / np.where(some, n - 2, 1.0) * plain, 0.0)


def corrected_quantiles(quantile: npt.ArrayLike, skew: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Compute the lower and upper quantile of T = (mean - mu) / se for a sample of skewness ``skew`` sqrt(n).

    With g = ``skew``, the skewness over sqrt(n), T + g T^2 / 3 + g^2 T^3 / 27 + g / 6 has the quantiles -+``quantile`` to
    second order; the cubic rises everywhere, so its inverse is

        T = 3 / g ((1 + g (q - g / 6))^(1/3) - 1),   q = -+quantile.

    An interval of the mean is (mean - se T_upper, mean - se T_lower): right-skewed samples reach farther up. Without skewness
    T = q. Inputs broadcast.

    Source: P. Hall, "On the removal of skewness by transformation", J. R. Stat. Soc. B 54 (1992) 221-228.
    """
    q, g = np.broadcast_arrays(np.asarray(quantile, dtype=np.float64), np.asarray(skew, dtype=np.float64))
    return _inverse(-q, g), _inverse(q, g)


def _inverse(q: FloatArray, g: FloatArray) -> FloatArray:
    some = np.abs(g) > 1e-6  # below, the formula loses the digits of a difference that is far below them
    safe = np.where(some, g, 1.0)
    return np.where(some, 3.0 / safe * (np.cbrt(1.0 + safe * (q - safe / 6.0)) - 1.0), q)
