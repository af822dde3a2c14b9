"""What correcting does to answers: how many wrong ones are fixed, how many right ones are broken, and what follows from it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Edits", "edits"]

Hits = npt.NDArray[np.bool_]


class Edits(NamedTuple):
    """Shares in [0, 1] over items; NaN where there is no item to take the share of.

    ``accuracy`` is that before, ``corrected`` that after; ``fixed`` the share of wrong answers that are right afterwards,
    ``broken`` the share of right answers that are wrong afterwards, ``edited`` the share that changed, ``helped`` the share of
    changed answers that were wrong and are right now. ``expected`` is accuracy (1 - broken) + (1 - accuracy) fixed, which is
    ``corrected`` by accounting.
    """

    accuracy: float
    corrected: float
    expected: float
    fixed: float
    broken: float
    edited: float
    helped: float


def edits(right: Hits, then: Hits, changed: Hits) -> Edits:
    """Count what corrections of answers do: ``right`` before, ``then`` right, and whether they ``changed``, (n,) each. O(n).

    Source: the identity acc' = acc (1 - b) + (1 - acc) f of the corrections of Ji et al. 2024, arXiv 2402.02416 (derived).
    """
    accuracy, fixed, broken = _share(right), _share(then[~right]), _share(~then[right])
    expected = (accuracy * (1.0 - broken) if right.any() else 0.0) + ((1.0 - accuracy) * fixed if not right.all() else 0.0)
    helped = _share((then & ~right)[changed])
    return Edits(accuracy, _share(then), expected if len(right) else float("nan"), fixed, broken, _share(changed), helped)


def _share(hits: Hits) -> float:
    return float(hits.mean()) if len(hits) else float("nan")
