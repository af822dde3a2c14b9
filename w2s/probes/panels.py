"""Logistic regressions of two classes on the same rows, eight side by side, by Newton steps with conjugate gradients.

One product with the rows serves eight fits, which takes little longer than a product for one. Gradients, and with them the
solutions, are float64. The steps between them need few digits: they are found in float32, in the eigenbasis of the Gram X'X/n,
where Boehning's bound of the Hessian, X'X/(4n) + decay, is diagonal. A panel is always eight columns wide, whatever there is to
fit, and columns share no arithmetic, so a fit has the same bits with any others beside it.

Source: R. S. Dembo, S. C. Eisenstat and T. Steihaug, Inexact Newton methods, SIAM J. Numer. Anal. 19 (1982) 400-408.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2s_kernels import Backend, Spectrum, gemm

__all__ = ["BOUND", "SMALL", "WIDTH", "Panels", "Settled"]

Matrix = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Lanes = npt.NDArray[np.bool_]

WIDTH = 8
"""Fits in one panel: with fewer columns a product takes the same time, and a fit of its own fills no more."""

BOUND = 0.25
"""Largest second derivative of the loss of two classes by the logit."""

SMALL, ROUNDING = 1e-12, 1e-9
"""Norm of the gradient that ends a fit; below which steps that help no more are rounding."""

_STEPS, _SEARCHES = 30, 100
"""Most Newton steps of a fit, and most products with the Hessian of a step."""

_LOOSE, _TIGHT, _LEAST = 0.1, 1e-4, 2e-6
"""Largest and least part of the gradient that a step may leave; between them it is the gradient itself, so that steps end
quadratically. The last step may leave no more than :data:`SMALL`, if float32 has the digits, which is the third."""

_FLAT = 1e-13
"""Part of the feature power that the bound has at least in every direction."""

_ALIGNED = 16
"""Rows in the eigenbasis are as wide as a multiple of this: products with other widths take a quarter more time."""


@dataclass(frozen=True)
class Settled:
    """A fit's slope (d, 1), intercept (1,), number of Newton steps and norm of the gradient by slope and intercept."""

    slope: Matrix
    intercept: Matrix
    steps: int
    gradient_norm: float


class Panels:
    """Fits on centred rows (n, d), given with the eigendecomposition of X'X/n."""

    def __init__(self, rows: Matrix, spectrum: Spectrum, backend: Backend) -> None:
        self.rows, self.spectrum, self.backend = rows, spectrum, backend

    def fit(self, targets: Matrix, decays: Matrix) -> list[Settled | None]:
        """Minimise the mean cross-entropy plus decay |w|^2 / 2 for each column of targets, the probabilities of class 1 (n, B).

        Decays are (B,). A fit is None where the steps do not lead to a gradient of norm :data:`SMALL`, or to one that rounding
        keeps above it, in coordinates in which the bound is the identity. About 30 products of 4 n d operations each a fit.
        """
        rows, values, vectors, count = self.rows, self.spectrum.values, self.spectrum.vectors, len(decays)
        bound = BOUND * values[:, None] + np.maximum(decays, _FLAT * values.sum())
        slope, intercept = np.zeros((rows.shape[1], count)), np.zeros(count)
        norm, found = np.full(count, np.inf), list[Settled | None]([None]) * count
        active = np.arange(count)
        for step in range(_STEPS):
            left = list[int]()
            for first in range(0, len(active), WIDTH):
                lanes = active[first : first + WIDTH]
                filled = np.resize(lanes, WIDTH)  # the same fits again, up to the width
                chances = _logistic(gemm(rows, slope[:, filled], self.backend) + intercept[filled])
                residual = (chances - targets[:, filled]) / len(rows)
                by_slope = gemm(rows.T, residual, self.backend) + decays[filled] * slope[:, filled]
                by_intercept = residual.sum(axis=0)
                turned, last = gemm(vectors.T, by_slope, self.backend), norm[filled]
                now = np.sqrt((turned**2 / bound[:, filled]).sum(axis=0) + by_intercept**2 / BOUND)
                done = (now <= SMALL) | ((last <= ROUNDING) & (now > 0.5 * last))
                going = ~done & np.isfinite(now) & (now <= 10.0 * last)
                norm[lanes] = now[: len(lanes)]
                for lane, place in enumerate(lanes.tolist()):
                    if done[lane]:
                        size = float(np.sqrt((by_slope[:, lane] ** 2).sum() + by_intercept[lane] ** 2))
                        found[place] = Settled(slope[:, [place]], intercept[[place]], step, size)
                    elif going[lane]:
                        left.append(place)
                if going.any():
                    weights = chances * (1.0 - chances) / len(rows)
                    move, moved = self._step(turned, by_intercept, now, weights, decays[filled], going)
                    slope[:, lanes] -= gemm(vectors, move, self.backend)[:, : len(lanes)]
                    intercept[lanes] -= moved[: len(lanes)]
            active = np.array(left, dtype=np.int64)
            if not len(active):
                break
            active = active[np.argsort(norm[active], kind="stable")]  # alike in what is left to do
        return found

    @functools.cached_property
    def _turned(self) -> Single:
        """Rows in the eigenbasis of their Gram, then a column of ones, then zeros: (n, d + 1 or more)."""
        n, d = self.rows.shape
        turned = np.zeros((n, -(-(d + 1) // _ALIGNED) * _ALIGNED), dtype=np.float32)
        turned[:, :d] = self.rows.astype(np.float32) @ self.spectrum.vectors.astype(np.float32)
        turned[:, d] = 1.0
        return turned

    def _step(
        self, by_slope: Matrix, by_intercept: Matrix, norm: Matrix, weights: Matrix, decays: Matrix, active: Lanes
    ) -> tuple[Matrix, Matrix]:
        """Solve H x = gradient by conjugate gradients: in the eigenbasis (d, 8), and for the intercept (8,).

        Where not active the solution is zero. The Hessian with the mean weight in place of each is the preconditioner.
        """
        turned, d = self._turned, len(by_slope)
        scale, mean = np.where(active, norm, 1.0), np.maximum(weights.sum(axis=0), _LEAST)
        left, inverse = (np.zeros((turned.shape[1], WIDTH), dtype=np.float32) for _ in range(2))
        left[:d], left[d] = np.where(active, by_slope / scale, 0.0), np.where(active, by_intercept / scale, 0.0)
        inverse[:d] = 1.0 / (mean * self.spectrum.values[:, None] + decays)
        inverse[d] = 1.0 / mean
        weights, decay = weights.astype(np.float32), decays.astype(np.float32)
        ahead = inverse * left
        power = (left * ahead).sum(axis=0)
        wanted = power * _part_left(norm).astype(np.float32) ** 2
        found, one, zero = np.zeros_like(left), np.float32(1), np.float32(0)
        for _ in range(_SEARCHES):
            active = active & (power > wanted)
            if not active.any():
                break
            image = turned.T @ (weights * (turned @ ahead))
            image[:d] += decay * ahead[:d]
            curvature = (ahead * image).sum(axis=0)
            length = np.where(active, power / np.where(curvature > 0, curvature, one), zero)
            found += length * ahead
            left -= length * image
            shaped = inverse * left
            fresh = (left * shaped).sum(axis=0)
            ahead = np.where(active, shaped + fresh / np.where(power > 0, power, one) * ahead, ahead)
            power = np.where(active, fresh, power)
        return np.asarray(found[:d] * scale, dtype=np.float64), np.asarray(found[d] * scale, dtype=np.float64)


def _part_left(norm: Matrix) -> Matrix:
    """Return the part of gradients of some norms that a step may leave."""
    with np.errstate(divide="ignore"):
        last = np.maximum(0.3 * SMALL / norm, _LEAST)
    return np.where(norm * _LEAST < SMALL, np.minimum(last, _LOOSE), np.clip(norm, _TIGHT, _LOOSE))


def _logistic(logits: Matrix) -> Matrix:
    """Compute 1/(1 + exp(-z)); nothing overflows."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0, small) / (1.0 + small)
