"""Accuracy after corrections (Ji et al. 2024, arXiv 2402.02416): a corrector fixes wrong answers and breaks right ones.

With accuracy a, a share f of wrong answers fixed and a share b of right ones broken, the accuracy after one correction is
a (1 - b) + (1 - a) f. Where the strong model then answers as it was corrected and is corrected again, the accuracy goes to
f / (f + b), and what is left of its distance shrinks by 1 - f - b in every round. Derived here; the paper states neither.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["accuracy_after", "resting_accuracy"]

Array = npt.NDArray[np.float64]


def accuracy_after(accuracy: npt.ArrayLike, fixed: npt.ArrayLike, broken: npt.ArrayLike, rounds: npt.ArrayLike = 1) -> Array:
    """Compute the accuracy after some rounds of corrections, in [0, 1]; arguments broadcast.

    It is r + (a - r) (1 - f - b)^rounds with r = f / (f + b), and a where nothing is fixed or broken; one round of accuracy .7,
    f = .5, b = .02 gives .836. Domain: shares in [0, 1], whole rounds from 0 on. Source: derived. O(1) an entry.
    """
    a, f, b, r = (np.asarray(value, dtype=np.float64) for value in (accuracy, fixed, broken, rounds))
    valid = _share(a) & _share(f) & _share(b) & (r >= 0) & (r == np.floor(r)) & np.isfinite(r)
    moving = f + b > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = np.where(moving, f / np.where(moving, f + b, 1.0), a)
        found = rest + (a - rest) * (1.0 - f - b) ** np.where(valid, r, 0.0)
        return np.asarray(np.where(valid, np.where(moving, found, a), np.nan))


def resting_accuracy(fixed: npt.ArrayLike, broken: npt.ArrayLike) -> Array:
    """Compute f / (f + b), the accuracy at which a correction fixes as many answers as it breaks; arguments broadcast.

    Domain: shares in [0, 1], not both 0. Source: derived. O(1) an entry.
    """
    f, b = (np.asarray(value, dtype=np.float64) for value in (fixed, broken))
    valid = _share(f) & _share(b) & (f + b > 0)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(valid, f / np.where(valid, f + b, 1.0), np.nan))


def _share(value: Array) -> npt.NDArray[np.bool_]:
    return np.asarray((value >= 0.0) & (value <= 1.0))
