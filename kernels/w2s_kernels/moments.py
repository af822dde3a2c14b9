"""Second-moment sums over the sample axis, at one or many sample counts.

One rule of summation for all of them: rows are added in chunks of `CHUNK`, counted from row 0, each chunk one GEMM.
G(n) is the sum at the last chunk border plus the remainder, so its bits depend on the first n rows alone, never on
how many rows follow or which other counts are asked.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .backend import Array, Backend, require_finite, resolve
from .items import transpose_matmul

CHUNK = 1024


def gram(X: Array, Z: Array | None = None, backend: Backend | None = None) -> Array:
    """Sum over samples X'Z = sum_i x_i z_i', float64; not divided by n.

    Parameters
    ----------
    X :
        (..., n, p) real; integers and float32 are converted first, the input is never written to.
    Z :
        (..., n, q), X itself if None (the result is then symmetric to the bit).
    backend :
        None means the reference in the library where X lives.

    Returns
    -------
    (..., p, q) float64, equal to `prefix_grams(X, [n], Z)[..., 0, :, :]` bit for bit. Cost 2 n p q flops an item.

    Raises
    ------
    ValueError : non-finite values (how many, where first), or shapes that do not match.
    """
    X, Z, xp = _enter(X, Z, backend)
    return _sums(X, Z, [X.shape[-2]], xp)[0]


def prefix_grams(X: Array, counts: Sequence[int] | Array, Z: Array | None = None, backend: Backend | None = None) -> Array:
    """Sums G(n) = sum_{i < n} x_i z_i' at increasing sample counts, in one pass over the rows.

    Parameters
    ----------
    X, Z, backend :
        as in `gram`.
    counts :
        strictly increasing integers with 1 <= n <= N.

    Returns
    -------
    (..., len(counts), p, q) float64. Cost: one GEMM over max(counts) rows, plus less than CHUNK rows a count.

    Raises
    ------
    ValueError : as in `gram`, or counts that are not strictly increasing within 1..N.
    """
    X, Z, xp = _enter(X, Z, backend)
    return xp.stack(_sums(X, Z, _checked(counts, X.shape[-2]), xp), axis=-3)


def _sums(X: Array, Z: Array, counts: list[int], xp: Any) -> list[Array]:
    border, total, sums = 0, None, []
    for n in counts:
        while border + CHUNK <= n:
            total = _add(total, _block(X, Z, border, border + CHUNK, xp))
            border += CHUNK
        sums.append(total if n == border else _add(total, _block(X, Z, border, n, xp)))
    return sums


def _block(X: Array, Z: Array, start: int, stop: int, xp: Any) -> Array:
    left = X[..., start:stop, :]
    return transpose_matmul(left, left if Z is X else Z[..., start:stop, :], xp)


def _add(total: Array | None, block: Array) -> Array:
    return block if total is None else total + block


def _enter(X: Array, Z: Array | None, backend: Backend | None) -> tuple[Array, Array, Any]:
    """Float64 contiguous finite operands; Z is X when there is only one."""
    chosen = resolve(backend, X)
    xp = chosen.xp
    X = _operand(X, "X", chosen)
    if Z is None:
        return X, X, xp
    Z = _operand(Z, "Z", chosen)
    if X.shape[:-1] != Z.shape[:-1]:
        raise ValueError(f"X and Z must share batch and sample axes, got shapes {X.shape} and {Z.shape}")
    return X, Z, xp


def _operand(a: Array, name: str, backend: Backend) -> Array:
    a = backend.xp.ascontiguousarray(backend.asarray(a))
    if a.ndim < 2 or a.shape[-2] == 0:
        raise ValueError(f"{name} must have shape (..., n, features) with n >= 1, got {a.shape}")
    require_finite(a, name, backend.xp)
    return a


def _checked(counts: Sequence[int] | Array, limit: int) -> list[int]:
    checked = [operator.index(n) for n in np.asarray(counts).tolist()]
    increasing = all(a < b for a, b in itertools.pairwise(checked))
    if not checked or not increasing or checked[0] < 1 or checked[-1] > limit:
        raise ValueError(f"counts must increase strictly within 1..{limit}, got {checked}")
    return checked
