"""The residual of an eigendecomposition, looked at through a few sign vectors, and the SVD for what fails."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..backend import Array
from ..items import EPS, matmul, svd
from ..streams.threefry import threefry

RESIDUAL_FACTOR = 64.0
PROBES = 8  # sign vectors through which a residual is looked at


def repaired(G: Array, values: Array, vectors: Array, xp: Any) -> tuple[Array, Array, Array]:
    """Replace the items that fail the residual check by their SVD, whose left vectors are the eigenvectors.

    Return eigenvalues, eigenvectors and which items were replaced.
    """
    bad = xp.asarray(_is_bad(G, values, vectors, xp))
    if not bool(xp.any(bad)):
        return values, vectors, bad
    left, sigma, right = svd(G, xp)
    sign = xp.where(xp.sum(xp.swapaxes(left, -1, -2) * right, axis=-1) < 0, -1.0, 1.0)
    values = xp.where(bad[..., None], sign * sigma, values)
    vectors = xp.ascontiguousarray(xp.where(bad[..., None, None], left, vectors))
    if bool(xp.any(_is_bad(G, values, vectors, xp))):
        raise np.linalg.LinAlgError("neither the symmetric eigensolver nor the SVD reached a small residual")
    return values, vectors, bad


def _is_bad(G: Array, values: Array, vectors: Array, xp: Any) -> Array:
    """Check residuals, (...) bool: true where max |R Z| is above 64 d eps s_max for R = G V - V S, or not a number.

    Z holds fixed random signs. An entry of R stays hidden only if the others of its row cancel it for every column of Z.
    Rounding adds up to a multiple of sqrt(d), far below the bound. 6 PROBES d^2 flops in place of 2 d^3.
    """
    signs = _signs(G.shape[-1], xp)
    weighted = values[..., None] * signs
    images = matmul(vectors, xp.concatenate([xp.broadcast_to(signs, weighted.shape), weighted], axis=-1), xp)
    applied, scaled = xp.ascontiguousarray(images[..., :PROBES]), images[..., PROBES:]
    residual = xp.max(xp.abs(matmul(G, applied, xp) - scaled), axis=(-2, -1))
    return ~(residual <= RESIDUAL_FACTOR * G.shape[-1] * EPS * xp.max(xp.abs(values), axis=-1))


@functools.lru_cache(maxsize=64)
def _signs(d: int, xp: Any) -> Array:
    """Return fixed random signs (d, PROBES), made in the library where they are needed."""
    none = xp.zeros(d, dtype=np.uint64)
    word = threefry((xp.arange(d, dtype=np.uint64), none, none, none), (np.uint64(0),) * 4)[0]
    bits = (word[:, None] >> xp.arange(PROBES, dtype=np.uint64)) & np.uint64(1)
    return 1.0 - 2.0 * bits.astype(np.float64)
