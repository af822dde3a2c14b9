"""Which items hold an easy and a hard pattern at once, estimated without truth (Shin et al. 2024, arXiv 2412.03881)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["overlap_scores"]


def overlap_scores(confidence: npt.ArrayLike, features: npt.ArrayLike, hard: float) -> npt.NDArray[np.float64]:
    """Score items by how much of a hard pattern they hold beside an easy one: (n,) in [-1, 1].

    The weak model is least confident where it reads no pattern: the share ``hard`` of the items with the lowest ``confidence``
    stands for inputs with a hard pattern only, and has the score -1. Every other item has a pattern that the weak model reads;
    its score is the mean of |cos(h_i, h_j)| over the hard ones j, h the strong model's features less their mean. Inputs with
    both patterns look like hard ones, inputs with an easy pattern alone do not. A reconstruction of the paper's two steps.

    Parameters
    ----------
    confidence : (n,), such as the largest weak probability; of equal ones the earlier items are the hard ones.
    features : (n, d). hard : above 0 and below 1; at least one item is hard and one is not.

    Raises ValueError for another ``hard``, or fewer than two items. Cost O(hard n^2 d).
    """
    sure, states = np.asarray(confidence, dtype=np.float64), np.asarray(features, dtype=np.float64)
    count = len(sure)
    if not 0 < hard < 1 or count < 2:
        raise ValueError(f"a share of hard items lies between 0 and 1, of two items or more: {hard} of {count}")
    last = np.argsort(sure, kind="stable")[: min(max(round(hard * count), 1), count - 1)]
    around = states - states.mean(axis=0)
    norms = np.sqrt((around**2).sum(axis=1, keepdims=True))
    unit = around / np.where(norms > 0, norms, 1.0)
    found = np.abs(unit @ unit[last].T).mean(axis=1)
    found[last] = -1.0
    return np.asarray(found)
