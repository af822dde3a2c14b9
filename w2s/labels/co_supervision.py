"""Co-supervision (arXiv 2402.15505): the supervisor that owns the student's class gives the label, where both agree enough."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["co_supervision", "owners"]

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def owners(classes: int, supervisors: int) -> Whole:
    """Split classes into ranges, one a supervisor: the owner (K,) of each class; some of many own none."""
    parts = np.array_split(np.arange(classes), min(supervisors, classes))
    return np.concatenate([np.full(len(part), m) for m, part in enumerate(parts)]).astype(np.int64)


def co_supervision(probabilities: Matrix, labels: Matrix, top: int) -> tuple[Whole, Whole]:
    """Give each item the class of the supervisor that owns the student's class, and keep the items where both agree most.

    The share of items that is kept is that of those whose given class is among the student's ``top`` most probable ones; kept
    are the items on which the student's cross-entropy is least. So many steps as before on fewer items make up for what is
    dropped.

    Parameters
    ----------
    probabilities : (n, K), the student's.
    labels : (n, M, K), the supervisors'.
    top : at least 1.

    Returns
    -------
    classes (n,), and the places of the kept items, ascending, at least one. Cost O(n (M + K) + n log n).

    Source: Liu and Alahi, arXiv 2402.15505, at one level of specialists (reconstruction).
    """
    count, rows = len(probabilities), np.arange(len(probabilities))
    owner = owners(probabilities.shape[1], labels.shape[1])
    taught = labels[rows, owner[probabilities.argmax(axis=1)]].argmax(axis=1)
    own = probabilities[rows, taught]
    consensus = np.sum(probabilities > own[:, None], axis=1) < top
    kept = max(int(consensus.sum()), min(count, 1))
    return taught.astype(np.int64), np.sort(np.argsort(-own, kind="stable")[:kept])
