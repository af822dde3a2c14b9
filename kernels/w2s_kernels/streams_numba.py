"""Compiled streams: the arithmetic of `streams` and `elementary`, word for word, written straight into the output."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np
from numba import njit, prange

from .backend import Array
from .elementary import COS, HALF_PI, LN2_HIGH, LN2_LOW, LOG, MANTISSA_BITS, ONE_BITS, SIN, SQRT_HALF_BITS

LOG_SHIFT = ONE_BITS - SQRT_HALF_BITS
TILE = 256  # blocks a step: plain loops over small tiles are what the compiler turns into vector instructions
ROWS = 16  # rows a task: scratch is made once for them


@njit(cache=True)
def _philox(lanes: Array, first: int, count: int, row: int, ident: Array) -> None:
    """Philox4x32-10 for the column blocks first ... first + count - 1 of one row; lanes is uint32 (4, TILE)."""
    for b in range(count):
        c0, c1, c2, c3 = np.uint32(first + b), np.uint32(row), ident[2], ident[3]
        k0, k1 = ident[0], ident[1]
        for _ in range(10):
            p0 = np.uint64(c0) * np.uint64(0xD2511F53)
            p1 = np.uint64(c2) * np.uint64(0xCD9E8D57)
            c0 = np.uint32(np.uint32(p1 >> np.uint64(32)) ^ c1 ^ k0)
            c1 = np.uint32(p1)
            c2 = np.uint32(np.uint32(p0 >> np.uint64(32)) ^ c3 ^ k1)
            c3 = np.uint32(p0)
            k0 = np.uint32(k0 + np.uint32(0x9E3779B9))
            k1 = np.uint32(k1 + np.uint32(0xBB67AE85))
        lanes[0, b], lanes[1, b], lanes[2, b], lanes[3, b] = c0, c1, c2, c3


@njit(cache=True)
def _uniform(pair: Array, lanes: Array, count: int) -> None:
    """53-bit uniforms in (0, 1) from two words each; pair is float64 (2, TILE)."""
    for lane in range(2):
        for b in range(count):
            high = np.int64(lanes[2 * lane, b] >> np.uint32(5))
            low = np.int64(lanes[2 * lane + 1, b] >> np.uint32(6))
            pair[lane, b] = max(np.float64(high << 26 | low), 0.5) * 2.0**-53


@njit(cache=True)
def _log(x: float) -> float:
    bits = np.float64(x).view(np.int64) + np.int64(LOG_SHIFT)
    k = np.float64((bits >> 52) - 1023)
    f = np.int64((bits & np.int64(MANTISSA_BITS)) + np.int64(SQRT_HALF_BITS)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = z * (LOG[0] + w * (LOG[2] + w * (LOG[4] + w * LOG[6])))
    even = w * (LOG[1] + w * (LOG[3] + w * LOG[5]))
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + (odd + even)) + k * LN2_LOW)) - f)


@njit(cache=True)
def _box_muller(pair: Array, count: int) -> None:
    """In place (u, v) -> sqrt(-2 log u) (cos 2 pi v, sin 2 pi v)."""
    for b in range(count):
        v = pair[1, b]
        quarter = np.floor(4.0 * v + 0.5)
        y = (4.0 * v - quarter) * HALF_PI
        z = y * y
        sine = y + (z * y) * (SIN[0] + z * (SIN[1] + z * (SIN[2] + z * (SIN[3] + z * (SIN[4] + z * SIN[5])))))
        tail = z * (z * (COS[0] + z * (COS[1] + z * (COS[2] + z * (COS[3] + z * (COS[4] + z * COS[5]))))))
        half = 0.5 * z
        w = 1.0 - half
        cosine = w + (((1.0 - w) - half) + tail)
        turn = np.int64(quarter)
        swapped = (turn & 1) == 1
        radius = np.sqrt(-2.0 * _log(pair[0, b]))
        cos_part = (sine if swapped else cosine) * np.float64(1 - 2 * (((turn + 1) >> 1) & 1))
        sin_part = (cosine if swapped else sine) * np.float64(1 - 2 * ((turn >> 1) & 1))
        pair[0, b] = radius * cos_part
        pair[1, b] = radius * sin_part


@njit(cache=True)
def _scatter(out: Array, lanes: Array, skip: int) -> None:
    """out[i] = value i + skip of the interleaved lanes."""
    width = lanes.shape[0]
    for lane in range(width):
        start = (lane + width - skip) % width
        block = (start + skip) // width
        for i in range(start, out.shape[0], width):
            out[i] = lanes[lane, block]
            block += 1


@njit(cache=True)
def _words(out: Array, row: int, col0: int, ident: Array, lanes: Array) -> None:
    cols, at = out.shape[0], 0
    while at < cols:
        block, skip = (col0 + at) // 4, (col0 + at) % 4
        size = min(cols - at, 4 * TILE - skip)
        _philox(lanes, block, (size + skip + 3) // 4, row, ident)
        _scatter(out[at : at + size], lanes, skip)
        at += size


@njit(cache=True)
def _doubles(out: Array, row: int, col0: int, ident: Array, lanes: Array, pair: Array, gaussian: bool) -> None:
    cols, at = out.shape[0], 0
    while at < cols:
        block, skip = (col0 + at) // 2, (col0 + at) % 2
        size = min(cols - at, 2 * TILE - skip)
        count = (size + skip + 1) // 2
        _philox(lanes, block, count, row, ident)
        _uniform(pair, lanes, count)
        if gaussian:
            _box_muller(pair, count)
        _scatter(out[at : at + size], pair, skip)
        at += size


@njit(cache=True, parallel=True)
def words(out: Array, row0: int, col0: int, ident: Array) -> None:
    """Fill uint32 `out` (rows, cols) from row `row0` and column `col0`; ident is uint32 (k0, k1, c2, c3)."""
    rows = out.shape[0]
    for chunk in prange((rows + ROWS - 1) // ROWS):
        lanes = np.empty((4, TILE), np.uint32)
        for i in range(chunk * ROWS, min(rows, (chunk + 1) * ROWS)):
            _words(out[i], row0 + i, col0, ident, lanes)


@njit(cache=True, parallel=True)
def _fill_doubles(out: Array, row0: int, col0: int, ident: Array, gaussian: bool) -> None:
    rows = out.shape[0]
    for chunk in prange((rows + ROWS - 1) // ROWS):
        lanes = np.empty((4, TILE), np.uint32)
        pair = np.empty((2, TILE), np.float64)
        for i in range(chunk * ROWS, min(rows, (chunk + 1) * ROWS)):
            _doubles(out[i], row0 + i, col0, ident, lanes, pair, gaussian)


def uniforms(out: Array, row0: int, col0: int, ident: Array) -> None:
    """Fill float64 `out` (rows, cols) with uniforms in (0, 1); arguments as in `words`."""
    _fill_doubles(out, row0, col0, ident, False)


def normals(out: Array, row0: int, col0: int, ident: Array) -> None:
    """Fill float64 `out` (rows, cols) with standard normals; arguments as in `words`."""
    _fill_doubles(out, row0, col0, ident, True)
