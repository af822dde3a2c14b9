"""A sample of each kind of work that a :class:`w2s.study.Piece` can be, to measure a machine's rates on.

The samples call what the studies call (the factorisations of :mod:`w2s.probe`, the kernels), checks and copies included, so a
rate is that of the whole step and not of the bare BLAS routine inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from w2s.probe import MomentProbe, RowProbe
from w2s.study import Kind
from w2s_kernels import Backend, filtered_products, flops, nested, normals, stream

__all__ = ["KINDS", "NORMAL_FLOPS", "workload"]

Matrix = npt.NDArray[np.float64]
Sample = tuple[Callable[[], object], float]

NORMAL_FLOPS = 100.0
"""Nominal operations of one normal: a quarter of a Threefry block of twenty rounds, half a logarithm, root, sine and cosine."""

_FILTERS, _LABELS = 20, 16


def workload(kind: Kind, order: int, backend: Backend) -> Sample:
    """Return a call that does some work of a kind at an order, and the nominal operations of one call.

    "other" is what a study does not say more about; it is taken to be as slow as passes over arrays.
    """
    return KINDS[kind](order, backend)


def _matrices(order: int, rows: int, seed: int = 0) -> Matrix:
    """Normals (batch, rows, order); small matrices come in batches, as they do in blocks of several seeds."""
    return np.random.default_rng(seed).standard_normal((_batch(order), rows, order))


def _batch(order: int) -> int:
    return max(1, 128 // order)


def _grams(order: int) -> Matrix:
    rows = _matrices(order, 2 * order)
    return np.asarray(np.swapaxes(rows, -1, -2) @ rows / rows.shape[-2])


def _gemm(order: int, _backend: Backend) -> Sample:
    left, right = _matrices(order, order), _matrices(order, order, seed=1)
    return lambda: left @ right, flops.gemm(order, order, order, _batch(order))


def _syrk(order: int, _backend: Backend) -> Sample:
    rows = _matrices(order, 2 * order)
    return lambda: np.swapaxes(rows, -1, -2) @ rows, flops.syrk(2 * order, order, _batch(order))


def _cholesky(order: int, backend: Backend) -> Sample:
    grams = _grams(order)
    return lambda: nested.cholesky_gram(grams, 0.1, backend), flops.cholesky(order, _batch(order))


def _trsm(order: int, backend: Backend) -> Sample:
    factor, _ = nested.cholesky_gram(_grams(order), 0.1, backend)
    right = _matrices(order, order)[..., :_LABELS]
    return lambda: nested.forward(factor, right, backend), flops.trsm(order, right.shape[-1], _batch(order))


def _eigh(order: int, backend: Backend) -> Sample:
    grams = _grams(order)
    return lambda: MomentProbe(grams, backend), flops.eigh(order, _batch(order))


def _svd(order: int, backend: Backend) -> Sample:
    rows = _matrices(order, order + order // 4)[0]
    return lambda: RowProbe(rows, "none", backend), flops.svd(len(rows), order)


def _qr(order: int, _backend: Backend) -> Sample:
    rows = _matrices(order, 2 * order)
    return lambda: np.linalg.qr(rows, mode="r"), flops.qr(2 * order, order, _batch(order))


def _normals(order: int, backend: Backend) -> Sample:
    rows, named = max(16, 2**16 // order), stream("calibration", seed=0)
    return lambda: normals(named, rows, order, backend), NORMAL_FLOPS * rows * order


def _elementwise(order: int, backend: Backend) -> Sample:
    """Errors of filtered estimators in one eigenbasis: the work of most cells."""
    response = np.ones((1, _FILTERS, order))
    vectors = np.random.default_rng(0).standard_normal((1, _LABELS, order))
    return lambda: filtered_products(response, vectors, vectors, vectors, backend), 8.0 * _FILTERS * _LABELS * order


KINDS: Mapping[Kind, Callable[[int, Backend], Sample]] = {
    "gemm": _gemm,
    "syrk": _syrk,
    "cholesky": _cholesky,
    "trsm": _trsm,
    "eigh": _eigh,
    "svd": _svd,
    "qr": _qr,
    "normals": _normals,
    "elementwise": _elementwise,
    "other": _elementwise,
}
"""Kinds of work and how a sample of each is made."""
