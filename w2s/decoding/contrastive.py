"""Contrastive decoding: what an aligned model says more of than the model that it was aligned from.

With log-probabilities log p of the aligned and log q of the unaligned model, the score of a token is log p - lambda log q,
among the tokens that are plausible, whose p is at least a share of the largest p. Lambda 0 is filtered sampling from p, and
lambda 1 is sampling by the implicit reward of a token, log p / q.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["contrastive", "plausible_tokens"]

_SLACK = 1e-9
"""The cut is inclusive: a token whose p is on it to rounding is kept."""
_LEAST = float(np.log(np.finfo(np.float64).tiny))
"""Stands for log 0 of q: a token that the unaligned model never says has the largest contrast, not an infinite one."""


def plausible_tokens(log_p: Any, share: float, xp: Any = np) -> Any:
    """Mark tokens with p of at least ``share`` of the largest p, and above 0: log_p (..., V) to bool (..., V); O(V) each.

    Raises ValueError for a share outside [0, 1]. With share 0 every token with a probability is plausible.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"the share of the largest probability lies in [0, 1], got {share!r}")
    possible = log_p > -np.inf
    if share == 0.0:
        return possible
    return possible & (log_p >= xp.max(log_p, axis=-1, keepdims=True) + (np.log(share) - _SLACK))


def contrastive(log_p: Any, log_q: Any, lam: float, plausible: float, temperature: float = 1.0, xp: Any = np) -> Any:
    """Compute log-probabilities of the contrast (log p - lam log q) / temperature over the plausible tokens.

    Parameters
    ----------
    log_p, log_q : normalised log-probabilities (..., V) of the aligned and of the unaligned model; they broadcast. -inf is
        allowed.
    lam : strength of the contrast, a finite number from 0 on. A program of the method's authors counts by alpha = 1 - lam.
    plausible : share of the largest p that a token needs, in [0, 1]; 0 leaves all. The cut is inclusive, with a slack of 1e-9.
    temperature : scores are divided by it, above 0.
    xp : the array namespace, NumPy or CuPy.

    Returns (..., V), float64, -inf outside the plausible set. One pass of normalisation: a second one, as in some programs,
    adds the same number to all tokens. O(V) each. Raises ValueError for numbers out of range.

    Source: arXiv 2510.07884, section 3, and its code; the plausible set is that of arXiv 2210.15097.
    """
    if not (0.0 <= lam < float("inf") and 0.0 < temperature < float("inf")):
        raise ValueError(f"lam is a number from 0 on and temperature one above 0, got {lam!r} and {temperature!r}")
    kept = plausible_tokens(log_p, plausible, xp)
    scores = xp.where(kept, log_p, 0.0)
    if lam:
        scores = scores - lam * xp.maximum(log_q, _LEAST)
    scores = xp.where(kept, scores / temperature, -np.inf)
    scores = scores - xp.max(scores, axis=-1, keepdims=True)
    return scores - xp.log(xp.sum(xp.exp(scores), axis=-1, keepdims=True))
