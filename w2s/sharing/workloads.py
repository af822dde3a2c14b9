"""A sample of each kind of work that a :class:`w2s.contract.study.Piece` can be, to measure a machine's rates on.

The samples call what the studies call (the factorisations of :mod:`w2s.probes.rows`, the kernels), checks and copies
included, so a rate is that of the whole step and not of the bare BLAS routine inside.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from w2s.contract.study import Kind
from w2s.probes.moments import MomentProbe
from w2s.probes.rows import RowProbe
from w2s.sharing.nominal import FIT_PASSES, NORMAL_FLOPS, TURN
from w2s_kernels import Backend, filtered_products, flops, gemm, gram, nested, normals, stream
from w2s_kernels.descent import descend
from w2s_kernels.robust import train_classifiers

__all__ = ["KINDS", "workload"]

Matrix = npt.NDArray[np.float64]
Sample = tuple[Callable[[], object], float]

_FILTERS, _LABELS = 20, 16
_LAYERS, _MINIBATCH, _PASSED = 3, 256, 2048
_NETWORKS, _PIXELS, _CLASSES = 4, 256, 10


def workload(kind: Kind, order: int, backend: Backend) -> Sample:
    """Return a call that does work of one kind at an order, and the nominal operations of one call.

    The kind "other" is work that a study does not describe; it is taken to be as slow as passes over arrays.
    """
    return KINDS[kind](order, backend)


def _matrices(order: int, rows: int, seed: int = 0) -> Matrix:
    """Draw normals (batch, rows, order); small matrices come in batches, as they do in blocks of several seeds."""
    return np.random.default_rng(seed).standard_normal((_batch(order), rows, order))


def _batch(order: int) -> int:
    return max(1, 128 // order)


def _grams(order: int) -> Matrix:
    rows = _matrices(order, 2 * order)
    return np.asarray(np.swapaxes(rows, -1, -2) @ rows / rows.shape[-2])


def _gemm(order: int, backend: Backend) -> Sample:
    left, right = _matrices(order, order), _matrices(order, order, seed=1)
    if len(left) > 1:
        return lambda: left @ right, flops.gemm(order, order, order, _batch(order))
    return lambda: gemm(left[0], right[0], backend), flops.gemm(order, order, order)


def _syrk(order: int, backend: Backend) -> Sample:
    rows = _matrices(order, 2 * order)
    return lambda: gram(rows, backend=backend), flops.syrk(2 * order, order, _batch(order))


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


def _descent(order: int, backend: Backend) -> Sample:
    """Prepare one epoch of a network of three layers, ``order`` units each, in minibatches of 256 rows."""
    rows = max(_MINIBATCH, 2**15 // order)
    draws = np.random.default_rng(0)
    weights = [draws.standard_normal((1, order, order)) / order for _ in range(_LAYERS)]
    biases, inputs = [np.zeros((1, order)) for _ in range(_LAYERS)], draws.standard_normal((rows, order))
    heads, tasks, targets = np.ones((1, 1, order)), np.zeros(rows, dtype=np.int64), inputs.sum(axis=1)
    sequence = [stream("calibration", "order", seed=0)]

    def train() -> object:
        return descend(weights, biases, inputs, heads, tasks, targets, sequence, epochs=1, batch=_MINIBATCH, backend=backend)

    return train, 3.0 * (flops.gemm(rows, order, order, _LAYERS) + flops.gemm(rows, order, 1)) + TURN * rows


def _robust(order: int, backend: Backend) -> Sample:
    """Prepare one epoch of four classifiers of two hidden layers, ``order`` units each, in minibatches of 32 rows."""
    rows, draws = max(_MINIBATCH, 2**14 // order), np.random.default_rng(0)
    inputs, labels = draws.standard_normal((1, rows, _PIXELS)), draws.integers(_CLASSES, size=(_NETWORKS, rows))
    fans = [_PIXELS, order, order, _CLASSES]
    weights = [draws.standard_normal((_NETWORKS, *fan)) / np.sqrt(fan[0]) for fan in itertools.pairwise(fans)]
    biases, worlds = [np.zeros((_NETWORKS, fan)) for fan in fans[1:]], np.zeros(_NETWORKS, dtype=np.int64)
    given = (weights, biases, inputs, labels, np.zeros_like(inputs), [stream("calibration", "robust", seed=0)])

    def train() -> object:
        return train_classifiers(*given, epochs=1, batch=32, worlds=worlds, backend=backend)

    return train, 3.0 * _NETWORKS * sum(flops.gemm(rows, *fan) for fan in itertools.pairwise(fans))


def _logistic(order: int, backend: Backend) -> Sample:
    """Prepare logistic fits of 2048 rows on 16 labels side by side, as students of several teachers are fitted."""
    from w2s.probes.logistic import Logistic

    rows = np.random.default_rng(0).standard_normal((_PASSED, order))
    slopes = np.random.default_rng(1).standard_normal((order, _LABELS)) / np.sqrt(order)
    share, head = 1.0 / (1.0 + np.exp(-rows @ slopes)), Logistic(rows, "center", backend)
    targets, strengths = [np.stack([1.0 - one, one], axis=1) for one in share.T], [0.01] * _LABELS
    return lambda: head.fit_all(targets, strengths), _LABELS * FIT_PASSES * flops.gemm(_PASSED, order, 2)


def _elementwise(order: int, backend: Backend) -> Sample:
    """Prepare the errors of filtered estimators in one eigenbasis: the work of most cells."""
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
    "descent": _descent,
    "robust": _robust,
    "logistic": _logistic,
    "elementwise": _elementwise,
    "other": _elementwise,
}
"""Kinds of work and how a sample of each is made."""
