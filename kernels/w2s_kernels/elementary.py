"""Logarithm, sine and cosine from correctly rounded operations alone, for draws with the same bits everywhere.

The library functions differ in the last bits between NumPy builds, processors, compilers and GPUs. These use the
polynomials of fdlibm (Sun Microsystems, 1993: e_log.c, k_sin.c, k_cos.c) in one written order of + - * / and sqrt.
Errors are below 2 units in the last place on the ranges stated, which are the ones that Box-Muller needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Array

LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
HALF_PI = 1.5707963267948966
LOG = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)
SIN = (
    -1.66666666666666324348e-01,
    8.33333333332248946124e-03,
    -1.98412698298579493134e-04,
    2.75573137070700676789e-06,
    -2.50507602534068634195e-08,
    1.58969099521155010221e-10,
)
COS = (
    4.16666666666666019037e-02,
    -1.38888888888741095749e-03,
    2.48015872894767294178e-05,
    -2.75573143513906633035e-07,
    2.08757232129817482790e-09,
    -1.13596475577881948265e-11,
)
# Splits x = 2**k f with sqrt(1/2) <= f < sqrt(2) by integer arithmetic on the bits.
SQRT_HALF_BITS = 0x3FE6A09E00000000
ONE_BITS = 0x3FF0000000000000
MANTISSA_BITS = 0x000FFFFFFFFFFFFF


def box_muller(u: Array, v: Array, xp: Any) -> tuple[Array, Array]:
    """sqrt(-2 log u) (cos 2 pi v, sin 2 pi v): two independent standard normals from uniforms in (0, 1)."""
    radius = xp.sqrt(-2.0 * log(u, xp))
    cosine, sine = cos_sin_turns(v, xp)
    return radius * cosine, radius * sine


def log(x: Array, xp: Any) -> Array:
    """Natural logarithm of normal positive float64 numbers."""
    bits = xp.ascontiguousarray(x).view(np.int64) + (ONE_BITS - SQRT_HALF_BITS)
    k = ((bits >> 52) - 1023).astype(np.float64)
    f = ((bits & MANTISSA_BITS) + SQRT_HALF_BITS).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = z * (LOG[0] + w * (LOG[2] + w * (LOG[4] + w * LOG[6])))
    even = w * (LOG[1] + w * (LOG[3] + w * LOG[5]))
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + (odd + even)) + k * LN2_LOW)) - f)


def cos_sin_turns(v: Array, xp: Any) -> tuple[Array, Array]:
    """cos(2 pi v) and sin(2 pi v) for 0 <= v < 1; the reduction to an eighth of a turn is exact."""
    quarter = xp.floor(4.0 * v + 0.5)
    y = (4.0 * v - quarter) * HALF_PI
    z = y * y
    sine = y + (z * y) * (SIN[0] + z * (SIN[1] + z * (SIN[2] + z * (SIN[3] + z * (SIN[4] + z * SIN[5])))))
    tail = z * (z * (COS[0] + z * (COS[1] + z * (COS[2] + z * (COS[3] + z * (COS[4] + z * COS[5]))))))
    half = 0.5 * z
    w = 1.0 - half
    cosine = w + (((1.0 - w) - half) + tail)
    turn = quarter.astype(np.int64)
    swapped = (turn & 1) == 1
    cos_sign = 1.0 - 2.0 * (((turn + 1) >> 1) & 1)
    sin_sign = 1.0 - 2.0 * ((turn >> 1) & 1)
    return cos_sign * xp.where(swapped, sine, cosine), sin_sign * xp.where(swapped, cosine, sine)
