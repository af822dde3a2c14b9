"""Samples of the toy: latent coordinates that both models may see, tails that carry nothing, and kernels of their rows.

Streams are named by role and seed; rows, latent coordinates and tails are nested in their numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_kernels import Backend, streams
from w2s_kernels.backend import Array

__all__ = ["Sample", "Sight", "centred", "draw", "target", "weak_view"]

Matrix = npt.NDArray[np.float64]
_NAME = "xue2025"


class Sample(NamedTuple):
    """Rows of one role: latent coordinates z (n, r), the weak model's own e (n, r), tails (n, D) and labels (n,)."""

    latent: Array
    own: Array
    weak_tail: Array
    strong_tail: Array | None
    labels: Array


@dataclass(frozen=True)
class Sight:
    """Centred features (n, d) of a model on some rows, split into principal coordinates and tail, with their means."""

    principal: Array
    tail: Array
    means: tuple[Array, Array]

    def kernel(self) -> Array:
        """Compute H H'/n of the rows, (n, n)."""
        return (self.principal @ self.principal.T + self.tail @ self.tail.T) / len(self.principal)

    def weights(self, dual: Array) -> tuple[Array, Array]:
        """Turn dual coefficients (n, m), those of (K + b I)^-1 y, into weights (d, m) of principal coordinates and tail."""
        return self.principal.T @ dual / len(dual), self.tail.T @ dual / len(dual)

    def outputs(self, weights: tuple[Array, Array]) -> Array:
        """Compute outputs (n, m) at the rows themselves, without an intercept."""
        return self.principal @ weights[0] + self.tail @ weights[1]


def target(level: Mapping[str, Any]) -> Matrix:
    """Return the coefficients of f* on the latent coordinates: each has an equal part of the power ``signal``."""
    return np.full(level["latent"], np.sqrt(level["signal"] / level["latent"]))


def draw(level: Mapping[str, Any], role: str, seed: int, coefficients: Matrix, backend: Backend) -> Sample:
    """Draw the rows of a role, ``labeled`` or ``transfer``; the student sees transfer rows alone."""
    n, width = level[f"n_{role}"], level["tail_width"]

    def normals(name: str, columns: int) -> Array:
        return streams.normals(streams.stream(_NAME, role, name, seed=seed), n, columns, backend)

    scale = np.sqrt(level["tail_power"] / width)
    latent, noise = normals("latent", level["latent"]), normals("noise", 1)[:, 0]
    labels = latent @ backend.asarray(coefficients) + level["noise"] * noise
    strong = normals("strong tail", width) * scale if role == "transfer" else None
    return Sample(latent, normals("own", level["latent"]), normals("weak tail", width) * scale, strong, labels)


def weak_view(sample: Sample, d_weak: int, cosine: float) -> Array:
    """Return what the weak model sees of the latent coordinates: cosine z + sqrt(1 - cosine^2) e of the first, (n, d_weak)."""
    return cosine * sample.latent[:, :d_weak] + np.sqrt(1.0 - cosine**2) * sample.own[:, :d_weak]


def centred(principal: Array, tail: Array) -> Sight:
    """Subtract the means of features over their rows."""
    means = principal.mean(axis=0), tail.mean(axis=0)
    return Sight(principal - means[0], tail - means[1], means)
