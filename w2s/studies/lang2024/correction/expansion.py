"""Expansion, measured: how much of one set has neighbours in the worst part of another.

For sets A and B the paper asks for c with P(N(U) | A) >= c P(U | B) for the relevant U inside B, N(U) being the points near U.
The least c over all U cannot be found; as in the paper a family of U is searched, so what is found is at least the least c.
Here U are the first quarter and half of B along every axis, in both directions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["FEWEST", "expansion", "neighbours"]

Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FEWEST = 8
"""Points that a set must have for its expansion to be measured."""
_PARTS = (0.25, 0.5)


def neighbours(x: Matrix, radius: float) -> Mask:
    """Mark which points (n, d) lie within ``radius`` of each other: (n, n); O(n^2 d)."""
    squares = (x**2).sum(axis=1)
    apart = squares[:, None] + squares - 2.0 * x @ x.T
    return np.asarray(apart <= radius**2)


def expansion(x: Matrix, near: Mask, a: Mask, b: Mask) -> float:
    """Compute the least P(N(U) | A) / P(U | B) over the family of U; NaN where A or B has fewer than `FEWEST` points.

    ``x`` (n, d), ``near`` (n, n) of :func:`neighbours`, ``a`` and ``b`` (n,). O(4 d n |A|).
    """
    inside = np.flatnonzero(b)
    if len(inside) < FEWEST or int(a.sum()) < FEWEST:
        return float("nan")
    order = np.argsort(x[inside], axis=0, kind="stable")
    reach, found = near[np.ix_(inside, np.flatnonzero(a))], []
    for part in _PARTS:
        size = max(round(part * len(inside)), 1)
        ends = (chosen for axis in order.T for chosen in (axis[:size], axis[-size:]))
        found += [float(reach[chosen].any(axis=0).mean()) * len(inside) / size for chosen in ends]
    return min(found)
