"""Linear models of a choice among some alternatives: softmax over those of one item, whatever their number.

With alternatives x_1, ..., x_m of an item, p_k = exp(w'x_k) / sum_j exp(w'x_j). Given label probabilities q, a fit minimises
the mean over items of -sum_k q_k log p_k, plus ridge |w|^2 / 2: McFadden's conditional logit. The problem is convex, so there
is one solution.
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
_ROUNDS, _STEPS, _HALVINGS = 2000, 50, 30


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
    """Fit a model to label probabilities (m,), which sum to 1 within each item, from zero.

    Dense rows are fitted by Newton steps, some ten of 2 m d^2 operations; sparse ones by L-BFGS, some hundred steps of four
    operations an entry. ``ridge`` is above 0. Raises ValueError for labels that are no probabilities.
    """
    sums = np.add.reduceat(labels, alternatives.starts[:-1])
    if labels.min() < 0 or np.abs(sums - 1.0).max() > 1e-9:
        raise ValueError("labels of an item's alternatives are probabilities: none below 0, the sum 1")
    problem = _Problem(alternatives, labels, ridge)
    weights = problem.by_newton() if isinstance(alternatives.rows, np.ndarray) else problem.by_descent()
    return ChoiceModel(weights, float(np.abs(problem.at(weights)[1]).max()))


@dataclass(frozen=True)
class _Problem:
    """The loss of a fit and two ways to its least."""

    alternatives: Alternatives
    labels: Vector
    ridge: float

    def at(self, weights: Vector) -> tuple[float, Vector, Vector]:
        """Compute loss, gradient (d,) and probabilities (m,) at some weights."""
        rows, items = self.alternatives.rows, len(self.alternatives.counts)
        logs = self.alternatives.log_softmax(np.asarray(rows @ weights))
        chances = np.exp(logs)
        slope = np.asarray(rows.T @ (chances - self.labels)) / items + self.ridge * weights
        return float(-(self.labels @ logs) / items + 0.5 * self.ridge * weights @ weights), slope, chances

    def by_newton(self) -> Vector:
        """Take Newton steps, each halved until the loss falls; the Hessian is the mean covariance of an item's alternatives."""
        rows, starts = self.alternatives.rows, self.alternatives.starts[:-1]
        items, width = len(starts), rows.shape[1]
        weights = np.zeros(width)
        loss, slope, chances = self.at(weights)
        for _ in range(_STEPS):
            if np.abs(slope).max() <= _TOLERANCE:
                break
            weighted = rows * chances[:, None]
            means = np.add.reduceat(weighted, starts, axis=0)
            curvature = (rows.T @ weighted - means.T @ means) / items + self.ridge * np.eye(width)
            step, length = np.linalg.solve(curvature, slope), 1.0
            for _ in range(_HALVINGS):
                found = self.at(weights - length * step)
                if found[0] <= loss:
                    break
                length *= 0.5
            else:
                break  # rounding is all that is left
            weights, (loss, slope, chances) = weights - length * step, found
        return weights

    def by_descent(self) -> Vector:
        """Minimise the loss by L-BFGS."""
        from scipy.optimize import minimize

        limits = {"maxiter": _ROUNDS, "maxfun": 2 * _ROUNDS, "ftol": 0.0, "gtol": _TOLERANCE, "maxcor": 30}
        start = np.zeros(self.alternatives.rows.shape[1])
        found = minimize(lambda weights: self.at(weights)[:2], start, jac=True, method="L-BFGS-B", options=limits)
        return np.asarray(found.x, dtype=np.float64)


def most_probable(alternatives: Alternatives, logs: Vector) -> npt.NDArray[np.int64]:
    """Return the place within its item of every item's most probable alternative, (n,); of equals the first."""
    largest = np.repeat(np.maximum.reduceat(logs, alternatives.starts[:-1]), alternatives.counts)
    rows = np.flatnonzero(logs == largest)
    first = np.searchsorted(rows, alternatives.starts[:-1])
    return np.asarray(rows[first] - alternatives.starts[:-1], dtype=np.int64)
