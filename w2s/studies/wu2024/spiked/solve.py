"""The arithmetic of the spiked study: one weak fit and one strong factor per seed and shape, every count of rows from both.

Everything is in whitened coordinates: a classifier w has the coefficients Sigma^(1/2) w, of which the first over the length is
the cosine that its error is a function of. A leading block of the factor of the student's rows is that of fewer rows, so one
factor and one triangular solve serve all counts up to d; more rows than features are solved one count at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.probes.smaller_side import fit_smaller_side
from w2s_kernels import Backend, gram, nested, normals, stream
from w2s_kernels.backend import Array

__all__ = ["NUMBERS", "STRONG", "WEAK", "Shape", "results", "sizes"]

Matrix = npt.NDArray[np.float64]
Level = Mapping[str, Any]

WEAK = ("n_labeled", "p_weak", "q_weak", "r_weak")
STRONG = ("n_labeled", "p_strong", "q_strong", "r_strong")
NUMBERS = ("weak_cosine", "student_cosine", "ceiling_cosine", "condition")
_NAME = "wu2024"


@dataclass(frozen=True)
class Shape:
    """Sizes of a model: ``d`` features, ``spikes`` of them large, with the part ``energy`` of the energy d."""

    d: int
    spikes: int
    energy: float

    @classmethod
    def of(cls, n: int, p: float, q: float, r: float) -> Shape:
        """Make the sizes d = n^p and s = n^r, rounded; at least one feature is spiked and one is not."""
        d = max(round(n**p), 2)
        return cls(d, min(max(round(n**r), 1), d - 1), float(n**-q))

    def scales(self) -> Matrix:
        """Return the square roots of the eigenvalues, (d,)."""
        values = np.full(self.d, (1.0 - self.energy) * self.d / (self.d - self.spikes))
        values[: self.spikes] = self.energy * self.d / self.spikes
        return np.asarray(np.sqrt(values))


def sizes(level: Level, model: str) -> Shape:
    """Return the shape of a cell's model, ``weak`` or ``strong``."""
    return Shape.of(level["n_labeled"], *(float(level[f"{name}_{model}"]) for name in "pqr"))


def results(
    n: int, weak: Shape, strong: Shape, seed: int, counts: Sequence[int], soft: Sequence[bool], backend: Backend
) -> dict[str, Matrix]:
    """Compute cosines of the weak model, (1, 1), and of students and ceilings (M, S) for counts (M,) and label kinds (S,).

    The ceiling interpolates the true classes of the student's rows. Counts increase.
    """
    xp, most = backend.xp, counts[-1]
    labelled, first = _rows("labelled", "weak", seed, n, weak, backend)
    scale = backend.asarray(weak.scales())
    fitted, found = fit_smaller_side(labelled * scale, _signs(first, xp), 0.0, backend)
    direction = fitted * scale[:, None]
    length = xp.sqrt(xp.sum(direction**2))
    given, shared = _rows("transfer", "weak", seed, most, weak, backend)
    scores = given @ direction / length
    seen, _ = _rows("transfer", "strong", seed, most, strong, backend)
    seen[:, :1] = shared
    labels = xp.concatenate([scores if kind else _signs(scores, xp) for kind in soft] + [_signs(shared, xp)], axis=1)
    cosines, worst = _students(seen * backend.asarray(strong.scales()), labels, strong, counts, backend)
    return {
        "weak_cosine": backend.to_numpy(direction[:1] / length),
        "student_cosine": cosines[:, :-1],
        "ceiling_cosine": cosines[:, -1:],
        "condition": np.maximum(worst, found)[:, None],
    }


def _rows(part: str, model: str, seed: int, count: int, shape: Shape, backend: Backend) -> tuple[Array, Array]:
    """Draw whitened rows (count, d), and their first coordinate (count, 1), the label's; it is the same for both models."""
    rows = normals(stream(_NAME, part, model, seed=seed), count, shape.d, backend)
    first = normals(stream(_NAME, part, "label", seed=seed), count, 1, backend)
    rows[:, :1] = first
    return rows, first


def _signs(values: Array, xp: Any) -> Array:
    return xp.where(values > 0, 1.0, -1.0)


def _students(rows: Array, labels: Array, shape: Shape, counts: Sequence[int], backend: Backend) -> tuple[Matrix, Matrix]:
    """Fit the labels (m, k) on the first rows of each count: cosines (M, k) and conditions (M,)."""
    scale, inside = backend.asarray(shape.scales()), [m for m in counts if m <= shape.d]
    parts, worst = [], []
    if inside:
        factor, _ = nested.cholesky_gram(gram(rows[: inside[-1]].T, backend=backend), 0.0, backend)
        found = nested.forward(factor, labels[: inside[-1]], backend)
        dual = nested.coefficients(factor, found, inside, backend)
        # (M, m, k): one product for all counts, whose coefficients are zero beyond their rows.
        spread = backend.xp.moveaxis(dual, 0, 1).reshape(inside[-1], -1)
        directions = (rows[: inside[-1]].T @ spread) * scale[:, None]
        parts.append(backend.to_numpy(_cosines(directions, backend)).reshape(len(inside), -1))
        worst.append(backend.to_numpy(nested.condition(factor, inside)))
    for m in counts[len(inside) :]:
        fitted, condition = fit_smaller_side(rows[:m], labels[:m], 0.0, backend)
        parts.append(backend.to_numpy(_cosines(fitted * scale[:, None], backend))[None])
        worst.append(np.array([condition]))
    return np.concatenate(parts), np.concatenate(worst)


def _cosines(directions: Array, backend: Backend) -> Array:
    """Divide first entries by lengths: (d, k) -> (k,)."""
    return directions[0] / backend.xp.sqrt(backend.xp.sum(directions**2, axis=0))
