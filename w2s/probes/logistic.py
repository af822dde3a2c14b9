"""Logistic regression on soft labels."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2s.probes.gram_rows import RidgeProbe
from w2s.probes.panels import BOUND, ROUNDING, SMALL, Panels, Settled
from w2s_kernels import Backend

__all__ = ["CLIP", "TOLERANCE", "Head", "Logistic", "Probe"]

Matrix = npt.NDArray[np.float64]


CLIP = 0.01
"""Least probability that the closed form gives a class: its outputs are no probabilities, and a zero costs without bound."""


TOLERANCE = 1e-6
"""Largest norm of the gradient of the mean loss with which a logistic fit counts as finished, in the coordinates of the
descent: there the curvature is at most one, whatever the units of the features."""

_NEAR, _NEAREST = 1e-3, 1e-8
"""Largest entry of the gradient at which L-BFGS leaves a fit to Newton's steps, and at which it ends by itself."""

_STEPS = 40
"""Most of Newton's steps."""

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
        return self.at_prepared(self.prepared(features))

    def at_prepared(self, rows: Matrix) -> Matrix:
        """Predict class probabilities (m, K) of rows (m, d) that are prepared already: many probes share the same."""
        return self.link(rows @ self.slope + self.intercept)


class Head(ABC):
    """Probes on one set of training rows (n, d): what does not depend on targets and strength is computed once."""

    prepared: Callable[[Matrix], Matrix]
    """Does to other rows what was done to the training rows."""

    def __init__(self, features: Matrix, preprocess: str, backend: Backend) -> None:
        self.begin(RidgeProbe(features, preprocess, backend), backend)

    @classmethod
    def on(cls, trained: RidgeProbe, backend: Backend) -> Self:
        """Make probes on rows that other kinds of probes are fitted on too: what they have in common is computed once."""
        head = cls.__new__(cls)
        head.begin(trained, backend)
        return head

    @abstractmethod
    def begin(self, trained: RidgeProbe, backend: Backend) -> None:
        """Take the training rows."""

    @abstractmethod
    def fit(self, targets: Matrix, strength: float) -> Probe:
        """Fit class probabilities (n, K), one-hot or soft."""

    def fit_all(self, targets: Sequence[Matrix], strengths: Sequence[float]) -> list[Probe]:
        """Fit several targets, each at its strength; a probe has the same bits whatever is fitted beside it."""
        return [self.fit(values, strength) for values, strength in zip(targets, strengths, strict=True)]


class Logistic(Head):
    """L2 logistic regression on class probabilities, minimising C sum_i CE(y_i, p_i) + |W|^2 / 2 as scikit-learn does.

    Two classes have one weight vector, more have one each; the intercept is free. L-BFGS works in coordinates in which
    Boehning's bound of the Hessian is the identity, so that it needs few steps at any strength. Two classes are then finished
    by Newton steps, most of which share one factor of the Hessian. For more classes, whose Hessian is large, steps of the bound
    follow; like Newton's they need no function values, and so reach gradients below what rounding lets a line search see.
    Several fits of two classes go side by side (:mod:`w2s.probes.panels`).

    Source: D. Boehning, Ann. Inst. Statist. Math. 44 (1992) 197-200.
    """

    def __init__(self, features: Matrix, preprocess: str, backend: Backend) -> None:
        # The intercept is free, so centring changes no fit; it helps the descent.
        super().__init__(features, "standardise" if preprocess == "standardise" else "center", backend)

    def begin(self, trained: RidgeProbe, backend: Backend) -> None:  # noqa: ARG002
        """Take centred training rows."""
        self.trained, self.prepared = trained, trained.prepared
        self.rows, self.gram = trained.training, trained.gram

    @functools.cached_property
    def _panels(self) -> Panels:
        return Panels(self.rows, self.trained.eigen, self.trained.backend)

    def fit_all(self, targets: Sequence[Matrix], strengths: Sequence[float]) -> list[Probe]:
        """Fit several targets, those of two classes side by side; what does not settle there is fitted by :meth:`fit`."""
        found = dict[int, Settled | None]()
        if two := [place for place, values in enumerate(targets) if values.shape[1] == 2]:
            decays = np.array([1.0 / (strengths[place] * len(self.rows)) for place in two])
            settled = self._panels.fit(np.column_stack([targets[place][:, 1] for place in two]), decays)
            found = dict(zip(two, settled, strict=True))
        return [
            self.fit(targets[place], strengths[place]) if (one := found.get(place)) is None else self._probe(one)
            for place in range(len(targets))
        ]

    def _probe(self, one: Settled) -> Probe:
        account = {"solver": "newton-cg", "iterations": one.steps, "gradient_norm": one.gradient_norm}
        return Probe(self.prepared, one.slope, one.intercept, _probabilities, account)

    def fit(self, targets: Matrix, strength: float) -> Probe:
        """Fit at C = ``strength``; raise ValueError when the gradient does not become small."""
        descent = _Descent(self.rows, self.gram, targets, 1.0 / (strength * len(self.rows)))
        two, solver = targets.shape[1] == 2, "l-bfgs, newton"
        point, steps = descent.minimised(_NEAR if two else _NEAREST)
        found = descent.newton(point) if two else None
        if found is None:
            solver = "l-bfgs"
            point, more = descent.minimised(_NEAREST, point) if two else (point, 0)
            found = _settled(descent.loss, point)
            steps += more
        point, more = found
        left = float(np.linalg.norm(descent.loss(point)[1]))
        if not left <= TOLERANCE:
            raise ValueError(f"logistic regression with C = {strength:g} stopped at gradient norm {left:.1e} (whitened)")
        slope, intercept = descent.weights(point)
        norm = float(np.sqrt(sum(float((part**2).sum()) for part in descent.gradient(slope, intercept)[1:])))
        account = {"solver": solver, "iterations": steps + more, "gradient_norm": norm}
        return Probe(self.prepared, slope, intercept, _probabilities, account)


class _Descent:
    """Loss and gradient of one fit, in coordinates in which the bound of the Hessian is the identity: ((d + 1) columns,)."""

    def __init__(self, rows: Matrix, gram: Matrix, targets: Matrix, decay: float) -> None:
        from scipy.linalg import lapack

        self.rows, self.targets, self.decay, self.lapack = rows, targets, decay, lapack
        count = targets.shape[1]
        self.columns: int = 1 if count == 2 else count
        self.bound = BOUND if count == 2 else 0.5
        # The bound only shapes the descent: where the decay is lost beside the features' power, a larger one serves as well.
        shift = max(decay, _LEAST_BOUND * float(np.trace(gram)))
        self.factor, info = lapack.dpotrf(self.bound * gram + shift * np.eye(len(gram)), lower=1)
        if info:
            raise np.linalg.LinAlgError(f"the bound of the Hessian of {len(rows)} rows has no Cholesky factor")

    def weights(self, point: Matrix) -> tuple[Matrix, Matrix]:
        """Return slope (d, columns) and intercept (columns,)."""
        shaped = point.reshape(len(self.factor) + 1, self.columns)
        return self.lapack.dtrtrs(self.factor, shaped[:-1], lower=1, trans=1)[0], shaped[-1] / np.sqrt(self.bound)

    def loss(self, point: Matrix) -> tuple[float, Matrix]:
        """Compute the mean loss and its gradient."""
        slope, intercept = self.weights(point)
        value, by_slope, by_intercept = self.gradient(slope, intercept)
        return value, self._whitened(by_slope, by_intercept)

    def gradient(self, slope: Matrix, intercept: Matrix) -> tuple[float, Matrix, Matrix]:
        """Compute the mean loss and its gradient by the weights themselves."""
        logs = _log_softmax(self.rows @ slope + intercept)
        residual = ((np.exp(logs) - self.targets) / len(self.targets))[:, -self.columns :]
        value = -float((self.targets * logs).sum()) / len(self.targets) + 0.5 * self.decay * float((slope**2).sum())
        return value, self.rows.T @ residual + self.decay * slope, residual.sum(axis=0)

    def minimised(self, gradient: float, start: Matrix | None = None) -> tuple[Matrix, int]:
        """Find by L-BFGS a point at which no entry of the gradient is larger; return it and the number of iterations."""
        from scipy.optimize import minimize

        start = np.zeros((len(self.factor) + 1) * self.columns) if start is None else start
        options = {"gtol": gradient, "ftol": 0.0, "maxiter": 1000, "maxcor": 20}
        found = minimize(self.loss, start, jac=True, method="L-BFGS-B", options=options)
        return found.x, int(found.nit)

    def newton(self, point: Matrix) -> tuple[Matrix, int] | None:
        """Finish a fit of two classes; return the point and the number of steps, None where the steps do not lead there.

        A factor of the Hessian is kept while each step leaves a tenth of the gradient or less.
        """
        (slope, intercept), factor, last = self.weights(point), None, np.inf
        for step in range(_STEPS):
            _, by_slope, by_intercept = self.gradient(slope, intercept)
            norm = float(np.linalg.norm(self._whitened(by_slope, by_intercept)))
            if norm <= SMALL or (last <= ROUNDING and norm > 0.5 * last):
                return self._point(slope, intercept), step
            if not np.isfinite(norm) or norm > 10.0 * last:
                return None
            if factor is None or norm > 0.1 * last:
                factor, info = self.lapack.dpotrf(self._hessian(slope, intercept), lower=1)
                if info:
                    return None
            move, last = self.lapack.dpotrs(factor, np.vstack([by_slope, by_intercept]), lower=1)[0], norm
            slope, intercept = slope - move[:-1], intercept - move[-1]
        return None

    def _hessian(self, slope: Matrix, intercept: Matrix) -> Matrix:
        """Compute the Hessian (d + 1, d + 1) for two classes, the intercept last."""
        p = np.exp(_log_softmax(self.rows @ slope + intercept))
        weight = p[:, 0] * p[:, 1] / len(p)
        scaled, d = np.sqrt(weight)[:, None] * self.rows, len(slope)
        whole = np.empty((d + 1, d + 1))
        whole[:d, :d] = scaled.T @ scaled
        whole[np.arange(d), np.arange(d)] += self.decay
        whole[d, :d] = whole[:d, d] = self.rows.T @ weight
        whole[d, d] = weight.sum()
        return whole

    def _point(self, slope: Matrix, intercept: Matrix) -> Matrix:
        """Return the coordinates of weights: what :meth:`weights` undoes."""
        return np.vstack([self.factor.T @ slope, intercept * np.sqrt(self.bound)]).reshape(-1)

    def _whitened(self, by_slope: Matrix, by_intercept: Matrix) -> Matrix:
        inner = self.lapack.dtrtrs(self.factor, by_slope, lower=1)[0]
        return np.vstack([inner, by_intercept / np.sqrt(self.bound)]).reshape(-1)


def _settled(loss: Any, point: Matrix, steps: int = 100, small: float = 1e-12) -> tuple[Matrix, int]:
    """Follow the gradient with steps of length one until it is ``small``; return the point and the number of steps."""
    for step in range(steps):
        gradient = loss(point)[1]
        if np.linalg.norm(gradient) <= small:
            return point, step
        point = point - gradient
    return point, steps


def _probabilities(logits: Matrix) -> Matrix:
    return np.exp(_log_softmax(logits))


def _log_softmax(logits: Matrix) -> Matrix:
    """Compute log-probabilities (n, K) of logits (n, K), or of (n, 1): the logit of the second of two classes."""
    whole = np.hstack([np.zeros_like(logits), logits]) if logits.shape[1] == 1 else logits
    shifted = whole - whole.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
