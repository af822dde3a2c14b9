"""Gaussian features with a known overlap: the law of Dong et al. 2025.

Latent coordinates g = [s, e, t] are independent standard normals: s carries the strong features, e what the weak features have
beyond them, t what neither model sees. Strong features z_s = s[:d_s]; weak features z_w,i = c_i s_i + sqrt(1 - c_i^2) e_i with
canonical cosines c_i, so that the correlation dimension is d_sw = sum c_i^2. Everything a model can predict is a vector over g,
and a population error is the squared length of a difference of such vectors: nothing cancels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2s.laws.partly_shared import Placement, Point, place_partly_shared, weak_range
from w2s_kernels import Backend, streams, wishart
from w2s_kernels.backend import Array

__all__ = ["GEOMETRY", "Geometry", "latent_factor", "latent_grams", "latent_sample"]

Matrix = npt.NDArray[np.float64]

GEOMETRY = ("d_weak", "d_strong", "d_overlap", "overlap", "signal", "rho_weak", "rho_strong")
"""Cell fields that make a :class:`Geometry`."""

_NEITHER, _BOTH, _STRONG, _WEAK = (0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)
"""Kinds of directions: the parts of them that lie within the strong and within the weak features."""

_ROUNDING = 1e-12
"""Parts of the signal that count as none: fractions that are written in decimals."""

_PRECISION = 1e-10
"""How far rounding may move the fractions of a target's power that lie outside the features."""


@dataclass(frozen=True)
class Geometry:
    """How weak features, strong features and the target lie to each other.

    ``d_overlap`` is d_sw = ||C||_F^2 in 0..min(d_weak, d_strong); ``aligned`` makes its whole part shared directions and
    its fraction one partly shared direction, ``spread`` gives every canonical pair the same cosine. The target has power
    ``signal`` (E f*^2), of which the fractions ``rho_weak`` and ``rho_strong`` are outside the weak and the strong features.
    """

    d_weak: int
    d_strong: int
    d_overlap: float
    overlap: str
    signal: float
    rho_weak: float
    rho_strong: float

    @property
    def cosines(self) -> Matrix:
        """Canonical cosines c_i: (min(d_weak, d_strong),), descending."""
        pairs = min(self.d_weak, self.d_strong)
        if self.overlap == "spread":
            return np.full(pairs, math.sqrt(self.d_overlap / pairs))
        squares = np.clip(self.d_overlap - np.arange(pairs), 0.0, 1.0)
        return np.asarray(np.sqrt(squares))

    def size(self) -> int:
        """Count the latent coordinates: d_strong + d_weak + 1."""
        return self.d_strong + self.d_weak + 1

    def weak_map(self) -> Matrix:
        """Return A_w with z_w = A_w g: (d_weak, size)."""
        cosines = np.zeros(self.d_weak)
        pairs = self.cosines
        cosines[: len(pairs)] = pairs
        matrix = np.zeros((self.d_weak, self.size()))
        paired = np.arange(len(pairs))
        matrix[paired, paired] = pairs
        every = np.arange(self.d_weak)
        matrix[every, self.d_strong + every] = np.sqrt(1.0 - cosines**2)
        return matrix

    def strong_map(self) -> Matrix:
        """Return A_s with z_s = A_s g: (d_strong, size)."""
        return np.eye(self.d_strong, self.size())

    def target(self) -> Matrix:
        """Return a with f* = a'g: (size,). Every part lies in directions of one kind, evenly spread over those of the kind.

        Where fully shared directions, one of each model alone and the unseen one suffice, they are used, with as little unseen
        as they allow. Otherwise partly shared pairs carry what is needed of them and no more
        (:func:`w2s.laws.partly_shared.place_partly_shared`).
        """
        target = np.zeros(self.size())
        if self.signal == 0:
            return target
        powers = self._without_pairs()
        if powers is None:
            placement = self._with_pairs()
            if placement is None:
                raise ValueError(self._no_target())
            powers = placement.parts
            pairs = np.flatnonzero(self._partly_shared)
            root = math.sqrt(placement.plane / len(pairs))
            target[pairs] = root * math.cos(placement.angle)
            target[self.d_strong + pairs] = root * math.sin(placement.angle)
        shared = int(np.sum(self.cosines >= 1.0))
        if shared:
            target[:shared] = math.sqrt(max(powers.get(_BOTH, 0.0), 0.0) / shared)
        if powers.get(_STRONG, 0.0) > 0:
            target[self.d_strong - 1] += math.sqrt(powers[_STRONG])
        if powers.get(_WEAK, 0.0) > 0:
            target[self.d_strong + self.d_weak - 1] += math.sqrt(powers[_WEAK])
        target[-1] = math.sqrt(powers.get(_NEITHER, 0.0))
        return target * math.sqrt(self.signal)

    @property
    def _partly_shared(self) -> npt.NDArray[np.bool_]:
        return (self.cosines > 0.0) & (self.cosines < 1.0)

    @property
    def _own(self) -> tuple[bool, bool]:
        """Whether the strong features, and whether the weak ones, have a direction of which the other model sees nothing."""
        unpaired = self.cosines[-1] == 0.0
        return bool(unpaired or self.d_strong > self.d_weak), bool(unpaired or self.d_weak > self.d_strong)

    def _without_pairs(self) -> Mapping[Point, float] | None:
        """Split the target's power over directions that are shared fully or not at all; None where that cannot be."""
        strong_own, weak_own = self._own
        least = self.rho_weak + self.rho_strong - 1.0
        unseen = max(0.0, least, 0.0 if strong_own else self.rho_weak, 0.0 if weak_own else self.rho_strong)
        strong, weak = self.rho_weak - unseen, self.rho_strong - unseen
        both = 1.0 - strong - weak - unseen
        fits = min(strong, weak) >= -_ROUNDING and (both <= _ROUNDING or bool(np.any(self.cosines >= 1.0)))
        return {_BOTH: both, _STRONG: strong, _WEAK: weak, _NEITHER: unseen} if fits else None

    def _corners(self) -> list[Point]:
        strong_own, weak_own = self._own
        there = {_NEITHER: True, _BOTH: bool(np.any(self.cosines >= 1.0)), _STRONG: strong_own, _WEAK: weak_own}
        return [corner for corner, is_there in there.items() if is_there]

    def _with_pairs(self) -> Placement | None:
        partly = self.cosines[self._partly_shared]
        if not len(partly):
            return None
        return place_partly_shared((1.0 - self.rho_strong, 1.0 - self.rho_weak), self._corners(), float(partly[0]))

    def problem(self) -> str | None:
        """Say why no target fits this geometry, or return None."""
        pairs = min(self.d_weak, self.d_strong)
        if self.d_overlap > pairs:
            return f"d_overlap = {self.d_overlap:g} exceeds min(d_weak, d_strong) = {pairs}"
        if self.signal == 0:
            return None if self.rho_weak == self.rho_strong == 0 else "rho_weak and rho_strong need a signal above 0"
        if self._without_pairs() is not None:
            return None
        if self._with_pairs() is None:
            return self._no_target()
        off = max(abs(found - asked) for found, asked in zip(self._outside(), (self.rho_weak, self.rho_strong), strict=True))
        if off <= _PRECISION:
            return None
        return (
            f"rho_weak = {self.rho_weak!r}, rho_strong = {self.rho_strong!r} with d_overlap = {self.d_overlap!r} lie so near "
            f"an end that rounding moves the target by {off:.1g}: give the end itself (0 or 1; a whole d_overlap)"
        )

    def _outside(self) -> tuple[float, float]:
        """Measure the fractions of the target's power outside the weak and the strong features."""
        target, cosines = self.target() / math.sqrt(self.signal), np.zeros(self.d_weak)
        cosines[: min(self.d_weak, self.d_strong)] = self.cosines
        strong, own = target[: self.d_strong], target[self.d_strong : -1]
        paired = np.zeros(self.d_weak)
        paired[: min(self.d_weak, self.d_strong)] = strong[: min(self.d_weak, self.d_strong)]
        weak = cosines * paired + np.sqrt(1.0 - cosines**2) * own
        power = float(target @ target)
        return power - float(weak @ weak), power - float(strong @ strong)

    def _no_target(self) -> str:
        partly = self.cosines[self._partly_shared]
        reached = weak_range(1.0 - self.rho_strong, self._corners(), float(partly[0]) if len(partly) else None)
        least, most = (max(0.0, 1.0 - value) for value in reversed(reached))
        allowed = f"{least:.3g}" if most - least < 1e-3 else f"{least:.3g} to {most:.3g}"
        shape = f"d_weak = {self.d_weak}, d_strong = {self.d_strong}, d_overlap = {self.d_overlap:g} ({self.overlap})"
        return (
            f"no target has rho_weak = {self.rho_weak:g} and rho_strong = {self.rho_strong:g} here: with {shape} and this "
            f"rho_strong, rho_weak can be {allowed} (signal: 0 needs neither)"
        )


def latent_sample(role: str, seed: int, n: streams.Span, d_strong: int, d_weak: int, backend: Backend) -> Matrix:
    """Draw latent coordinates and label noise of ``n`` rows: (n, d_strong + d_weak + 2) in the order [s, e, t, noise].

    ``n`` may be a pair (start, stop): those rows of the same sample. Rows and widths are nested: the same role and seed give
    the same numbers whatever the sizes.
    """
    pieces = [
        streams.normals(streams.stream(role, name, seed=seed), n, width, backend)
        for name, width in (("strong", d_strong), ("weak", d_weak), ("unseen", 1), ("noise", 1))
    ]
    joined: Matrix = backend.xp.concatenate(pieces, axis=1)
    return joined


def latent_factor(role: str, seed: int, counts: list[int], d_strong: int, d_weak: int, backend: Backend) -> Matrix:
    """Draw factors R(n) with R'R distributed as the Gram of n rows of :func:`latent_sample`: (counts, D, D), same column order.

    They are drawn directly, at a cost that does not depend on n (see :mod:`w2s_kernels.wishart`), and are not triangular once
    the columns are in order. The draws are nested in the weak width and belong to one strong width, which names the stream.
    """
    factors = wishart.factor(_wishart_stream(role, seed, d_strong), counts, d_strong + d_weak + 2, backend)
    return np.ascontiguousarray(backend.to_numpy(factors)[..., _latent_order(d_strong, d_weak)])


def latent_grams(
    role: str, seed: int, counts: list[int], d_strong: int, d_weak: int, backend: Backend, out: Array | None = None
) -> Array:
    """Draw the Grams R(n)'R(n) of the factors of :func:`latent_factor`: (counts, D, D); one product serves every count.

    The backend holds them; they are written to ``out`` where it is given.
    """
    stream, order = _wishart_stream(role, seed, d_strong), _latent_order(d_strong, d_weak)
    return wishart.gram(stream, counts, len(order), backend, order, out)


def _wishart_stream(role: str, seed: int, d_strong: int) -> streams.Stream:
    return streams.stream(role, "wishart", str(d_strong), seed=seed)


def _latent_order(d_strong: int, d_weak: int) -> npt.NDArray[np.int64]:
    """Return the columns of the factor in the order of the sample.

    They are drawn as [s, t, noise, e], so that weak widths are nested.
    """
    return np.concatenate([np.arange(d_strong), d_strong + 2 + np.arange(d_weak), d_strong + np.arange(2)])
