"""Answers of a prompt without its bias: class probabilities divided by what the prompt says before it has read a text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["geometric_mean", "without_bias"]

Matrix = npt.NDArray[np.float64]
_LEAST = 1e-12


def without_bias(values: Matrix, bias: npt.ArrayLike) -> Matrix:
    """Divide class probabilities (n, K) by the bias (K,) and normalise them: p_k / b_k over their sum.

    Contextual calibration of Zhao et al. 2021 (arXiv 2102.09690). Probabilities below 1e-12 count as 1e-12.
    """
    found = np.maximum(values, _LEAST) / np.maximum(np.asarray(bias, dtype=np.float64), _LEAST)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def geometric_mean(values: Matrix) -> npt.NDArray[np.float64]:
    """Average log-probabilities (n, K) over items, and return their exponentials (K,): the bias of a batch of unlabelled texts.

    Batch calibration of Zhou et al. 2023 (arXiv 2309.17249). Probabilities below 1e-12 count as 1e-12.
    """
    return np.asarray(np.exp(np.log(np.maximum(values, _LEAST)).mean(axis=0)))
