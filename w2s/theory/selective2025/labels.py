"""Accuracy of chosen labels and what a judge of a region can reach (after Lang et al. 2025, arXiv 2511.14166; derived here)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["label_accuracy", "region_auroc"]

FloatArray = npt.NDArray[np.float64]


def label_accuracy(selected: npt.ArrayLike, own_selected: npt.ArrayLike, weak_rest: npt.ArrayLike) -> FloatArray:
    """Compute r a_own + (1 - r) a_weak: the accuracy of labels that are own answers on a share r of the items.

    ``own_selected`` is the accuracy of own answers on the selected items, ``weak_rest`` that of weak labels on the others.

    Domain: all three in [0, 1]; NaN outside. Inputs broadcast.
    """
    r, own, weak = (np.asarray(value, dtype=np.float64) for value in (selected, own_selected, weak_rest))
    inside = (r >= 0) & (r <= 1) & (own >= 0) & (own <= 1) & (weak >= 0) & (weak <= 1)
    return np.asarray(np.where(inside, r * own + (1.0 - r) * weak, np.nan))


def region_auroc(known: npt.ArrayLike, inside: npt.ArrayLike, outside: npt.ArrayLike) -> FloatArray:
    """Compute the AUROC, for right against wrong answers, of every score that ranks a region above everything else.

    The region has the share ``known`` of the inputs; answers are right with probability ``inside`` in it and ``outside`` of it.
    With p = P(region | right) and q = P(region | wrong) it is 1/2 + (p - q) / 2, whatever the order within region and rest,
    where the answers tell nothing more.

    Domain: all three in [0, 1], with right and with wrong answers; NaN outside. Inputs broadcast.
    """
    share, a, b = (np.asarray(value, dtype=np.float64) for value in (known, inside, outside))
    right = share * a + (1.0 - share) * b
    fine = (share >= 0) & (share <= 1) & (a >= 0) & (a <= 1) & (b >= 0) & (b <= 1) & (right > 0) & (right < 1)
    safe = np.where(fine, right, 0.5)
    return np.asarray(np.where(fine, 0.5 + 0.5 * (share * a / safe - share * (1.0 - a) / (1.0 - safe)), np.nan))
