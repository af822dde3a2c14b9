"""What fields of the ridge study mean: eigenvalues and target of a cell, and which fields make a design."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.studies.moniri2025.ridge_block import RidgeKind, power_law
from w2s.studies.moniri2025.ridge_fits import Law

__all__ = ["KIND"]


def _law(level: Mapping[str, Any]) -> Law:
    """Make inputs with eigenvalues i^-decay and a target whose squared coefficients fall like i^-target_decay."""
    d = level["d"]
    levels = power_law(d, level["decay"])
    squares = np.arange(1, d + 1) ** -float(level["target_decay"])
    return Law(levels, np.sqrt(squares / (levels @ squares)))


def _unweighted(_level: Mapping[str, Any], d: int) -> npt.NDArray[np.float64]:
    return np.ones(d)


KIND = RidgeKind(("d", "decay", "target_decay"), ("n_labeled",), ("sample", "n_transfer"), _law, _unweighted)
