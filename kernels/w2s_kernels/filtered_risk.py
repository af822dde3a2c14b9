"""Risks of all filtered estimators under any second moments, in the coordinates of one factorisation.

With an orthonormal eigenbasis V and M = V'SV, the error E (theta'x - g'x)^2 of theta = V diag(r) c is v'Mv for
v = r * c - V'g: the second moments are rotated once, and no coefficients are formed. M is symmetric, so half of it
serves: v'Mv = 2 v'Hv with H its upper triangle and half its diagonal, in panels that skip what is below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Array, Backend
from .items import matmul
from .risk import _nonnegative
from .spectral import Spectrum

__all__ = ["filtered_risks"]

PANEL = 64  # columns: wide enough for GEMM, narrow enough to waste little below the diagonal


def filtered_risks(spectrum: Spectrum, response: Array, coords: Array, goals: Array, second: Array, backend: Backend) -> Array:
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
    backend :
        where to compute; "numba" makes the L k vectors in cache and keeps none of them.

    Returns
    -------
    (..., L, k), exact zeros where rounding made them negative; nan or inf where a filter diverged. Cost about
    (3 + L k / d) d^3 flops an item, against (4 L k / d) d^3 through coefficients. An item in a batch has the bits it has alone.

    Raises
    ------
    ValueError : the spectrum has fewer vectors than features: goals outside their span would be lost.
    """
    xp, d = backend.xp, spectrum.vectors.shape[-2]
    if spectrum.vectors.shape[-1] != d:
        raise ValueError(f"risks need all eigenvectors, got {spectrum.vectors.shape[-1]} of {d}")
    parts = (response, _rows(coords, xp), _rows(spectrum.project(backend.asarray(goals)), xp), spectrum.vectors, second)
    flat = [xp.ascontiguousarray(backend.asarray(a)).reshape(-1, *a.shape[-2:]) for a in parts]
    if backend.name == "numba":
        from . import filtered_risk_numba as compiled

        values = np.empty((len(flat[0]), response.shape[-2], coords.shape[-1]))
        compiled.risks(values, *flat)
    else:
        values = _risks(flat, xp, magnitude=False)
    found = _nonnegative(values, lambda: _risks(flat, xp, magnitude=True), d, xp)
    return found.reshape(*response.shape[:-1], coords.shape[-1])


def _rows(columns: Array, xp: Any) -> Array:
    return xp.swapaxes(columns, -1, -2)


def _risks(parts: list[Array], xp: Any, *, magnitude: bool) -> Array:
    """Risks (B, L, k), or the size of the terms they are sums of, asked for only where one came out negative."""
    out = xp.empty((len(parts[0]), parts[0].shape[1], parts[1].shape[1]))
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged filter is data, not an accident
        for item, response, starts, aims, V, S in zip(out, *parts, strict=True):
            rows = response[:, None, :] * starts
            rows -= aims
            flat, half = rows.reshape(-1, rows.shape[-1]), _half(V, S, xp)
            forms = _forms(abs(flat), abs(half), xp) if magnitude else _forms(flat, half, xp)
            item[...] = forms.reshape(item.shape)
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
