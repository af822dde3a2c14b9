"""How alike two models err: agreement beyond what their accuracies explain (CAPA, Goel et al. 2025, arXiv 2502.04313).

    kappa = (c_obs - c_exp) / (1 - c_exp)
    c_obs = mean over items of sum_o p(o) q(o)
    c_exp = a b + (1 - a)(1 - b) / (K - 1),   a, b = mean probability of the right option

K is the number of options; where items differ in it 1/(K - 1) is averaged over items. 0 means that the models agree as often
as models of these accuracies would whose errors fall at random; below 0 they agree less often. A model with one-hot answers has
similarity 1 with itself. **A model with soft answers has less than 1 with itself**, since two draws from its answers differ.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["capa", "chance_agreement"]

FloatArray = npt.NDArray[np.float64]


def chance_agreement(first_accuracy: npt.ArrayLike, second_accuracy: npt.ArrayLike, options: npt.ArrayLike) -> FloatArray:
    """Compute how often two models agree whose errors are independent and spread evenly over the wrong options.

    c_exp = a b + (1 - a)(1 - b) / (K - 1) for accuracies (or mean probabilities of the right option) a and b in [0, 1] and
    K >= 2 options. Inputs broadcast; NaN outside these bounds. Cost O(size).
    """
    a, b, k = (np.asarray(item, dtype=np.float64) for item in (first_accuracy, second_accuracy, options))
    inside = (a >= 0) & (a <= 1) & (b >= 0) & (b <= 1) & (k >= 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(inside, a * b + (1.0 - a) * (1.0 - b) / (k - 1.0), np.nan))


def capa(first: npt.ArrayLike, second: npt.ArrayLike, truth: npt.ArrayLike, options: npt.ArrayLike | None = None) -> FloatArray:
    """Compute the similarity kappa of two models' answers; NaN where both give the right option all of their probability.

    Parameters
    ----------
    first, second : (..., n, K), probabilities of the options of each item, or one-hot answers; leading axes broadcast.
    truth : (n,), number of the right option, from 0.
    options : (n,), how many options each item has, where some have fewer than K; their other probabilities are 0. At least 2.

    Raises ValueError where the shapes do not fit. A NaN among the probabilities gives NaN. Cost O(size).
    """
    p, q = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    right = np.asarray(truth)
    if p.ndim < 2 or q.ndim < 2 or p.shape[-2:] != q.shape[-2:] or p.shape[-1] < 2 or right.shape != p.shape[-2:-1]:
        raise ValueError(f"answers must be (..., n, K) with truth (n,), got {p.shape}, {q.shape} and {right.shape}")
    if right.size and not 0 <= int(right.min()) <= int(right.max()) < p.shape[-1]:
        raise ValueError(f"truth spans {right.min()}..{right.max()}, but items have {p.shape[-1]} options")
    counts = np.full(right.shape, p.shape[-1]) if options is None else np.asarray(options)
    if counts.shape != right.shape or (counts < 2).any():
        raise ValueError(f"options must be {len(right)} numbers of 2 or more")
    rows = np.arange(len(right))
    a, b = (items[..., rows, right].mean(axis=-1) for items in (p, q))
    mean_inverse = float(np.mean(1.0 / (counts - 1.0)))
    observed = (p * q).sum(axis=-1).mean(axis=-1)
    chance = chance_agreement(a, b, 1.0 + 1.0 / mean_inverse)
    room = 1.0 - chance
    return np.asarray(np.divide(observed - chance, room, out=np.full(np.shape(room), np.nan), where=room > 1e-15))
