"""Points, classes and teachers of the correction study: two Gaussian classes, wrong pseudolabels, missing ones.

The first axis tells the classes apart. A region of wrong labels is a half-space along the second axis, one of missing labels
lies along the third (``across``) or the first (``along``). Masses are nested: a larger region or rate holds the smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from w2s.theory import lang2024 as theory
from w2s_kernels import Backend, normals, stream, uniforms
from w2s_kernels.backend import Array

__all__ = ["Sample", "Teachers"]

_NAME = "lang2024"


@dataclass(frozen=True)
class Teachers:
    """T teachers: masses (T,) of the region of wrong labels, and the rate (T,) of wrong labels outside of it."""

    mass: Array
    rate: Array

    @classmethod
    def of(cls, levels: Sequence[Mapping[str, Any]]) -> Teachers:
        """Split every teacher's error into that of a region and that of coins."""
        alpha, part = (
            np.array([level[name] for level in levels], dtype=np.float64) for name in ("teacher_error", "structured")
        )
        mass = alpha * part
        return cls(mass, (alpha - mass) / (1.0 - mass))


@dataclass(frozen=True)
class Sample:
    """Points ``x`` (n, d) with classes ``y`` (n, 1) of -+1, and the uniforms (n, 1) behind wrong and missing labels."""

    x: Array
    y: Array
    flips: Array
    gaps: Array
    distance: float
    spread: float

    @classmethod
    def of(cls, role: str, seed: int, count: int, world: Mapping[str, Any], backend: Backend) -> Sample:
        """Draw the points of a role; longer samples begin with the shorter ones."""
        xp, distance, spread = backend.xp, float(world["distance"]), float(world["spread"])

        def drawn(what: str) -> Array:
            return uniforms(stream(_NAME, role, what, seed=seed), count, 1, backend)

        y = xp.where(drawn("class") < 0.5, -1.0, 1.0)
        x = spread * normals(stream(_NAME, role, "points", seed=seed), count, world["d"], backend)
        x[:, :1] += distance * y
        return cls(x, y, drawn("flips"), drawn("gaps"), distance, spread)

    def labels(self, teachers: Teachers, backend: Backend) -> Array:
        """Return the teachers' labels (n, T), on covered points or not."""
        xp = backend.xp
        inside = self.x[:, 1:2] > backend.asarray(theory.region_threshold(teachers.mass, self.spread))
        wrong = inside | (self.flips < backend.asarray(teachers.rate))
        return self.y * xp.where(wrong, -1.0, 1.0)

    def covered(self, where: str, abstain: float | None, backend: Backend) -> Array:
        """Return 1 where the teacher gives a label and 0 where it abstains, (n, 1)."""
        xp, share = backend.xp, float(abstain or 0.0)
        if where == "nowhere":
            return xp.ones(self.y.shape)
        if where == "random":
            missing = self.gaps < share
        elif where == "across":
            missing = self.x[:, 2:3] > float(theory.region_threshold(share, self.spread))
        else:
            missing = self.x[:, :1] > _quantile(share, self.distance, self.spread)
        return xp.where(missing, 0.0, 1.0)


def _quantile(mass: float, distance: float, spread: float) -> float:
    """Find t with P(x_1 > t) = mass, both classes together, by bisection."""
    low, high = -distance - 10.0 * spread, distance + 10.0 * spread
    for _ in range(80):
        middle = 0.5 * (low + high)
        beyond = 0.5 * (ndtr((distance - middle) / spread) + ndtr((-distance - middle) / spread))
        low, high = (middle, high) if beyond > mass else (low, middle)
    return 0.5 * (low + high)
