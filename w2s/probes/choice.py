"""Linear models of a choice among some alternatives: softmax over those of one item, whatever their number.

With alternatives x_1, ..., x_m of an item, p_k = exp(w'x_k) / sum_j exp(w'x_j). Given label probabilities q, a fit minimises the
mean over items of -sum_k q_k log p_k, plus ridge |w|^2 / 2: McFadden's conditional logit. The problem is convex, so there is one
solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Alternatives", "ChoiceModel", "fit_choice", "most_probable"]

Vector = npt.NDArray[np.float64]

_TOLERANCE = 1e-8
"""Largest entry of the gradient at which a fit is finished."""
_ROUNDS = 2000


@dataclass(frozen=True)
class Alternatives:
    """Rows of alternatives, item after item: ``rows`` (m, d), dense or sparse, and ``starts`` (n + 1,), the last being m."""

    rows: Any
    starts: npt.NDArray[np.int64]

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Number of alternatives of every item, (n,)."""
        return np.diff(self.starts)

    def log_softmax(self, scores: Vector) -> Vector:
        """Compute log-probabilities (m,) of scores (m,) within each item; nothing overflows."""
        largest = np.maximum.reduceat(scores, self.starts[:-1])
        shifted = scores - np.repeat(largest, self.counts)
        sums = np.log(np.add.reduceat(np.exp(shifted), self.starts[:-1]))
        return np.asarray(shifted - np.repeat(sums, self.counts))


@dataclass(frozen=True)
class ChoiceModel:
    """A fitted model: weights (d,) and the largest entry of the gradient where the descent ended."""

    weights: Vector
    gradient: float

    def logs(self, alternatives: Alternatives) -> Vector:
        """Compute the log-probabilities (m,) of alternatives, in nats."""
        return alternatives.log_softmax(np.asarray(alternatives.rows @ self.weights))


def fit_choice(alternatives: Alternatives, labels: Vector, ridge: float) -> ChoiceModel:
    """Fit a model to label probabilities (m,), which sum to 1 within each item, by L-BFGS from zero.

    ``ridge`` is above 0. Raises ValueError for labels that are no probabilities. Cost: two products with the rows a round.
    """
    from scipy.optimize import minimize

    sums = np.add.reduceat(labels, alternatives.starts[:-1])
    if labels.min() < 0 or np.abs(sums - 1.0).max() > 1e-9:
        raise ValueError("labels of an item's alternatives are probabilities: none below 0, the sum 1")
    items = len(alternatives.counts)

    def loss(weights: Vector) -> tuple[float, Vector]:
        logs = alternatives.log_softmax(np.asarray(alternatives.rows @ weights))
        slope = np.asarray(alternatives.rows.T @ (np.exp(logs) - labels)) / items + ridge * weights
        return float(-(labels @ logs) / items + 0.5 * ridge * weights @ weights), slope

    limits = {"maxiter": _ROUNDS, "maxfun": 2 * _ROUNDS, "ftol": 0.0, "gtol": _TOLERANCE, "maxcor": 30}
    found = minimize(loss, np.zeros(alternatives.rows.shape[1]), jac=True, method="L-BFGS-B", options=limits)
    return ChoiceModel(np.asarray(found.x, dtype=np.float64), float(np.abs(loss(found.x)[1]).max()))


def most_probable(alternatives: Alternatives, logs: Vector) -> npt.NDArray[np.int64]:
    """Return the place within its item of every item's most probable alternative, (n,); of equals the first."""
    largest = np.repeat(np.maximum.reduceat(logs, alternatives.starts[:-1]), alternatives.counts)
    rows = np.flatnonzero(logs == largest)
    first = np.searchsorted(rows, alternatives.starts[:-1])
    return np.asarray(rows[first] - alternatives.starts[:-1], dtype=np.int64)
