"""Two-layer ReLU networks on Gaussian inputs: draws, one gradient step, readouts, and exact moments of what they output.

The target is easy(x_1) + hard(x_2) over the root of its power, with easy = z + sqrt(quadratic) h(z), hard = sqrt(hard) h(z) and
h(z) = (z^2 - 1)/sqrt(2). Features are phi_j(x) = (relu(w_j'x) - |w_j|/sqrt(2 pi))/sqrt(p), of mean zero. Second moments are
arc-cosine kernels; moments with the target follow from the Hermite coefficients of relu, 1/2 on He_1 and 1/sqrt(2 pi) on
He_2. So every error is exact given the weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_kernels import Backend, cholesky, factor_gram, normals, stream, uniforms
from w2s_kernels.arccos import arccos_gram
from w2s_kernels.backend import Array

__all__ = [
    "Layer",
    "Target",
    "features",
    "gradient_step",
    "joint_moments",
    "pretrained_head",
    "projections",
    "readout",
    "sample",
    "unit_layer",
]

Matrix = npt.NDArray[np.float64]
MEAN = 1.0 / math.sqrt(2.0 * math.pi)
"""E relu(z), and E relu(z) (z^2 - 1), for a standard normal z."""


@dataclass(frozen=True)
class Target:
    """Powers of the three parts of the target: linear and quadratic along the easy axis, quadratic along the hard one."""

    quadratic: float
    hard: float

    @property
    def weights(self) -> Matrix:
        """Coefficients on x_1, h(x_1), h(x_2), with squares that sum to 1: (3,)."""
        parts = np.array([1.0, self.quadratic, self.hard])
        return np.asarray(np.sqrt(parts / parts.sum()))

    def labels(self, x: Array) -> Array:
        """Compute the target at inputs (n, d): (n,)."""
        linear, even, hard = self.weights
        return linear * x[:, 0] + (even * (x[:, 0] ** 2 - 1.0) + hard * (x[:, 1] ** 2 - 1.0)) / math.sqrt(2.0)


@dataclass(frozen=True)
class Layer:
    """A first layer (p, d) and the signs a_j sqrt(p) = +-1 (p,) of the output layer in which its gradient step is taken."""

    weights: Array
    signs: Array


def unit_layer(role: str, seed: int, width: int, d: int, pretraining: float, backend: Backend) -> Layer:
    """Draw a first layer with rows uniform on the unit sphere, plus ``pretraining`` times a normal along the hard axis.

    A narrower layer is the head of a wider one.
    """
    xp = backend.xp
    rows = normals(stream("multi_index", role, "layer", seed=seed), width, d, backend)
    rows = rows / xp.sqrt(xp.sum(rows * rows, axis=1))[:, None]
    if pretraining:
        spike = normals(stream("multi_index", role, "pretraining", seed=seed), width, 1, backend)[:, 0]
        rows[:, 1] += pretraining * spike
    signs = uniforms(stream("multi_index", role, "signs", seed=seed), width, 1, backend)[:, 0]
    return Layer(rows, xp.where(signs < 0.5, -1.0, 1.0))


def sample(role: str, seed: int, rows: int, d: int, backend: Backend) -> tuple[Array, Array]:
    """Draw inputs (rows, d) and standard normal noise (rows,) of a role; fewer rows are the head of more."""
    noise = normals(stream("multi_index", role, "noise", seed=seed), rows, 1, backend)
    return normals(stream("multi_index", role, "inputs", seed=seed), rows, d, backend), noise[:, 0]


def gradient_step(layer: Layer, x: Array, y: Array, step: float, backend: Backend) -> Array:
    """Return the weights (p, d) after one step of size step sqrt(p) on the correlation of labels and output."""
    xp = backend.xp
    active = (x @ layer.weights.T > 0).astype(np.float64) * y[:, None]
    return layer.weights + (step / len(x)) * layer.signs[:, None] * (xp.ascontiguousarray(active.T) @ x)


def features(weights: Array, x: Array, xp: Any) -> Array:
    """Compute the centred features of inputs, (n, p)."""
    lengths = xp.sqrt(xp.sum(weights * weights, axis=1))
    return (xp.maximum(x @ weights.T, 0.0) - MEAN * lengths) / math.sqrt(len(weights))


def readout(phi: Array, labels: Array, ridges: list[float], backend: Backend) -> Array:
    """Fit (phi'phi/n + ridge I)^-1 phi'y/n for each ridge, (L, p); NaN where the system is singular."""
    rows = len(phi)
    gram, rhs = phi.T @ phi / rows, (phi.T @ labels / rows)[:, None]
    factors = [cholesky.cholesky_gram(gram, ridge, backend)[0] for ridge in ridges]
    return backend.xp.stack([cholesky.solve_factor(factor, rhs, backend)[:, 0] for factor in factors])


def pretrained_head(weights: Array, part: float, ridges: list[float], backend: Backend) -> Array:
    """Fit ``part`` times h(x_2) on the population with each ridge, (L, p): what a pretrained network makes of the hard axis."""
    joint, width = joint_moments([weights], backend), len(weights)
    gram, rhs = joint[:width, :width], part * joint[:width, width + 2 :]
    factors = [cholesky.cholesky_gram(gram, ridge, backend)[0] for ridge in ridges]
    return backend.xp.stack([cholesky.solve_factor(factor, rhs, backend)[:, 0] for factor in factors])


def joint_moments(layers: list[Array], backend: Backend) -> Array:
    """Compute second moments of the features of several layers and of x_1, h(x_1), h(x_2): (p_1 + p_2 + ... + 3,) squared.

    E relu(u'x) relu(v'x) over N(0, I_d) is d times that over the sphere, since x has E |x|^2 = d and a free direction.
    """
    xp, d = backend.xp, layers[0].shape[1]
    weights = xp.concatenate(layers)
    scales = xp.concatenate([xp.full(len(layer), 1.0 / math.sqrt(len(layer))) for layer in layers])
    lengths = xp.sqrt(xp.sum(weights * weights, axis=1))
    count = len(weights)
    joint = xp.zeros((count + 3, count + 3))
    gram = d * arccos_gram(weights, backend=backend) - MEAN**2 * lengths[:, None] * lengths
    joint[:count, :count] = gram * scales[:, None] * scales
    easy, hard = weights[:, 0], weights[:, 1]
    even = MEAN / math.sqrt(2.0) / lengths
    cross = xp.stack([0.5 * easy, even * easy**2, even * hard**2], axis=1) * scales[:, None]
    joint[:count, count:], joint[count:, :count] = cross, cross.T
    joint[count:, count:] = xp.eye(3)
    return joint


def projections(weights: Array, backend: Backend) -> tuple[float, float]:
    """Compute the squared projections of the easy and the hard axis on the two top right singular vectors of a layer."""
    top = backend.to_numpy(factor_gram(weights.T @ weights, backend).vectors[:2, :2])
    easy, hard = np.sum(top**2, axis=1)
    return float(easy), float(hard)
