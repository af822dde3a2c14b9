"""Filters in array code: phi(s)/s without dividing by a ridge strength and without cancellation, and what is made of it.

Operations fill `out`. They take the eigenvalues (B, r) of B items, descending, and their ranks (B,): how many count as nonzero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import Array, namespace, require_finite
from .filters import FLOW, RIDGE, STEPS, Filters, Floats

EXACT = 1000  # powers of two with such exponents, and their inverses, are normal numbers
ASYMMETRY = 1e-10


def symmetric(gram: Array) -> tuple[Array, Array]:
    """Scale matrices (..., d, d), and return the means with their transposes and the exponents (...); ValueError if asymmetric.

    The mean is the matrix itself where the two are equal.
    """
    xp, d = namespace(gram), gram.shape[-1]
    if gram.shape[-2] != d:
        raise ValueError(f"gram must have shape (..., d, d), got {gram.shape}")
    G, exponent = scaled(gram, "gram")
    flipped = xp.swapaxes(G, -1, -2)
    if bool(xp.all(flipped == G)):
        return G, exponent
    if bool(xp.any(xp.abs(G - flipped) > ASYMMETRY)):
        raise ValueError("gram must be symmetric: |G - G'| exceeds 1e-10 of its largest entry")
    return xp.ascontiguousarray(0.5 * (G + flipped)), exponent


def scaled(a: Array, name: str) -> tuple[Array, Array]:
    """Scale the largest entry of each item to [1/2, 1) by an exact power of two, and return the exponents that undo it."""
    xp = namespace(a)
    largest = xp.maximum(xp.max(a, axis=(-2, -1)), -xp.min(a, axis=(-2, -1)))
    if not bool(xp.all(xp.isfinite(largest))):
        require_finite(a, name, xp)
    exponent = xp.frexp(largest)[1]
    if bool(xp.any(abs(exponent) > EXACT)):  # the power itself would be out of range
        return xp.ldexp(a, -exponent[..., None, None]), exponent
    return a * xp.ldexp(1.0, -exponent)[..., None, None], exponent


def response(out: Array, values: Array, rank: Array, filters: Filters) -> None:
    """Fill out (B, L, r) with phi(s)/s for eigenvalues (B, r) descending of which the first `rank` (B,) count as nonzero."""
    xp = namespace(values)
    s = values[..., None, :]
    kept = (xp.arange(values.shape[-1]) < rank[..., None])[..., None, :]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        for kind, of_kind in _RESPONSES.items():
            index = np.flatnonzero(filters.kind == kind)
            if index.size:
                place = slice(index[0], index[-1] + 1) if index[-1] - index[0] < len(index) else xp.asarray(index)
                out[..., place, :] = of_kind(s, kept, filters.value[index][:, None], filters.step[index], xp)


def filter_coords(out: Array, values: Array, rank: Array, filters: Filters, coords: Array) -> None:
    """Fill out (B, L, r, k) with phi(s)/s times coordinates (B, r, k)."""
    factors = namespace(out).empty(out.shape[:-1])
    response(factors, values, rank, filters)
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged filter is data, not an accident
        namespace(out).multiply(factors[..., None], coords[..., None, :, :], out=out)


def apply_filters(response: Array, coords: Array) -> Array:
    """Multiply responses (..., L, r) and coordinates (..., r, k), to get the coordinates of the coefficients (..., L, r, k)."""
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged filter is data, not an accident
        return response[..., None] * coords[..., None, :, :]


def products(out: Array, response: Array, coords: Array, first: Array, second: Array) -> None:
    """Fill out (3, S, T, L) as `filtered_products` says, one right-hand side at a time."""
    xp = namespace(response)
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged filter is data, not an accident
        for t in range(coords.shape[1]):
            fitted = response * coords[:, t, None, :]
            to_first, to_second = fitted - first[:, t, None, :], second[:, t, None, :] - fitted
            out[0, :, t] = xp.sum(to_first * to_first, axis=-1)
            out[1, :, t] = xp.sum(to_second * to_second, axis=-1)
            out[2, :, t] = xp.sum(to_second * to_first, axis=-1)


def filter_products(
    out: Array,
    sums: Callable[..., None],
    values: Array,
    rank: Array,
    filters: Filters,
    coords: Array,
    first: Array,
    second: Array,
) -> None:
    """Fill out (3, S, T, L) with the sums of the responses of a list of filters; `sums` is a version of `products`."""
    factors = namespace(out).empty((len(values), len(filters), values.shape[-1]))
    response(factors, values, rank, filters)
    sums(out, factors, coords, first, second)


def _ridge(s: Array, kept: Array, value: Floats, step: Floats, xp: Any) -> Array:  # noqa: ARG001
    found = 1.0 / (s + xp.asarray(value))
    return _minimum_norm(found, value == 0, s, kept, xp)


def _flow(s: Array, kept: Array, value: Floats, step: Floats, xp: Any) -> Array:  # noqa: ARG001
    time = xp.asarray(value)
    x = time * s
    done = -xp.expm1(-x)
    small = xp.where(x == 0, time, time * (done / x))  # done / x stays exact where t s underflows
    return _minimum_norm(xp.where(x > 1, done / s, small), value == np.inf, s, kept, xp)


def _minimum_norm(found: Array, where: NDArray[np.bool_], s: Array, kept: Array, xp: Any) -> Array:
    """Put 1/s on the directions that are kept, and 0 on others, for the filters without regularisation (`where` is (L, 1))."""
    if not where.any():
        return found
    return xp.where(xp.asarray(where), xp.where(kept, 1.0 / s, 0.0), found)


def _steps(s: Array, kept: Array, value: Floats, step: Floats, xp: Any) -> Array:  # noqa: ARG001
    """Compute (1 - (1 - eta s)^k)/s. With u the distance of eta s to the nearer of 0 and 2, |1 - eta s| = 1 - u exactly.

    At eta s = 2 the steps swing for ever without growing: the exact value, 0 or 2/s, is returned. Beyond 2 they diverge: inf.
    """
    sizes, which = np.unique(step, return_inverse=True)  # many numbers of steps of one size share a logarithm
    eta, count = xp.asarray(sizes)[:, None], xp.asarray(value)
    x = eta * s
    u = xp.where(x < 1, x, 2.0 - x)
    logarithm, x = (part if len(sizes) == 1 else part[..., xp.asarray(which), :] for part in (xp.log1p(-u), x))
    eta = xp.asarray(step)[:, None]
    lost = xp.expm1(count * logarithm)  # |1 - x|^k - 1
    done = xp.where((x < 1) | (xp.fmod(count, 2.0) == 0), -lost, 2.0 + lost)
    finite = xp.where(x == 0, count * eta, eta * (done / x))
    return xp.where(count == 0, 0.0, xp.where(x > 2, np.inf, finite))


_RESPONSES: dict[int, Callable[[Array, Array, Floats, Floats, Any], Array]] = {
    RIDGE: _ridge,
    FLOW: _flow,
    STEPS: _steps,
}
