"""The reward that a pair of models implies: how much more probable a text is to the aligned model than to the other.

For a model that was aligned by DPO this is the reward it was aligned to, up to a term of the prompt: beta log p(y|x) / q(y|x).
It is a sum over tokens, so texts of unequal length are compared by the mean per token.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["sequence_reward", "token_rewards"]


def token_rewards(log_p: Any, log_q: Any, beta: float = 1.0, xp: Any = np) -> Any:
    """Compute beta (log p - log q) for each entry; the arrays broadcast, in any shape.

    It is 0 where both are -inf, since no text has such a token, and infinite where one of them is. Source: arXiv 2305.18290,
    equation 5, by tokens.
    """
    with np.errstate(invalid="ignore"):
        found = beta * (log_p - log_q)
    return xp.where((log_p == -np.inf) & (log_q == -np.inf), 0.0, found)


def sequence_reward(rewards: Any, mask: Any = None, *, per_token: bool = False, xp: Any = np) -> Any:
    """Sum rewards of tokens (..., T) over a text, (...,); with ``per_token`` their mean.

    ``mask`` (..., T) is True at the tokens that count, by default all; a text without one has the reward 0.
    """
    kept = xp.ones(rewards.shape, dtype=bool) if mask is None else mask
    total = xp.sum(xp.where(kept, rewards, 0.0), axis=-1)
    return total / xp.maximum(xp.sum(kept, axis=-1), 1) if per_token else total
