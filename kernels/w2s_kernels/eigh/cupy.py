"""Symmetric eigendecompositions of many matrices on a CUDA device, each one checked before it is believed.

A batched solver that is wrong for one item says nothing: the batched Jacobi routine of cuSOLVER once returned the diagonal. So
every item must have a small residual and orthonormal vectors. What fails goes down a ladder: cuSOLVER's batched routine, its
divide and conquer for one matrix, LAPACK on the host.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from .. import items
from ..backend import Array, to_host
from ..items import EPS
from . import cusolver
from .batches import device_free_bytes, in_batches, release_device_memory
from .repair import RESIDUAL_FACTOR

__all__ = ["correct", "eigh", "ladder", "solve"]

Solver: TypeAlias = Callable[[Array], tuple[Array, Array]]

COPIES = 8  # matrices of an item's order alive at once: matrix, vectors twice, workspace, and the products of the check

log = logging.getLogger(__name__)


def eigh(a: Array) -> tuple[Array, Array]:
    """Return eigenvalues (..., d) ascending and vectors (..., d, d) of symmetric float64 matrices on the device.

    The matrices are solved in batches that fit the free memory. An item that no solver got right comes back as nan. About 9 d^3
    flops an item for the decomposition and 4 d^3 for the checks.
    """
    import cupy

    d = a.shape[-1]
    flat = a.reshape(-1, d, d)
    values, vectors = cupy.empty(flat.shape[:2]), cupy.empty(flat.shape)
    limit = max(1, min(cusolver.LARGEST_BATCH, (2**31 - 1) // (d * d)))  # 32-bit offsets inside the library

    def work(part: slice) -> None:
        values[part], vectors[part] = solve(flat[part], ladder(), cupy)

    bytes_per_item = 8 * d * d * COPIES
    in_batches(work, len(flat), bytes_per_item, device_free_bytes(), limit=limit, release=release_device_memory)
    return values.reshape(a.shape[:-1]), vectors.reshape(a.shape)


def ladder() -> list[tuple[str, Solver]]:
    """List solvers by name, in the order in which they are tried; each takes and returns arrays on the device."""
    import cupy

    batched: list[tuple[str, Solver]] = [("cuSOLVER, batched", cusolver.eigh_batched)]
    one_by_one: list[tuple[str, Solver]] = [
        ("cuSOLVER, one by one", partial(items.eigh, xp=cupy)),
        ("LAPACK on the host", lambda a: _to_device(items.eigh(a.get(), np), cupy)),
    ]
    return (batched if cusolver.available() else []) + one_by_one


def solve(a: Array, solvers: Sequence[tuple[str, Solver]], xp: Any) -> tuple[Array, Array]:
    """Return eigenvalues (items, d) and vectors (items, d, d) by the first solver that is right about an item, else nan.

    A solver that raises has solved nothing. Running out of memory is not the solver's fault, and that error is passed on.
    """
    count, d = a.shape[:2]
    values, vectors = xp.full((count, d), np.nan), xp.full(a.shape, np.nan)
    left = np.arange(count)
    for name, solver in solvers:
        of_left = a if len(left) == count else a[xp.asarray(left)]
        found = _attempt(solver, of_left, name)
        flags = xp.zeros(len(left), dtype=bool) if found is None else correct(of_left, *found, xp)
        if found is not None and len(left) == count and bool(flags.all()):
            return found  # as nearly always: nothing moves between host and device
        right = to_host(flags)
        if found is not None and right.any():
            here, there = xp.asarray(left[right]), xp.asarray(np.flatnonzero(right))
            values[here], vectors[here] = found[0][there], found[1][there]
        left = left[~right]
        if not len(left):
            break
        log.warning("%s failed for %d of %d matrices of order %d", name, len(left), len(right), d)
    return values, vectors


def correct(a: Array, values: Array, vectors: Array, xp: Any) -> Array:
    """Tell which items are decompositions, (items,) bool: |A V - V S|, |V'V - I| small and eigenvalues ascending.

    The bounds are 64 d eps, times the largest |eigenvalue| for the first; nan is never correct.
    """
    d = a.shape[-1]
    bound = RESIDUAL_FACTOR * d * EPS
    with np.errstate(invalid="ignore", over="ignore"):
        residual = xp.max(xp.abs(a @ vectors - vectors * values[:, None, :]), axis=(-2, -1))
        inner = xp.ascontiguousarray(xp.swapaxes(vectors, -1, -2)) @ vectors
        skew = xp.max(xp.abs(inner - xp.eye(d)), axis=(-2, -1))
        ascending = xp.all(values[:, 1:] >= values[:, :-1], axis=-1)
        return (residual <= bound * xp.max(xp.abs(values), axis=-1)) & (skew <= bound) & ascending


def _attempt(solver: Solver, a: Array, name: str) -> tuple[Array, Array] | None:
    try:
        return solver(a)
    except (RuntimeError, np.linalg.LinAlgError) as error:  # the libraries' errors are RuntimeErrors
        log.warning("%s raised %s: %s", name, type(error).__name__, error)
        return None


def _to_device(arrays: tuple[Array, Array], xp: Any) -> tuple[Array, Array]:
    return xp.asarray(arrays[0]), xp.asarray(arrays[1])
