"""What fields of the weighted study mean: a target in the first half of the coordinates, penalties that know it or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.studies.moniri2025.ridge_block import RidgeKind, power_law
from w2s.studies.moniri2025.ridge_fits import Law

__all__ = ["KIND"]


def _first_half(d: int) -> npt.NDArray[np.bool_]:
    return np.arange(d) < (d + 1) // 2


def _law(level: Mapping[str, Any]) -> Law:
    """Spread the part ``share`` of the target's power evenly over the first half, and the rest over the second."""
    d, share = level["d"], level["share"]
    levels, first = power_law(d, level["decay"]), _first_half(d)
    squares = np.where(first, share / levels[first].sum(), (1.0 - share) / levels[~first].sum())
    return Law(levels, np.sqrt(squares))


def _weights(level: Mapping[str, Any], d: int) -> npt.NDArray[np.float64]:
    """Return weights 1/ratio in the first half and ratio in the second."""
    ratio = level["ratio"] if "ratio" in level else level["ratio_weak"]
    return np.asarray(np.where(_first_half(d), 1.0 / ratio, ratio))


KIND = RidgeKind(("d", "decay", "share"), ("n_labeled", "ratio_weak"), ("n_transfer", "ratio"), _law, _weights)
