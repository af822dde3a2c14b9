"""The principal part of a representation, by a stated rule, and what the formula says of a weak and a strong one.

``eigengap`` keeps the directions before the largest quotient of neighbouring eigenvalues, ``variance`` the fewest that hold a
share of the sum. What is left acts as a ridge gamma (:func:`w2s.theory.xue2025.effective_ridge`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.theory import xue2025 as theory
from w2s_kernels import Backend
from w2s_kernels.backend import Array

__all__ = ["PREDICTED", "RULE", "Pair", "Principal", "kept_directions", "predictions"]

Matrix = npt.NDArray[np.float64]

RULE = ("principal", "share")
"""Cell fields of the rule."""

PREDICTED = {
    "pred_gap_theory": "double",
    "pred_gap_bound_theory": "double",
    "score_operator": "double",
    "score_trace": "double",
    "d_weak_principal": "int64",
    "d_strong_principal": "int64",
    "gamma_weak": "double",
    "gamma_strong": "double",
    "label_power": "double",
}
"""Columns of :func:`predictions`, with their types."""


class Principal(NamedTuple):
    """What a rule keeps of a representation of ``rows`` rows, whose kernel H H'/rows has the eigenvalues ``values``.

    Attributes
    ----------
    values : (r,) eigenvalues that are kept, descending; they are the first ones.
    left : the sum of the others.
    counted : directions among which ``left`` has none; 0 where ``left`` is a variance that is known.
    rows : rows of the kernel.

    """

    values: Matrix
    left: float
    counted: int
    rows: int

    @property
    def size(self) -> int:
        """Number of directions kept."""
        return len(self.values)

    def gamma(self, fitted: int) -> float:
        """Compute the ridge that the rest acts as, for a head fitted on so many rows."""
        return float(theory.effective_ridge(self.left, self.counted, self.rows, fitted))

    @classmethod
    def chosen(cls, values: Matrix, rows: int, rule: str, share: float | None) -> Principal:
        """Cut the eigenvalues of a kernel (r,), descending, where ``rule`` says."""
        count = kept_directions(values, rule, share)
        return cls(values[:count], float(np.sum(values[count:])), count, rows)


class Pair(NamedTuple):
    """A strong and a weak representation of the same n rows, with their labels, in the orthonormal factors of their kernels.

    ``overlap`` (s, w) is U_s'U_w, ``strong_labels`` (s, k) and ``weak_labels`` (w, k) are U_s'y and U_w'y of centred labels,
    whose mean square is ``power``. A principal part takes the first directions of them.
    """

    overlap: Matrix
    strong_labels: Matrix
    weak_labels: Matrix
    power: float

    @classmethod
    def of(cls, strong: Array, weak: Array, labels: Array, backend: Backend) -> Pair:
        """Project factors (n, s) and (n, w) and labels (n, k) on each other."""
        power = float(backend.to_numpy(backend.xp.sum(labels * labels))) / len(labels)
        overlap, first, second = (backend.to_numpy(a) for a in (strong.T @ weak, strong.T @ labels, weak.T @ labels))
        return cls(overlap, first, second, power)

    def pred_gap(self, kept: Matrix, known: Matrix, rows: int) -> Matrix:
        """Compute the formula for shrinkages (L, s') and (w',) of the first directions: (L,)."""
        strong, weak = kept.shape[-1], known.shape[-1]
        first, second = self.strong_labels[:strong], self.weak_labels[:weak]
        return theory.pred_gap(self.overlap[:strong, :weak], kept, known, first, second, rows)


def kept_directions(values: Matrix, rule: str, share: float | None) -> int:
    """Count the directions that a rule keeps of descending eigenvalues (r,), r >= 1; at least one.

    ``eigengap`` looks for its gap among the first half of the eigenvalues above zero, since the last ones fall to zero.
    """
    positive = values[values > 0]
    if len(positive) < 2:
        return 1
    if rule == "eigengap":
        inner = positive[: max(2, len(positive) // 2 + 1)]
        return int(np.argmax(inner[:-1] / inner[1:])) + 1
    shares = np.cumsum(positive)
    # Rounding must not ask for one more direction: equal eigenvalues give exactly k/r.
    return int(np.searchsorted(shares, (share or 0.0) * shares[-1] * (1.0 - 1e-12))) + 1


def predictions(
    pair: Pair, strong: Principal, weak: Principal, ridges: Matrix, ridge_weak: float, n_labeled: int
) -> dict[str, Any]:
    """Compute the columns ``PREDICTED`` for students of some ridges (L,) and a weak model fitted on ``n_labeled`` rows.

    Columns are (L,) or numbers.
    """
    gamma_strong, gamma_weak = strong.gamma(strong.rows), weak.gamma(n_labeled)
    overlap = pair.overlap[: strong.size, : weak.size]
    kept = theory.shrinkage(strong.values, ridges[:, None] + gamma_strong)
    known = theory.shrinkage(weak.values, ridge_weak + gamma_weak)
    score = np.array([float(theory.operator_score(overlap, row, known)) for row in kept])
    return {
        "pred_gap_theory": pair.pred_gap(kept, known, strong.rows),
        "pred_gap_bound_theory": theory.score_bound(score, pair.power),
        "score_operator": score,
        "score_trace": theory.trace_score(overlap, kept, known),
        "d_weak_principal": weak.size,
        "d_strong_principal": strong.size,
        "gamma_weak": gamma_weak,
        "gamma_strong": gamma_strong,
        "label_power": pair.power,
    }
