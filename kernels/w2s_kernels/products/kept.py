"""Products by the kept machine code of the register tiles, and what a call of them needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array
from ..loops import Loop

__all__ = ["DEPTH", "TILED", "added", "gemm", "is_worth", "multiplied"]

DEPTH = 512  # products in a chain: a panel of so many rows of `right` stays in the second cache
HEIGHT = 64  # rows of `left` that a pass over the panels takes: they stay there beside one panel
_LEAST, _SMALL = 8, 2**20  # a shorter side does not fill a tile; fewer multiplications are done before a loop is called
_TILE = 16  # a multiple of the columns of a tile on every processor
_THIN = 32  # columns up to which copying a `left` that lies as (k, m) would take as long as the product
_FLAT = "float64[::1]"
TILED = Loop("products", "tiled", _FLAT, _FLAT, _FLAT, _FLAT, _FLAT, _FLAT, *["int64"] * 6)


def gemm(left: Array, right: Array) -> Array:
    """Multiply (m, k) @ (k, n)."""
    return multiplied(TILED, left, right)


def is_worth(m: int, k: int, n: int) -> bool:
    """Tell whether tiles are faster than BLAS for a product (m, k) @ (k, n)."""
    return min(m, k, n) >= _LEAST and m * k * n >= _SMALL


def multiplied(tiled: Callable[..., Any], left: Array, right: Array) -> Array:
    """Multiply as `gemm`, where `tiled` is the compiled loop."""
    out = np.empty((left.shape[0], right.shape[1]))
    _call(tiled, out, left, right, add=False, upper=False)
    return out


def added(tiled: Callable[..., Any], total: Array, X: Array, Z: Array, *, upper: bool = False) -> None:
    """Add X'Z to `total` (p, q), contiguous, in place; with `upper` to the tiles of its upper triangle alone."""
    _call(tiled, total, X.T, Z, add=True, upper=upper)


def _call(tiled: Callable[..., Any], out: Array, left: Array, right: Array, *, add: bool, upper: bool) -> None:
    if not out.flags.c_contiguous:
        raise ValueError(f"a product is written to a contiguous array, got strides {out.strides} of {out.shape}")
    (m, n), k = out.shape, left.shape[1]
    # A single row or column lies both ways; few rows must be copied, which `across` allows.
    across = left.T.flags.c_contiguous and not (left.flags.c_contiguous and left.shape[0] >= _LEAST)
    flat = (left.T if across else np.ascontiguousarray(left)).reshape(-1)
    depth, wide = -(-k // max(1, -(-k // DEPTH))), -(-n // _TILE) * _TILE  # chains of about one length
    copied = across and (n > _THIN or m < _TILE)
    if k < 1 or (not across and m < _LEAST):
        raise ValueError(f"tiles take a left matrix of {_LEAST} rows at least, and a product over something, got {left.shape}")
    scratch = np.empty(depth * wide), np.empty(HEIGHT * depth if copied else 0), np.empty(_TILE * _TILE)
    flags = across + 2 * copied + 4 * add + 8 * upper
    tiled(out.reshape(-1), flat, np.ascontiguousarray(right).reshape(-1), *scratch, m, k, n, depth, HEIGHT, flags)
