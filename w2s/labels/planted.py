"""Weak labels with their errors moved to chosen items: as many of them, of the same kinds, at other places."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s_kernels import NUMPY, permutation, stream

__all__ = ["planted"]

Matrix = npt.NDArray[np.float64]


def planted(values: Matrix, truth: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], seed: int) -> Matrix:
    """Permute labels (n, K) within every true class so that the wrong ones lie at the items with the highest scores (n,).

    A label is wrong whose most probable class is not the true one. Of equal scores the first item comes first; which wrong
    label an item gets is drawn by streams of ``seed``, and so are the right ones. Accuracy, confusion matrix, class prior and
    the set of probabilities stay exactly as they were, as for random errors (:func:`w2s.finetune.data.labels.flip`). Raises
    ValueError for a score that is not finite.
    """
    if not np.isfinite(scores).all():
        raise ValueError("a score of an item is not finite")
    result = values.copy()
    for k in np.unique(truth):
        places = np.flatnonzero(truth == k)
        wrong = values[places].argmax(axis=1) != k
        ranked = places[np.argsort(-scores[places], kind="stable")]
        at = 0
        for name, rows in (("wrong", places[wrong]), ("right", places[~wrong])):
            order = np.asarray(permutation(stream("planted", name, str(int(k)), seed=seed), len(rows), NUMPY))
            result[ranked[at : at + len(rows)]] = values[rows[order]]
            at += len(rows)
    return result
