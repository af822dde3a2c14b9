"""Inputs of signal and Gaussian noise, as a world to train and test in."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.laws.signal_noise import SIGNALS, Examples, draw_examples, row_sizes
from w2s.studies.oh2025.patches.tested import draw_patches, type_errors
from w2s.theory import oh2025 as theory
from w2s_kernels import Backend
from w2s_kernels.backend import Array

__all__ = ["Gaussian"]

Level = Mapping[str, Any]
_STUDY = "oh2025"


class Gaussian:
    """`World` of `w2s.laws.signal_noise` for one seed; the normals behind its new inputs are drawn once."""

    def __init__(self, seed: int, backend: Backend) -> None:
        self._seed, self._backend = seed, backend
        self._drawn: dict[Hashable, Array] = {}

    def sample(self, role: str, n: int, level: Level) -> Examples:
        """Draw n examples."""
        shares = (level["p_hard"], level["p_both"])
        return draw_examples((_STUDY, role), self._seed, n, level["d"], *shares, self._backend)

    def factors(self, examples: Examples, network: Level) -> npt.NDArray[np.float64]:
        """Return the sizes of signals and noise."""
        return row_sizes(len(examples.rows), network)

    def errors(self, role: str, n: int, teacher: Array, filters: Array, level: Level) -> tuple[Array, Array, Array]:
        """Compute errors on new inputs, drawn in the coordinates that teacher and filters read."""
        key = (role, n, len(filters))
        if key not in self._drawn:
            self._drawn[key] = draw_patches((_STUDY, role), self._seed, n, len(filters) + 1, self._backend)
        return type_errors(teacher, filters, level, self._drawn[key], self._backend, relu=len(filters) > 1)

    def extras(self, teacher: Array, filters: Array, level: Level) -> dict[str, float]:
        """Compute alignments, the teacher's tilt and the closed form of its error."""
        aligned = _alignments(self._backend.to_numpy(filters[:, :SIGNALS]), level, len(filters) > 1)
        return aligned | _teacher_columns(self._backend.to_numpy(teacher), level)


def _alignments(signals: Any, level: Level, relu: bool) -> dict[str, float]:
    """Compute how well the filters see the signals: the best filter of the right class, for the signal seen worst.

    ``signals`` (F, 4) are the filters on the axes of mu_1, mu_-1, nu_1, nu_-1. A linear filter is of the class +1, and its
    negative of the class -1.
    """
    half = len(signals) // 2
    of_class = (signals[:half], signals[half:]) if relu else (signals, -signals)
    easy = min(float((level["mu"] * of_class[y][:, y]).max()) for y in range(2))
    hard = min(float((s * level["nu"] * of_class[y][:, 2 + y]).max()) for y in range(2) for s in (1, -1))
    return {"aligned_easy": easy, "aligned_hard": hard}


def _teacher_columns(teacher: npt.NDArray[np.float64], level: Level) -> dict[str, float]:
    """Compute the closed form of the teacher's error, and its tilt.

    The tilt is its product with the hard signal over its noise on a hard-only input. Above 1 its answers there are no coins
    but a function of the signal, which the student can learn.
    """
    noise = float(level["sigma"] * np.linalg.norm(teacher[SIGNALS:]))
    sign = np.array([1.0, -1.0])
    easy, hard = level["mu"] * sign * teacher[:2], level["nu"] * sign * teacher[2:SIGNALS]
    error = float(theory.linear_error(easy, hard, noise, level["p_hard"], level["p_both"]).mean())
    tilt = float(np.abs(hard).max()) / (np.sqrt(2.0) * noise) if noise > 0 else np.nan
    return {"weak_error_theory": error, "weak_tilt": tilt}
