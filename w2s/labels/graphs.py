"""Graphs of items by their features, and labels spread along them.

Source: D. Zhou, O. Bousquet, T. N. Lal, J. Weston and B. Schoelkopf, NIPS 16 (2004) 321-328, for the closed form. Its use on
weak labels follows Lang et al. 2025 (arXiv 2511.14166); the equations there were not readable, so this is a reconstruction.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["knn_graph", "smoothed_rest", "spread"]

Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_ROWS = 1024
"""Items whose similarities are held at once."""
_DIGITS = 12
"""Cosines that agree to so many digits are ties, since a product's last bits depend on how it is cut."""
_SMALL = 1e-17
"""Part of the first error that the last one may be, in the norm of all items."""


def knn_graph(features: npt.ArrayLike, k: int, *, temperature: float | None = None, mutual: bool = False) -> csr_array:
    """Build the graph of the k nearest neighbours by cosine: a symmetric (n, n) sparse matrix of weights, without loops.

    An edge joins i and j where one is among the other's k nearest, or, ``mutual``, where both are: that keeps hubs, which are
    near to everything, from mixing all labels. Of equally near items the earlier ones are taken.

    Parameters
    ----------
    features : (n, d); rows are divided by their norms. A row of zeros has no direction and stays alone.
    k : neighbours; with fewer other items, all of them.
    temperature : edges weigh exp((cos - 1) / temperature); None: all weigh 1.

    Raises ValueError for k below 1 or a temperature that is not positive. Cost O(n^2 d), in pieces of 1024 rows.
    """
    from scipy.sparse import coo_array, csr_array

    given = np.asarray(features, dtype=np.float64)
    if k < 1 or (temperature is not None and not temperature > 0):
        raise ValueError(f"a graph needs k of 1 or more and a temperature above 0, not k = {k}, temperature = {temperature}")
    norms = np.sqrt((given**2).sum(axis=1))
    alone, count = norms == 0, len(given)
    rows = given / np.where(alone, 1.0, norms)[:, None]
    found: list[tuple[Any, Any, Any]] = []
    for start in range(0, count, _ROWS):
        near = np.round(rows[start : start + _ROWS] @ rows.T, _DIGITS)
        near[:, alone] = -np.inf
        near[alone[start : start + _ROWS]] = -np.inf
        near[np.arange(len(near)), start + np.arange(len(near))] = -np.inf
        i, j = np.nonzero(_nearest(near, k))
        found.append((start + i, j, near[i, j]))
    ends_i, ends_j, cosine = (np.concatenate(parts) for parts in zip(*found, strict=True))
    weights = np.ones(len(cosine)) if temperature is None else np.exp((cosine - 1.0) / temperature)
    one = csr_array(coo_array((weights, (ends_i, ends_j)), shape=(count, count)))
    other = csr_array(one.T)
    return csr_array(one.minimum(other) if mutual else one.maximum(other))


def _nearest(near: Matrix, k: int) -> Mask:
    """Mark the k largest finite entries of each row; of equal ones the first."""
    if k >= near.shape[1]:
        return np.asarray(np.isfinite(near))
    edge = np.partition(near, near.shape[1] - k, axis=1)[:, near.shape[1] - k, None]
    above, level = near > edge, near == edge
    room = k - above.sum(axis=1, keepdims=True)
    return np.asarray((above | (level & (np.cumsum(level, axis=1) <= room))) & np.isfinite(near))


def spread(
    graph: Any,
    labels: npt.ArrayLike,
    beta: float,
    *,
    normalise: Literal["symmetric", "rows"] = "symmetric",
    steps: int | None = None,
    clamped: npt.ArrayLike | None = None,
    renormalise: bool = True,
) -> Matrix:
    """Spread labels along a graph: F = (1 - beta) (I - beta S)^-1 Y, (n, K) float64.

    S is D^-1/2 A D^-1/2 (``symmetric``), D the degrees, or D^-1 A (``rows``), with which F is a mean of labels. F is the limit
    of F <- beta S F + (1 - beta) Y; with ``steps`` it is taken after so many steps from F = Y. Items without a neighbour keep
    their label, and components of the graph never mix. At ``beta`` 0 the result is Y, bit for bit.

    Parameters
    ----------
    graph : (n, n) symmetric and not negative, dense or sparse, such as :func:`knn_graph` gives.
    labels : Y, (n, K): class probabilities, or any numbers where ``renormalise`` is false.
    beta : 0 up to, but not including, 1: the part that comes from neighbours.
    clamped : (n,) items whose labels are certain: they keep them, and others take theirs.
    renormalise : whether every row is divided by its sum. The symmetric form needs it, since it draws labels of items with few
        neighbours towards 0.

    Raises ValueError for other betas, fewer steps than 0, or shapes that do not fit. Cost: products with the graph and K
    columns, 30 at beta 0.5, 84 at 0.9, 280 at 0.99; the error is that of rounding.
    """
    from scipy.sparse import csr_array, diags_array

    given = np.array(labels, dtype=np.float64)
    if given.ndim != 2 or graph.shape != (len(given), len(given)):
        raise ValueError(f"labels {given.shape} are not (n, K) for a graph {graph.shape}")
    if not 0 <= beta < 1 or (steps is not None and steps < 0):
        raise ValueError(f"beta must be from 0 up to 1, and steps not negative: beta = {beta}, steps = {steps}")
    if beta == 0 or steps == 0:
        return given
    edges = csr_array(graph, dtype=np.float64)
    degree = np.asarray(edges.sum(axis=1), dtype=np.float64).reshape(-1)
    fixed = np.zeros(len(given), dtype=bool) if clamped is None else np.asarray(clamped, dtype=bool)
    fixed, root = fixed | (degree == 0), np.sqrt(degree)
    scaled = diags_array(np.divide(1.0, root, out=np.zeros_like(root), where=root > 0))
    between = csr_array(scaled @ edges @ scaled)
    # D^-1 A is D^-1/2 S D^1/2, so both forms are one symmetric system, in labels times a factor of their item.
    factor = np.where(degree > 0, root, 1.0)[:, None] if normalise == "rows" else np.ones((len(given), 1))
    found = _spread(between, given * factor, beta, ~fixed, steps) / factor
    total = found.sum(axis=1, keepdims=True)
    found = np.where(total > 0, found / np.where(total > 0, total, 1.0), given) if renormalise else found
    return np.where(fixed[:, None], given, found)


def smoothed_rest(
    graph: Any,
    weak: npt.ArrayLike,
    own: npt.ArrayLike,
    known: npt.ArrayLike,
    beta: float,
    *,
    anchors: Literal["clamped", "left_out"] = "clamped",
    normalise: Literal["symmetric", "rows"] = "symmetric",
    steps: int | None = None,
) -> Matrix:
    """Spread weak labels of items whose own answer is not used: (n, K); rows of ``known`` items are the weak labels as given.

    Known items are nodes that keep their own answers (``clamped``), from which others take, or are ``left_out`` of the graph
    together with their edges. Other arguments are those of :func:`spread`; at ``beta`` 0 the result is ``weak``, bit for bit.
    """
    given, selected = np.asarray(weak, dtype=np.float64), np.asarray(known, dtype=bool)
    rest = np.flatnonzero(~selected)
    if beta == 0 or not len(rest):
        return given
    found = given.copy()
    if anchors == "clamped":
        start = np.where(selected[:, None], np.asarray(own, dtype=np.float64), given)
        found[rest] = spread(graph, start, beta, normalise=normalise, steps=steps, clamped=selected)[rest]
    else:
        found[rest] = spread(graph[rest][:, rest], given[rest], beta, normalise=normalise, steps=steps)
    return found


def _spread(between: Any, labels: Matrix, beta: float, free: Mask, steps: int | None) -> Matrix:
    """Spread labels (n, K) to the ``free`` items, after some steps or in the limit.

    The limit is found by Chebyshev's iteration for a spectrum of beta S within -+beta. It needs no inner products: its bits are
    the same on every run, and those of one component do not depend on another.
    """
    found = labels.copy()
    if steps is not None:
        for _ in range(steps):
            found[free] = beta * (between @ found)[free] + (1.0 - beta) * labels[free]
        return found
    places = np.flatnonzero(free)
    inner = between[places][:, places]
    source = (1.0 - beta) * labels[places] + beta * (between @ np.where(free[:, None], 0.0, labels))[places]
    before, now, relax = labels[places], beta * (inner @ labels[places]) + source, 2.0
    for _ in range(math.ceil(math.log(_SMALL) / math.log(beta / (1.0 + math.sqrt(1.0 - beta * beta))))):
        relax = 1.0 / (1.0 - 0.25 * beta * beta * relax)
        before, now = now, relax * (beta * (inner @ now) + source - before) + before
    found[places] = now
    return found
