"""Second-moment sums over the sample axis, at one or many sample counts, of rows in memory or of rows made on the way.

One rule of summation for all of them: rows are added in chunks of `CHUNK`, counted from row 0. G(n) is the sum at the last
chunk border plus the remainder, so its bits depend on the first n rows alone, never on how many rows follow, which other
counts are asked, or whether all rows are there at once.

Wide symmetric sums on the CPU stay in one triangle, by register tiles or by BLAS (dsyrk), and are mirrored once a count: what
a product per chunk, its mirror image and its addition to the sum cost on top is a fifth at width 1024.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from ..backend import Array, Backend, require_finite, resolve
from ..dispatch import operation

__all__ = ["CHUNK", "TOGETHER", "gram", "streamed_grams"]

ADD = operation("moments", "add", "numba", "cupy", "kept")

CHUNK = 384  # long enough for the full rate of BLAS; what a count costs beyond its neighbours is half of it on average
TOGETHER = 8  # chunks of rows that are made by one call: what a call costs by itself is then little of it
_MIRROR = 64  # columns mirrored at a time

Chunks: TypeAlias = Iterator[tuple[Array, Array]]


def gram(X: Array, Z: Array | None = None, backend: Backend | None = None) -> Array:
    """Sum X'Z = sum_i x_i z_i' over samples, float64; not divided by n.

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
    (..., p, q) float64, equal bit for bit to the sum at n of `streamed_grams`. Cost 2 n p q flops an item.

    Raises
    ------
    ValueError : non-finite values (how many, where first), or shapes that do not match.
    """
    X, Z, chosen = _enter(X, Z, backend)
    n = X.shape[-2]
    return _sums(_chunks(X, Z, n), [n], chosen)[..., 0, :, :]


def streamed_grams(rows: Callable[[tuple[int, int]], Array], counts: Sequence[int] | Array, backend: Backend) -> Array:
    """Sum G(n) = sum_{i < n} x_i x_i' at many counts n, of rows that are made a few chunks at a time, never all at once.

    Parameters
    ----------
    rows :
        rows((start, stop)) gives the rows start ... stop - 1, (..., stop - start, p) real, as the random streams do.
        Called once for every `TOGETHER` chunks, in order, and not beyond the largest count.
    counts :
        strictly increasing integers from 1 on.

    Returns
    -------
    (..., len(counts), p, p) float64, symmetric to the bit. Memory: `TOGETHER` chunks of rows beside the sums. Cost: n p (p +
    1) flops an item for the largest count n, and less than CHUNK rows more for each other count.

    Raises
    ------
    ValueError : counts that do not increase strictly from 1 on; rows as in `gram`, the place of a non-finite value counted
        from the first row of its call.
    """
    checked = _checked(counts)
    pieces = ((piece, _operand(rows(piece), f"rows {piece}", backend)) for piece in _borders(checked[-1], CHUNK * TOGETHER))
    chunks = (X[..., start:stop, :] for (first, last), X in pieces for start, stop in _borders(last - first))
    return _sums(((X, X) for X in chunks), checked, backend)


def _sums(chunks: Chunks, counts: list[int], backend: Backend) -> Array:
    """Sum X'Z over the chunks, and return the sums at every count, (..., len(counts), p, q).

    Each sum is computed in its final place; the place of the last one holds the running total.
    """
    start, earlier, add = 0, counts[:-1], ADD.on(backend)
    for X, Z in chunks:
        if start == 0:
            sums = backend.xp.empty((*X.shape[:-2], len(counts), X.shape[-1], Z.shape[-1]))
            total = sums[..., -1, :, :]
            total[...] = 0.0
        for place, n in enumerate(earlier):
            if start < n < start + CHUNK:
                sums[..., place, :, :] = total
                part = X[..., : n - start, :]
                add(sums[..., place, :, :], part, part if Z is X else Z[..., : n - start, :])
        upper = add(total, X, Z)
        start += CHUNK
        if start in earlier:
            sums[..., earlier.index(start), :, :] = total
    if upper:
        _mirror(sums)
    return sums


def _mirror(sums: Array) -> None:
    """Fill in the lower triangles of sums whose upper triangles alone were computed, in place."""
    width = sums.shape[-1]
    for start in range(0, width, _MIRROR):
        stop = min(start + _MIRROR, width)
        sums[..., stop:, start:stop] = np.swapaxes(sums[..., start:stop, stop:], -1, -2)
        upper = np.triu(sums[..., start:stop, start:stop])
        sums[..., start:stop, start:stop] = upper + np.swapaxes(np.triu(upper, 1), -1, -2)


def _chunks(X: Array, Z: Array, n: int) -> Chunks:
    for start, stop in _borders(n):
        left = X[..., start:stop, :]
        yield left, left if Z is X else Z[..., start:stop, :]


def _borders(n: int, length: int = CHUNK) -> Iterator[tuple[int, int]]:
    return ((start, min(start + length, n)) for start in range(0, n, length))


def _enter(X: Array, Z: Array | None, backend: Backend | None) -> tuple[Array, Array, Backend]:
    """Return contiguous, finite float64 operands and their backend; Z is X when only X is given."""
    chosen = resolve(backend, X)
    X = _operand(X, "X", chosen)
    if Z is None:
        return X, X, chosen
    Z = _operand(Z, "Z", chosen)
    if X.shape[:-1] != Z.shape[:-1]:
        raise ValueError(f"X and Z must share batch and sample axes, got shapes {X.shape} and {Z.shape}")
    return X, Z, chosen


def _operand(a: Array, name: str, backend: Backend) -> Array:
    a = backend.xp.ascontiguousarray(backend.asarray(a))
    if a.ndim < 2 or a.shape[-2] == 0:
        raise ValueError(f"{name} must have shape (..., n, features) with n >= 1, got {a.shape}")
    require_finite(a, name, backend.xp)
    return a


def _checked(counts: Sequence[int] | Array) -> list[int]:
    checked = [operator.index(n) for n in np.asarray(counts).tolist()]
    if not checked or checked[0] < 1 or not all(a < b for a, b in itertools.pairwise(checked)):
        raise ValueError(f"counts must increase strictly from 1 on, got {checked}")
    return checked
