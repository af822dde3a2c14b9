"""Judges: logistic heads that say, from a model's features, whether an answer is right; and thresholds for their scores.

A head that judges a model's own answers is P(IK), "I know" (Kadavath et al. 2022, arXiv 2207.05221); one that judges another
model's is a critic. Fits are batched over leading problems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from w2s.probes.softmax import fit_softmax
from w2s_kernels import NUMPY, Backend
from w2s_kernels.backend import Array

__all__ = ["Judge", "Sight", "certainty", "fit_judge", "judged_features", "threshold_for"]

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Sight = Literal["answer", "states", "certainty", "both"]
"""What a judge may see."""


@dataclass(frozen=True)
class Judge:
    """A fitted head: features less ``center``, over ``scale``, times ``slope`` (B, d + 1), the intercept last."""

    center: Array
    scale: Array
    slope: Array
    backend: Backend

    def at(self, features: Array) -> Array:
        """Compute the probability that an answer is right, (B, m), from features (B, m, d)."""
        xp = self.backend.xp
        rows = (features - self.center) / self.scale
        logits = xp.matmul(rows, self.slope[:, :-1, None])[..., 0] + self.slope[:, -1:]
        return 1.0 / (1.0 + xp.exp(-logits))


def fit_judge(
    features: Array, right: Array, ridge: float, backend: Backend = NUMPY, *, balanced: bool = True, rows: Array | None = None
) -> Judge:
    """Fit P(right | features) by logistic regression on standardised features, B problems side by side.

    Minimises the weighted mean of the logistic loss plus ridge |w|^2 / 2, the intercept included. ``balanced``: right and wrong
    answers have half of the weight each, so that a score of 1/2 means as much as a guess, however often the model is right.

    Parameters
    ----------
    features : (B, n, d). right : (B, n), 1 or 0.
    rows : (B, n), 1 where a row counts; None: all.

    A problem whose answers are all right, or all wrong, has a constant judge: 1 or 0 up to the ridge. Raises ValueError for a
    ridge that is not positive, without which separable answers have no fit. Cost O(rounds n d^2) per problem.
    """
    if not ridge > 0:
        raise ValueError(f"a judge needs a ridge above 0, not {ridge}")
    xp = backend.xp
    share = xp.ones(right.shape) if rows is None else 1.0 * rows
    share = share / share.sum(axis=-1, keepdims=True)
    center = (share[..., None] * features).sum(axis=1, keepdims=True)
    scale = xp.sqrt((share[..., None] * (features - center) ** 2).sum(axis=1, keepdims=True))
    scale = xp.where(scale > 1e-12 * (1.0 + xp.abs(center)), scale, 1.0)
    weights = share
    if balanced:
        good, bad = (share * right).sum(axis=-1, keepdims=True), (share * (1.0 - right)).sum(axis=-1, keepdims=True)
        mixed = (good > 0) & (bad > 0)
        by_kind = xp.where(right > 0, 0.5 / xp.where(good > 0, good, 1.0), 0.5 / xp.where(bad > 0, bad, 1.0))
        weights = share * xp.where(mixed, by_kind, 1.0)
    rows_ = xp.concatenate([(features - center) / scale, xp.ones((*features.shape[:2], 1))], axis=-1)
    answers = xp.stack([1.0 * right, 1.0 - right], axis=-1)
    logs = xp.log(xp.where(answers > 0, answers, 1.0)) + xp.where(answers > 0, 0.0, -xp.inf)
    slope, _ = fit_softmax(rows_, logs, backend, ridge=ridge, weights=weights)
    return Judge(center, scale, slope[..., 0], backend)


def certainty(probabilities: npt.ArrayLike) -> Vector:
    """Compute how sure an answer is, (..., n, 2): the largest of the K probabilities, and its lead over the next one.

    A linear head on states alone cannot see the distance from a linear answer's border, on both sides of which it is unsure;
    these two numbers say it. ``probabilities`` has shape (..., n, K).
    """
    ordered = np.sort(np.asarray(probabilities, dtype=np.float64), axis=-1)
    return np.stack([ordered[..., -1], ordered[..., -1] - ordered[..., -2]], axis=-1)


def judged_features(states: npt.ArrayLike, probabilities: npt.ArrayLike, sees: Sight = "answer") -> Matrix:
    """Build what a judge sees of items and of a model's answers to them: (n, width) float64.

    ``states`` are the features (n, d) as they are, ``certainty`` the two numbers of :func:`certainty`, ``both`` both.
    ``answer`` puts the features into the columns of the class that is answered, with zeros in those of the others, so that a
    linear head can tell how far an item lies on the side of its answer, and adds the certainty: K d + 2 columns.
    ``probabilities`` (n, K) are the answers. Only ``answer`` depends on what the classes mean.
    """
    given, answers = np.asarray(states, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if sees == "states":
        return given
    if sees in ("certainty", "both"):
        return certainty(answers) if sees == "certainty" else np.hstack([given, certainty(answers)])
    chosen = np.eye(answers.shape[1])[answers.argmax(axis=1)]
    by_class = (chosen[:, :, None] * given[:, None, :]).reshape(len(given), -1)
    return np.hstack([by_class, certainty(answers)])


def threshold_for(
    scores: npt.ArrayLike, own: npt.ArrayLike, weak: npt.ArrayLike, rule: Literal["best", "not_worse"] = "best"
) -> float:
    """Choose the threshold tau above which own answers replace weak labels, on items whose truth is known.

    ``best`` makes the labels as accurate as possible: it maximises the sum of own - weak over items with a score above tau;
    of equally good thresholds the highest. ``not_worse`` is the lowest tau at which own answers are no less accurate than weak
    labels on the items above it. It goes on until the items that are not known have used up what the known ones gained, so
    its labels are as accurate as the weak ones.

    Parameters
    ----------
    scores : (n,) in [0, 1], by a judge that has not seen these items.
    own, weak : (n,), 1 where the own answer and the weak label are right.

    Returns a number in [0, 1]; 1, which selects nothing, where no threshold serves. Cost O(n log n).
    """
    values, lead = np.asarray(scores, dtype=np.float64), np.asarray(own, dtype=np.float64) - np.asarray(weak, dtype=np.float64)
    values, lead = values[values > 0], lead[values > 0]  # nothing selects a score of 0
    levels, place = np.unique(-values, return_inverse=True)
    gains = np.cumsum(np.bincount(place, weights=lead, minlength=len(levels)))  # of all items with at least that score
    fine = np.flatnonzero(gains >= (max(gains.max(), 1e-9) if rule == "best" else 0)) if len(gains) else gains
    if not len(fine):
        return 1.0
    last = int(fine[0] if rule == "best" else fine[-1])
    return float(-0.5 * (levels[last] + levels[last + 1])) if last + 1 < len(levels) else 0.0
