"""Risks of all filtered estimators under any second moments, in the coordinates of one factorisation.

With an orthonormal eigenbasis V and M = V'SV, the error E (theta'x - g'x)^2 of theta = V diag(r) c is v'Mv for
v = r * c - V'g: the second moments are rotated once, and no coefficients are formed. M is symmetric, so half of it
serves: v'Mv = 2 v'Hv with H its upper triangle and half its diagonal, in panels that skip what is below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Array, namespace
from .items import matmul
from .risk import _nonnegative
from .spectral import Spectrum

__all__ = ["filtered_risks"]

PANEL = 64  # columns: wide enough for GEMM, narrow enough to waste little below the diagonal


def filtered_risks(spectrum: Spectrum, response: Array, coords: Array, goals: Array, second: Array) -> Array:
    """E (theta'x - g'x)^2 for every filter and right-hand side.

    Parameters
    ----------
    spectrum :
        of the training Gram, with as many eigenvectors as features.
    response :
        (..., L, d) responses phi(s)/s from `response`.
    coords :
        (..., d, k) coordinates V'X'y/n from `Spectrum.project`.
    goals :
        (..., d, k) coefficients g that each right-hand side is measured against.
    second :
        (..., d, d) symmetric second moments S = E x x' of the inputs that errors are measured on.

    Returns
    -------
    (..., L, k), exact zeros where rounding made them negative; nan or inf where a filter diverged. Cost about
    (3.25 + 1.25 L k / d) d^3 flops an item, against (4 L k / d) d^3 through coefficients. An item in a batch has the bits it
    has alone.

    Raises
    ------
    ValueError : the spectrum has fewer vectors than features: goals outside their span would be lost.
    """
    xp, basis = namespace(response), spectrum.vectors
    if basis.shape[-2] != basis.shape[-1]:
        raise ValueError(f"risks need all eigenvectors, got {basis.shape[-1]} of {basis.shape[-2]}")
    aims = xp.swapaxes(spectrum.project(goals), -1, -2)
    starts = xp.ascontiguousarray(xp.swapaxes(coords, -1, -2))
    out = xp.empty((*response.shape[:-1], coords.shape[-1]))
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged filter is data, not an accident
        for index in np.ndindex(*response.shape[:-2]):
            rows = response[index][:, None, :] * starts[index]
            rows -= aims[index]
            flat = rows.reshape(-1, rows.shape[-1])
            half = _half(basis[index], xp.ascontiguousarray(second[index]), xp)
            values = _nonnegative(_forms(flat, half, xp), _magnitude(flat, half, xp), flat.shape[-1], xp)
            out[index] = values.reshape(rows.shape[:-1])
    return out


def _half(V: Array, S: Array, xp: Any) -> Array:
    """Upper triangle of V'SV with half the diagonal, (d, d); panels below the diagonal hold what no one reads."""
    d, image = V.shape[-1], matmul(S, V, xp)
    half = xp.zeros((d, d))
    for low in range(0, d, PANEL):
        high = min(low + PANEL, d)
        half[:high, low:high] = V[:, :high].T @ image[:, low:high]
        half[low:high, low:high] = xp.triu(half[low:high, low:high], 1)
    at = xp.arange(d)
    half[at, at] = 0.5 * xp.sum(V * image, axis=0)
    return half


def _forms(rows: Array, half: Array, xp: Any) -> Array:
    """Twice v'Hv for rows v (m, d): (m,)."""
    total = xp.zeros(len(rows))
    for low in range(0, rows.shape[-1], PANEL):
        high = min(low + PANEL, rows.shape[-1])
        total += xp.einsum("ij,ij->i", rows[:, :high] @ half[:high, low:high], rows[:, low:high])
    return 2.0 * total


def _magnitude(rows: Array, half: Array, xp: Any) -> Any:
    """Size of the terms of a form, asked for only where one came out negative."""
    return lambda: _forms(abs(rows), abs(half), xp)
