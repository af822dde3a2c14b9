"""What blocks of the regression study may share: second moments of the latents, and factors of the strong features' Grams.

They depend on seeds, sample counts and widths alone: not on targets, noises, overlaps, teachers or what errors are measured on.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.laws.gaussian import latent_grams, latent_sample
from w2s.probes.moments import MomentProbe
from w2s.sharing.stage import Level, Stage, Values
from w2s_kernels import Backend, nested, streamed_grams
from w2s_kernels.backend import Array
from w2s_kernels.refine import RefinedFactor

__all__ = ["FACTORS", "MOMENTS", "REFINED", "SCOPE", "SPECTRUM", "Moments", "draw_level"]

Matrix = npt.NDArray[np.float64]

_DRAW = ("design", "seeds", "labeled", "transfer", "widths")
SCOPE = (*_DRAW, "d_strong")


class Moments:
    """Second moments of z: sums over rows, (seeds, D, D), for every role and count, at the largest widths.

    They live where the backend computes, as everything does that is made of them until a cell's results are fetched.
    """

    def __init__(
        self, design: str, seeds: Sequence[int], counts: Mapping[str, Sequence[int]], widths: tuple[int, int], backend: Backend
    ) -> None:
        self.widths, self.seeds, self.xp = widths, seeds, backend.xp
        self._sums: dict[tuple[str, int], Array] = {}
        for role, numbers in counts.items():
            ordered = sorted(set(numbers))
            sums = backend.xp.empty((len(ordered), len(seeds), *(sum(widths) + 2,) * 2))
            for at, seed in enumerate(seeds):
                if design == "wishart":
                    latent_grams(role, seed, ordered, *widths, backend, sums[:, at])
                    continue
                rows = functools.partial(latent_sample, role, seed, d_strong=widths[0], d_weak=widths[1], backend=backend)
                sums[:, at] = streamed_grams(rows, ordered, backend)
            self._sums |= {(role, count): sums[n] for n, count in enumerate(ordered)}

    def __call__(self, role: str, count: int, d_strong: int, d_weak: int) -> Array:
        """Return the sums over ``count`` rows for narrower features: [s[:d_strong], e[:d_weak], t, noise]."""
        sums = self._sums[role, count]
        if (d_strong, d_weak) == self.widths:
            return sums
        strong, weak = self.widths
        kept = (slice(0, d_strong), slice(strong, strong + d_weak), slice(strong + weak, strong + weak + 2))
        rows = self.xp.concatenate([sums[:, part] for part in kept], axis=1)
        return self.xp.concatenate([rows[..., part] for part in kept], axis=2)

    def gram(self, n_labeled: int, n_transfer: int, d_strong: int) -> Array:
        """Compute second moments (seeds, d, d) of strong features on transfer rows, joined by labelled ones if any."""
        sums = self._sums["transfer", n_transfer][:, :d_strong, :d_strong]
        if n_labeled:
            sums = sums + self._sums["labeled", n_labeled][:, :d_strong, :d_strong]
        return self.xp.ascontiguousarray(sums / (n_labeled + n_transfer))


def draw_level(block: Block, design: str, d_strong: int) -> Level:
    """Return the fields that a family's moments depend on. Drawn factors belong to one strong width; rows serve every width."""
    counts = {role: tuple(sorted(set(block.values(f"n_{role}")))) for role in ("labeled", "transfer")}
    widths = (d_strong if design == "wishart" else max(block.values("d_strong")), max(block.values("d_weak")))
    return {"design": design, "seeds": tuple(block.values("seed")), **counts, "widths": widths, "d_strong": d_strong}


def _moments(level: Level, values: Values) -> Moments:
    counts = {role: level[role] for role in ("labeled", "transfer")}
    return Moments(level["design"], level["seeds"], counts, level["widths"], values.backend)


MOMENTS = Stage("second moments of the latents", _DRAW, _moments)

_SAMPLE = (*SCOPE, "n_labeled", "n_transfer")


def _gram(level: Level, values: Values) -> Array:
    return values(MOMENTS, level).gram(level["n_labeled"], level["n_transfer"], level["d_strong"])


SPECTRUM = Stage(
    "eigendecomposition of a Gram", _SAMPLE, lambda level, values: MomentProbe(_gram(level, values), values.backend)
)


def _factors(level: Level, values: Values) -> list[tuple[Any, Any]]:
    """Compute a Cholesky factor for each ridge strength, each with its status."""
    gram = _gram(level, values)
    return [nested.cholesky_gram(gram, strength, values.backend) for strength in level["ridges"]]


FACTORS = Stage("Cholesky factors of a Gram", (*_SAMPLE, "ridges"), _factors)


def _refined(level: Level, values: Values) -> list[RefinedFactor]:
    gram = _gram(level, values)
    return [RefinedFactor(gram, strength, values.backend) for strength in level["ridges"]]


REFINED = Stage("refined factors of a Gram", (*_SAMPLE, "ridges"), _refined)
