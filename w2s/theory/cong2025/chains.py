"""Means over the texts of a bigram model, exactly: the tokens of a text are a Markov chain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["divergence", "per_token"]

Values = npt.NDArray[np.float64]
_TOLERANCE = 1e-9


def per_token(policy: npt.ArrayLike, values: npt.ArrayLike, length: int) -> Values:
    """Compute the mean per token of a sum over the steps of a text, with a prompt of one token that is uniform over all.

    Parameters
    ----------
    policy : probabilities (..., V, V) of the next token (columns) after each (rows).
    values : (..., V, V), what each step is worth; they broadcast. A step without probability counts nothing.
    length : tokens of a text behind the prompt.

    Returns (...,). Domain: a length of 1 or more, and rows of the policy that are distributions; NaN outside. O(length V^2).
    """
    chances, worth = np.asarray(policy, dtype=np.float64), np.asarray(values, dtype=np.float64)
    proper = (chances >= 0.0).all(axis=(-2, -1)) & (np.abs(chances.sum(axis=-1) - 1.0) <= _TOLERANCE).all(axis=-1)
    with np.errstate(invalid="ignore"):
        gains = np.where(chances > 0.0, chances * worth, 0.0).sum(axis=-1)
    tokens = chances.shape[-1]
    visits = np.full((*chances.shape[:-2], 1, tokens), 1.0 / tokens)
    total = np.zeros(gains.shape[:-1])
    for _ in range(length):
        total = total + (visits[..., 0, :] * gains).sum(axis=-1)
        visits = visits @ chances
    return np.asarray(np.where(proper & (length >= 1), total / max(length, 1), np.nan))


def divergence(policy: npt.ArrayLike, reference: npt.ArrayLike, length: int) -> Values:
    """Compute KL(policy || reference) of texts per token, in nats: (..., V, V) and their like to (...,).

    Infinite where the policy says what the reference cannot; NaN outside the domain of :func:`per_token`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return per_token(policy, np.log(np.asarray(policy, float)) - np.log(np.asarray(reference, float)), length)
