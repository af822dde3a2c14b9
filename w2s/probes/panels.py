"""Logistic regressions of two classes on the same rows, eight side by side, by Newton steps with conjugate gradients.

One product with the rows serves eight fits, which takes little longer than a product for one. Gradients, and with them the
solutions, are float64. The steps between them need few digits: they are found in float32, in the eigenbasis of the Gram X'X/n,
where Boehning's bound of the Hessian, X'X/(4n) + decay, is diagonal. A panel is always eight columns wide, whatever there is to
fit, and columns share no arithmetic, so a fit has the same bits with any others beside it.

Source: R. S. Dembo, S. C. Eisenstat and T. Steihaug, Inexact Newton methods, SIAM J. Numer. Anal. 19 (1982) 400-408.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BOUND", "SMALL", "WIDTH", "Panels", "Settled"]

Matrix = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Lanes = npt.NDArray[np.bool_]

WIDTH = 8
"""Fits in one panel: with fewer columns a product takes the same time, and a fit of its own fills no more."""

BOUND = 0.25
"""Largest second derivative of the loss of two classes by the logit."""

SMALL, ROUNDING = 1e-13, 1e-9
"""Norm of the gradient that ends a fit; below which steps that help no more are rounding."""

_STEPS, _SEARCHES = 30, 100
"""Most Newton steps of a fit, and most products with the Hessian of a step."""

_LOOSE, _TIGHT = 0.1, 1e-4
"""Largest and least part of the gradient that a step may leave; between them it is the gradient itself, so that steps end
quadratically and none asks for digits that float32 has not."""

_LEAST = 1e-13
"""Part of the feature power that the bound has at least in every direction."""


@dataclass(frozen=True)
class Settled:
    """A fit's slope (d, 1), intercept (1,), number of Newton steps and norm of the gradient by slope and intercept."""

    slope: Matrix
    intercept: Matrix
    steps: int
    gradient_norm: float


class Panels:
    """Fits on centred rows (n, d) whose Gram X'X/n is given: what does not depend on labels and decay is computed once."""

    def __init__(self, rows: Matrix, gram: Matrix) -> None:
        self.rows, self.gram = rows, gram

    def fit(self, targets: Matrix, decays: Matrix) -> list[Settled | None]:
        """Minimise the mean cross-entropy plus decay |w|^2 / 2 for each column of targets, the probabilities of class 1 (n, B).

        Decays are (B,). A fit is None where the steps do not lead to a gradient of norm :data:`SMALL`, or to one that rounding
        keeps above it, in coordinates in which the bound is the identity. About 30 products of 4 n d operations each a fit.
        """
        found: list[Settled | None] = [None] * len(decays)
        order = np.argsort(decays, kind="stable")  # alike in the number of their steps
        for first in range(0, len(order), WIDTH):
            places = order[first : first + WIDTH]
            labels, decay = np.full((len(self.rows), WIDTH), 0.5), np.ones(WIDTH)
            labels[:, : len(places)], decay[: len(places)] = targets[:, places], decays[places]
            for lane, settled in self._settled(labels, decay, len(places)):
                found[places[lane]] = settled
        return found

    @functools.cached_property
    def _spectrum(self) -> tuple[Matrix, Matrix]:
        return np.linalg.eigh(self.gram)  # type: ignore[return-value]

    @functools.cached_property
    def _turned(self) -> Single:
        """Rows in the eigenbasis of their Gram, and a column of ones: (n, d + 1)."""
        turned = np.ones((len(self.rows), self.rows.shape[1] + 1), dtype=np.float32)
        turned[:, :-1] = self.rows.astype(np.float32) @ self._spectrum[1].astype(np.float32)
        return turned

    def _settled(self, targets: Matrix, decays: Matrix, count: int) -> Iterator[tuple[int, Settled]]:
        """Fit one panel, and yield the fits that end, with their columns."""
        values, vectors = self._spectrum
        n, d = self.rows.shape
        least = np.maximum(decays, _LEAST * values.sum())
        bound = np.vstack([BOUND * np.maximum(values, 0.0)[:, None] + least, np.full((1, WIDTH), BOUND)])
        slope, intercept, last = np.zeros((d, WIDTH)), np.zeros(WIDTH), np.full(WIDTH, np.inf)
        active = np.arange(WIDTH) < count
        for step in range(_STEPS):
            chances = _logistic(self.rows @ slope + intercept)
            residual = (chances - targets) / n
            by_slope, by_intercept = self.rows.T @ residual + decays * slope, residual.sum(axis=0)
            gradient = np.vstack([vectors.T @ by_slope, by_intercept])
            norm = np.sqrt((gradient**2 / bound).sum(axis=0))
            done = active & ((norm <= SMALL) | ((last <= ROUNDING) & (norm > 0.5 * last)))
            for lane in np.flatnonzero(done).tolist():
                size = float(np.sqrt((by_slope[:, lane] ** 2).sum() + by_intercept[lane] ** 2))
                yield lane, Settled(slope[:, lane : lane + 1].copy(), intercept[lane : lane + 1].copy(), step, size)
            active = active & ~done & np.isfinite(norm) & (norm <= 10.0 * last)
            if not active.any():
                return
            move = self._step(gradient, norm, bound, decays, chances * (1.0 - chances) / n, active)
            slope, intercept, last = slope - vectors @ move[:-1], intercept - move[-1], norm

    def _step(
        self, gradient: Matrix, norm: Matrix, bound: Matrix, decays: Matrix, weights: Matrix, active: Lanes
    ) -> npt.NDArray[Any]:
        """Solve H x = gradient (d + 1, 8) by conjugate gradients that the bound preconditions; zero where not active."""
        scale = np.where(active, norm, 1.0)
        left = np.where(active, gradient / scale, 0.0).astype(np.float32)
        inverse, weights = (1.0 / bound).astype(np.float32), weights.astype(np.float32)
        decay = decays.astype(np.float32)
        wanted = np.clip(norm, _TIGHT, _LOOSE).astype(np.float32) ** 2
        found, turned = np.zeros_like(left), self._turned
        ahead = inverse * left
        power = (left * ahead).sum(axis=0)
        for _ in range(_SEARCHES):
            active = active & (power > wanted)
            if not active.any():
                break
            moved = turned.T @ (weights * (turned @ ahead))
            moved[:-1] += decay * ahead[:-1]
            curvature = (ahead * moved).sum(axis=0)
            length = np.where(active, power / np.where(curvature > 0, curvature, np.float32(1)), np.float32(0))
            found += length * ahead
            left = left - length * moved
            shaped = inverse * left
            fresh = (left * shaped).sum(axis=0)
            ahead = np.where(active, shaped + fresh / np.where(power > 0, power, np.float32(1)) * ahead, ahead)
            power = np.where(active, fresh, power)
        return found * scale


def _logistic(logits: Matrix) -> Matrix:
    """Compute 1/(1 + exp(-z)); nothing overflows."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0, small) / (1.0 + small)
