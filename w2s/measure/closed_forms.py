"""Arithmetic of intervals in closed form: Student's quantiles, their correction for skewness, Fieller's set, Wilson's interval.

Arrays broadcast: one interval per entry, whatever the entries are about, items or seeds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["adjusted_skewness", "corrected_quantiles", "fieller_set", "quadratic_set", "t_quantile", "t_tail", "wilson_ends"]

FloatArray = npt.NDArray[np.float64]


def t_quantile(count: npt.ArrayLike, level: float) -> FloatArray:
    """Compute the two-sided Student quantile with count - 1 degrees of freedom; NaN below two samples."""
    from scipy.special import stdtrit

    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level} must lie strictly between 0 and 1, for example 0.95")
    freedom = np.asarray(count) - 1
    quantile = stdtrit(np.maximum(freedom, 1), 0.5 + level / 2.0)
    return np.where(freedom >= 1, quantile, np.nan)


def t_tail(distance: npt.ArrayLike, count: npt.ArrayLike) -> FloatArray:
    """Compute the chance that Student's T with count - 1 degrees of freedom, two samples or more, is beyond +-``distance``."""
    from scipy.special import stdtr

    return np.asarray(2.0 * stdtr(np.asarray(count) - 1.0, -np.asarray(distance, dtype=np.float64)))


def adjusted_skewness(second: npt.ArrayLike, third: npt.ArrayLike, count: npt.ArrayLike) -> FloatArray:
    """Compute G1 = sqrt(n (n - 1)) / (n - 2) m3 / m2^(3/2) from central moments of n samples; 0 without spread or n < 3."""
    m2, m3, n = np.broadcast_arrays(*(np.asarray(item, dtype=np.float64) for item in (second, third, count)))
    some = (n > 2) & (m2**1.5 > 0)  # of a spread below 1e-108 no power is left
    plain = np.divide(m3, np.where(some, m2, 1.0) ** 1.5, out=np.zeros(m3.shape), where=some)
    return np.asarray(np.sqrt(n * np.maximum(n - 1, 0)) / np.where(some, n - 2, 1.0) * plain)


def corrected_quantiles(quantile: npt.ArrayLike, skew: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Compute quantiles of T = (mean - mu) / se for a sample of skewness ``skew`` sqrt(n): the outer ones of two laws.

    Of Student's law they are -+``quantile``, right for normal samples and wide enough for heavy tails on both sides. The other
    law is Hall's, for tails on one side.

    With g = ``skew``, the skewness over sqrt(n), T + g T^2 / 3 + g^2 T^3 / 27 + g / 6 has the quantiles -+``quantile`` to
    second order; the cubic rises everywhere, so its inverse is

        T = 3 / g ((1 + g (q - g / 6))^(1/3) - 1),   q = -+quantile.

    An interval of the mean is (mean - se T_upper, mean - se T_lower): right-skewed samples reach farther up. Hall's quantiles
    alone are too near to zero where tails are heavy on both sides, since a few samples then look skewed by chance. Inputs
    broadcast.

    Source: P. Hall, "On the removal of skewness by transformation", J. R. Stat. Soc. B 54 (1992) 221-228.
    """
    q, g = np.broadcast_arrays(np.asarray(quantile, dtype=np.float64), np.asarray(skew, dtype=np.float64))
    some = np.abs(g) > 1e-6  # below, the formula loses the digits of a difference that is far below them
    safe = np.where(some, g, 1.0)
    lower, upper = (np.where(some, 3.0 / safe * (np.cbrt(1.0 + safe * (x - safe / 6.0)) - 1.0), x) for x in (-q, q))
    return np.minimum(lower, -q), np.maximum(upper, q)


def fieller_set(
    bottom: FloatArray, rest: FloatArray, v_dd: FloatArray, v_de: FloatArray, v_ee: FloatArray, quantile: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute the bounds of Fieller's set around a ratio, and a number that is positive where the set is an interval.

    In terms of r = ratio + u and e = num - ratio den, whose mean is ``rest`` (zero where the ratio is that of the means), the
    set is {u : (rest - u D)^2 <= t^2 (v_ee - 2 u v_de + u^2 v_dd)}; v are (co)variances of the means, D = ``bottom``. Nothing
    cancels in e, which is small where numerator and denominator are nearly proportional. Bounds as in `quadratic_set`.
    """
    t2 = quantile**2
    a = bottom**2 - t2 * v_dd
    low, high = quadratic_set(a, rest * bottom - t2 * v_de, rest**2 - t2 * v_ee)
    return low, high, a


def quadratic_set(a: FloatArray, b: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute bounds of {u : a u^2 - 2 b u + c <= 0}; low > high is the complement of an interval, NaN in gives NaN."""
    discriminant = b**2 - a * c
    # The roots are q / a and c / q: no difference of like numbers, and a -> 0 sends the right one to infinity.
    q = b + np.copysign(np.sqrt(np.maximum(discriminant, 0.0)), b)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(q == 0, 0.0, q / a)
        second = np.where(q == 0, 0.0, c / q)
    small, large = np.minimum(first, second), np.maximum(first, second)
    low, high = np.where(a > 0, small, large), np.where(a > 0, large, small)
    # a = 0: the half line from c / 2b, upwards for b > 0.
    half = (a == 0) & (b != 0)
    low = np.where(half, np.where(b > 0, second, -np.inf), low)
    high = np.where(half, np.where(b > 0, np.inf, second), high)
    line = (a <= 0) & ((discriminant <= 0) | ((a == 0) & (b == 0)))
    return np.where(line & ~half, -np.inf, low), np.where(line & ~half, np.inf, high)


def wilson_ends(share: npt.ArrayLike, count: npt.ArrayLike, level: float) -> tuple[FloatArray, FloatArray]:
    """Compute Wilson's interval of a probability from a share of ``count`` trials; NaN without trials.

    It stays in [0, 1] and has a width where all trials agree. Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.
    """
    from scipy.special import ndtri

    p, n = np.broadcast_arrays(np.asarray(share, dtype=np.float64), np.asarray(count, dtype=np.float64))
    z2 = float(ndtri(0.5 + level / 2.0)) ** 2
    some = n > 0
    trials = np.where(some, n, 1.0)
    centre = (p + z2 / (2.0 * trials)) / (1.0 + z2 / trials)
    half = np.sqrt(z2 * (p * (1.0 - p) / trials + z2 / (4.0 * trials**2))) / (1.0 + z2 / trials)
    # At shares of 0 and 1 one end is the share itself, up to rounding.
    low, high = np.where(p > 0, centre - half, 0.0), np.where(p < 1, centre + half, 1.0)
    return np.where(some, low, np.nan), np.where(some, high, np.nan)
