"""Logistic regression on soft labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.probes.prepared import Prepared
from w2s_kernels import Backend

__all__ = ["CLIP", "TOLERANCE", "Head", "Logistic", "Probe"]

Matrix = npt.NDArray[np.float64]


CLIP = 0.01
"""Least probability that the closed form gives a class: its outputs are no probabilities, and a zero costs without bound."""


TOLERANCE = 1e-6
"""Largest norm of the gradient of the mean loss with which a logistic fit counts as finished, in the coordinates of the
descent: there the curvature is at most one, whatever the units of the features."""

_LEAST_BOUND = 1e-13
"""Part of the feature power that the bound of the Hessian has at least in every direction, so that it can be factored."""


@dataclass(frozen=True)
class Probe:
    """A fitted probe: prepared rows times ``slope`` (d, columns) plus ``intercept``, and their ``link`` to probabilities.

    ``account`` says how it was found.
    """

    prepared: Callable[[Matrix], Matrix]
    slope: Matrix
    intercept: Matrix
    link: Callable[[Matrix], Matrix]
    account: Mapping[str, Any]

    def at(self, features: Matrix) -> Matrix:
        """Predict class probabilities (m, K) of other rows (m, d)."""
        return self.link(self.prepared(features) @ self.slope + self.intercept)


class Head(ABC):
    """Probes on one set of training rows (n, d): what does not depend on targets and strength is computed once."""

    @abstractmethod
    def __init__(self, features: Matrix, preprocess: str, backend: Backend) -> None: ...

    @abstractmethod
    def fit(self, targets: Matrix, strength: float) -> Probe:
        """Fit class probabilities (n, K), one-hot or soft."""


class Logistic(Head):
    """L2 logistic regression on class probabilities, minimising C sum_i CE(y_i, p_i) + |W|^2 / 2 as scikit-learn does.

    Two classes have one weight vector, more have one each; the intercept is free. L-BFGS works in coordinates in which
    Boehning's bound of the Hessian is the identity, so that it needs few steps at any strength; steps of that bound follow,
    which need no function values and so reach gradients below what rounding lets a line search see.

    Source: D. Boehning, Ann. Inst. Statist. Math. 44 (1992) 197-200.
    """

    def __init__(self, features: Matrix, preprocess: str, backend: Backend) -> None:  # noqa: ARG002
        # The intercept is free, so centring changes no fit; it helps the descent.
        self.prepared = Prepared(features, "standardise" if preprocess == "standardise" else "center").prepared
        self.rows = self.prepared(features)
        self.gram = self.rows.T @ self.rows / len(self.rows)

    def fit(self, targets: Matrix, strength: float) -> Probe:
        """Fit at C = ``strength``; raise ValueError when the gradient does not become small."""
        from scipy.linalg import cholesky, solve_triangular
        from scipy.optimize import minimize

        decay, count = 1.0 / (strength * len(self.rows)), targets.shape[1]
        columns = 1 if count == 2 else count
        bound = 0.25 if count == 2 else 0.5
        # The bound only shapes the descent: where the decay is lost beside the features' power, a larger one serves as well.
        shift = max(decay, _LEAST_BOUND * float(np.trace(self.gram)))
        factor = cholesky(bound * self.gram + shift * np.eye(len(self.gram)), lower=True)

        def weights(point: Matrix) -> tuple[Matrix, Matrix]:
            shaped = point.reshape(len(factor) + 1, columns)
            return solve_triangular(factor, shaped[:-1], lower=True, trans=1), shaped[-1] / np.sqrt(bound)

        def loss(point: Matrix) -> tuple[float, Matrix]:
            slope, intercept = weights(point)
            logs = _log_softmax(self.rows @ slope + intercept)
            residual = ((np.exp(logs) - targets) / len(targets))[:, -columns:]
            value = -float((targets * logs).sum()) / len(targets) + 0.5 * decay * float((slope**2).sum())
            inner = solve_triangular(factor, self.rows.T @ residual + decay * slope, lower=True)
            return value, np.vstack([inner, residual.sum(axis=0) / np.sqrt(bound)]).reshape(-1)

        start = np.zeros((len(factor) + 1) * columns)
        options = {"gtol": 1e-8, "ftol": 0.0, "maxiter": 1000, "maxcor": 20}
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
        point, steps = _settled(loss, found.x)
        slope, intercept = weights(point)
        residual = ((np.exp(_log_softmax(self.rows @ slope + intercept)) - targets) / len(targets))[:, -columns:]
        norm = float(np.hypot(np.linalg.norm(self.rows.T @ residual + decay * slope), np.linalg.norm(residual.sum(axis=0))))
        left = float(np.linalg.norm(loss(point)[1]))
        if not left <= TOLERANCE:
            raise ValueError(f"logistic regression with C = {strength:g} stopped at gradient norm {left:.1e} (whitened)")
        account = {"solver": "l-bfgs", "iterations": int(found.nit) + steps, "gradient_norm": norm}
        return Probe(self.prepared, slope, intercept, lambda logits: np.exp(_log_softmax(logits)), account)


def _settled(loss: Any, point: Matrix, steps: int = 100, small: float = 1e-12) -> tuple[Matrix, int]:
    """Follow the gradient with steps of length one until it is ``small``; return the point and the number of steps."""
    for step in range(steps):
        gradient = loss(point)[1]
        if np.linalg.norm(gradient) <= small:
            return point, step
        point = point - gradient
    return point, steps


def _log_softmax(logits: Matrix) -> Matrix:
    """Compute log-probabilities (n, K) of logits (n, K), or of (n, 1): the logit of the second of two classes."""
    whole = np.hstack([np.zeros_like(logits), logits]) if logits.shape[1] == 1 else logits
    shifted = whole - whole.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
