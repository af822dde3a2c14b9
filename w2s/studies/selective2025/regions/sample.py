"""Inputs, concept, weak labels and own answers of the regions study; all of S seeds side by side.

Inputs z are N(0, I) in R^20 with classes y = 1[1.5 z_0 + z_1 z_2 + 0.7 z_3^2 > 0.7]. The weak model is a logistic regression on
random ReLU features, so its errors have structure. The strong model sees (z_0, z_1 z_2, z_3^2 - 1), z_4 and five numbers that
say nothing, with noise. Before any training it answers rightly in the region z_4 > t more often than elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from w2s.probes.softmax import fit_softmax
from w2s_kernels import Backend, normals, stream, uniforms
from w2s_kernels.backend import Array

__all__ = ["RIDGE", "Part", "WeakModel", "logs_of", "own_answers", "part_of", "shuffled_errors", "soft_answers"]

_NAME = "selective2025"
_INPUTS, _NUISANCE = 20, 5
RIDGE = 1e-3
"""Of every logistic regression, in the mean loss."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """Items of a part: inputs (S, n, 20), strong features (S, n, 9), classes (S, n) of 0 and 1, region (S, n), coins (S, n)."""

    inputs: Array
    features: Array
    classes: Array
    region: Array
    coins: Array

    def rows(self, backend: Backend) -> Array:
        """Return strong features with a constant, (S, n, 10)."""
        return _with_constant(self.features, backend)


def part_of(role: str, count: int, world: Mapping[str, Any], seeds: Sequence[int], backend: Backend) -> Part:
    """Draw the items of a part; a longer part begins with the shorter one, and regions are nested."""
    xp = backend.xp
    z = xp.stack([normals(stream(_NAME, role, "inputs", seed=s), count, _INPUTS, backend) for s in seeds])
    noise = xp.stack([normals(stream(_NAME, role, "noise", seed=s), count, 4 + _NUISANCE, backend) for s in seeds])
    coins = xp.stack([uniforms(stream(_NAME, role, "answers", seed=s), count, 1, backend)[:, 0] for s in seeds])
    score = 1.5 * z[..., 0] + z[..., 1] * z[..., 2] + 0.7 * z[..., 3] ** 2
    shown = xp.stack([z[..., 0], z[..., 1] * z[..., 2], z[..., 3] ** 2 - 1.0, world["visible"] * z[..., 4]], axis=-1)
    features = xp.concatenate([shown + world["noise"] * noise[..., :4], noise[..., 4:]], axis=-1)
    edge = float(-ndtri(world["known"]))
    return Part(z, features, 1.0 * (score > 0.7), z[..., 4] > edge, coins)


@dataclass(frozen=True)
class WeakModel:
    """Weak models of S seeds: frequencies and offsets of their ReLU features, and heads (S, width + 1, 2)."""

    frequencies: Array
    offsets: Array
    heads: Array
    backend: Backend

    @classmethod
    def fit(
        cls, part: Part, world: Mapping[str, Any], seeds: Sequence[int], backend: Backend, rows: Array | None = None
    ) -> WeakModel:
        """Train on the classes of a part; ``rows`` (S, n) has 1 where an item counts."""
        xp, width = backend.xp, world["d_weak"]
        w = xp.stack([normals(stream(_NAME, "weak", "frequencies", seed=s), width, _INPUTS, backend) for s in seeds])
        b = xp.stack([normals(stream(_NAME, "weak", "offsets", seed=s), width, 1, backend)[:, 0] for s in seeds])
        made = cls(w / _INPUTS**0.5, b, b, backend)
        heads, _ = fit_softmax(made.rows(part), logs_of(part.classes, backend), backend, ridge=RIDGE, weights=rows)
        return cls(made.frequencies, b, heads, backend)

    def rows(self, part: Part) -> Array:
        """Compute ReLU features with a constant, (S, n, width + 1)."""
        xp = self.backend.xp
        hidden = xp.matmul(part.inputs, self.frequencies.swapaxes(-1, -2)) + self.offsets[:, None]
        return _with_constant(xp.maximum(hidden, 0.0), self.backend)

    def probabilities(self, part: Part) -> Array:
        """Predict P(class 1), (S, n)."""
        return soft_answers(self.rows(part), self.heads, self.backend)


def logs_of(classes: Array, backend: Backend) -> Array:
    """Return log-probabilities (S, n, 2) of P(class 1) (S, n); -inf for a probability of 0."""
    xp = backend.xp
    both = xp.stack([1.0 - classes, 1.0 * classes], axis=-1)
    return xp.log(xp.where(both > 0, both, 1.0)) + xp.where(both > 0, 0.0, -xp.inf)


def soft_answers(rows: Array, heads: Array, backend: Backend) -> Array:
    """Compute P(class 1) (S, n) of heads (S, d, 2) on rows (S, n, d)."""
    logits = backend.xp.matmul(rows, heads)
    return 1.0 / (1.0 + backend.xp.exp(logits[..., 0] - logits[..., 1]))


def own_answers(part: Part, weak_wrong: Mask, world: Mapping[str, Any], backend: Backend) -> npt.NDArray[np.float64]:
    """Draw the strong model's own answers, (S, n) of 0 and 1: right as often as the region of an item says.

    With ``overlap`` 0 its errors know nothing of the weak model's. With 1 they are among the weak model's as far as there are
    enough of those, in region and rest apart; in between, errors are mixed. Its accuracies are the same in expectation.
    """
    region, coins, classes = (backend.to_numpy(array) for array in (part.region, part.coins, part.classes))
    wrong = np.zeros(region.shape, dtype=bool)
    share = world["overlap"]
    for inside, name in ((True, "right_inside"), (False, "right_outside")):
        here, error = region == inside, 1.0 - world[name]
        count = np.maximum(here.sum(axis=1, keepdims=True), 1)
        bad = (here & weak_wrong).sum(axis=1, keepdims=True) / count
        there = np.minimum(1.0, np.divide(error, bad, out=np.full_like(bad, error), where=bad > 0))
        elsewhere = np.divide(error - bad * there, 1.0 - bad, out=np.full_like(bad, error), where=bad < 1)
        rate = (1.0 - share) * error + share * np.where(weak_wrong, there, elsewhere)
        wrong |= here & (coins < rate)
    return np.where(wrong, 1.0 - classes, classes)


def shuffled_errors(probabilities: npt.NDArray[np.float64], part: Part, seeds: Sequence[int], backend: Backend) -> Any:
    """Permute weak probabilities (S, n) among the items of each class: the same errors at random items."""
    classes, found = backend.to_numpy(part.classes), probabilities.copy()
    for s, seed in enumerate(seeds):
        order = np.argsort(backend.to_numpy(uniforms(stream(_NAME, "shuffled", seed=seed), found.shape[1], 1, backend))[:, 0])
        for y in (0.0, 1.0):
            places = np.flatnonzero(classes[s] == y)
            found[s, places] = probabilities[s, order[classes[s][order] == y]]
    return found


def _with_constant(rows: Array, backend: Backend) -> Array:
    return backend.xp.concatenate([rows, backend.xp.ones((*rows.shape[:-1], 1))], axis=-1)
