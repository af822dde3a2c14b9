"""Normals from random words by correctly rounded operations alone, for draws with the same bits everywhere.

The library's logarithm, sine and cosine differ in the last bits between NumPy builds, processors, compilers and GPUs.
Here there are only + - * / and sqrt in one written order, never contracted to a fused multiply-add, and integer operations
on the bits. The polynomials are best in the largest relative error on the ranges stated, found by Remez exchange in 60
digits; they are off by less than 2e-17, and results by less than 2 units in the last place (against 40 digits).

Written once: NumPy and CuPy run it on arrays, Numba compiles it for numbers. No step needs more than AVX2, or CUDA without
contraction, to run on vectors.
"""

from __future__ import annotations

import numpy as np

from ..backend import Array

_U64 = np.uint64
LOG = (
    -1.333333333333334,
    -0.7999999999979689,
    -0.5714285725280079,
    -0.44444422145134377,
    -0.3636578648097066,
    -0.30663192469194495,
    -0.2923576276772607,
)
SIN = (
    1.5707963267948966,
    -0.6459640975062462,
    0.07969262624614426,
    -0.004681754134254782,
    0.00016044116662052683,
    -3.59870298038556e-06,
    5.6422300748810296e-08,
)
COS = (
    -1.2337005501361697,
    0.2536695079010478,
    -0.02086348076334078,
    0.0009192602745469629,
    -2.520203902892637e-05,
    4.7106784369554455e-07,
    -6.329400488359553e-09,
)
_MINUS_TWO_LOG_2 = -1.3862943611198906
_FRACTION = _U64(12)  # of 64 random bits the upper 52 make a number
_EXPONENT = _U64(52)
_ONE_BITS = _U64(0x3FF0000000000000)
_MANTISSA_BITS = _U64(0x000FFFFFFFFFFFFF)
# Splits x = 2**k m with sqrt(1/2) <= m < sqrt(2) by integer arithmetic on the bits.
_SQRT_HALF_BITS = _U64(0x3FE6A09E00000000)
_TO_SQRT_HALF = _U64(0x3FF0000000000000 - 0x3FE6A09E00000000)
# An integer below 2**52, put under the exponent of 2**52, reads as 2**52 plus itself: a conversion on any vector unit.
_TWO_52_BITS = _U64(0x4330000000000000)
_TWO_52_AND_BIAS = 2.0**52 + 1023.0
_SWAP, _SIGN, _NONE = _U64(2), _U64(63), _U64(0)


def number(word: Array) -> Array:
    """Reinterpret the bits of a uint64 as a float64."""
    return word.view(np.float64)


def bits(x: Array) -> Array:
    """Reinterpret the bits of a float64 as a uint64."""
    return x.view(np.uint64)


def either(condition: Array, yes: Array, no: Array) -> Array:
    """Select `yes` where the condition holds, `no` elsewhere."""
    return np.where(condition, yes, no)


def unit(word: Array) -> Array:
    """Map a uint64 word to the open (0, 1): (m + 1/2) / 2**52, m its upper 52 bits; exact, and 1 - u is as likely as u."""
    return number((word >> _FRACTION) | _ONE_BITS) - (1.0 - 2.0**-53)


def box_muller(first: Array, second: Array) -> tuple[Array, Array]:
    """Map two uint64 words to two independent standard normals: sqrt(-2 log u) (cos a, sin a), |z| < 8.58.

    u is `unit` of the first word. The upper 52 bits of the second word place the angle a within a quarter of the circle; its
    bits 0 and 1 choose the quarter.
    """
    radius = np.sqrt(minus_two_log(unit(first)))
    x = (number((second >> _FRACTION) | _ONE_BITS) - 1.5) + 2.0**-53
    cosine, sine = cos_sin_quarter(x)
    cosine = number(bits(cosine) ^ (second << _SIGN))
    swapped = (second & _SWAP) != _NONE
    return radius * either(swapped, sine, cosine), radius * either(swapped, cosine, sine)


def minus_two_log(u: Array) -> Array:
    """Compute -2 log u for normal u > 0 of float64, by log m = 2 artanh((m - 1)/(m + 1)) for sqrt(1/2) <= m < sqrt(2)."""
    moved = bits(u) + _TO_SQRT_HALF
    k = number((moved >> _EXPONENT) | _TWO_52_BITS) - _TWO_52_AND_BIAS
    f = number((moved & _MANTISSA_BITS) + _SQRT_HALF_BITS) - 1.0
    s = f / (f + 2.0)
    z = s * s
    p = LOG[0] + z * (LOG[1] + z * (LOG[2] + z * (LOG[3] + z * (LOG[4] + z * (LOG[5] + z * LOG[6])))))
    return k * _MINUS_TWO_LOG_2 + (s * (z * p) - 4.0 * s)


def cos_sin_quarter(x: Array) -> tuple[Array, Array]:
    """Compute cos(pi x / 2) and sin(pi x / 2) for |x| <= 1/2."""
    y = x * x
    cosine = COS[0] + y * (COS[1] + y * (COS[2] + y * (COS[3] + y * (COS[4] + y * (COS[5] + y * COS[6])))))
    sine = SIN[0] + y * (SIN[1] + y * (SIN[2] + y * (SIN[3] + y * (SIN[4] + y * (SIN[5] + y * SIN[6])))))
    return 1.0 + y * cosine, x * sine
