"""phi(s)/s for each filter and eigenvalue, without dividing by a ridge strength and without cancellation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backend import Array
from .filters import FLOW, RIDGE, STEPS, TRUNCATION, Filters, Floats


def reference(values: Array, rank: Array, filters: Filters, xp: Any) -> Array:
    """phi(s)/s, (..., L, r), for eigenvalues (..., r) descending of which the first `rank` (...) count as nonzero."""
    s = values[..., None, :]
    kept = (xp.arange(values.shape[-1]) < rank[..., None])[..., None, :]
    out = xp.empty((*values.shape[:-1], len(filters), values.shape[-1]))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        for kind, of_kind in _RESPONSES.items():
            index = np.flatnonzero(filters.kind == kind)
            if index.size:
                place = slice(index[0], index[-1] + 1) if index[-1] - index[0] < len(index) else xp.asarray(index)
                out[..., place, :] = of_kind(s, kept, filters.value[index][:, None], filters.step[index], xp)
    return out


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
    """Put 1/s on the directions that are kept, 0 on others, in the rows (L, 1) of filters without regularisation."""
    if not where.any():
        return found
    return xp.where(xp.asarray(where), xp.where(kept, 1.0 / s, 0.0), found)


def _steps(s: Array, kept: Array, value: Floats, step: Floats, xp: Any) -> Array:  # noqa: ARG001
    """Response (1 - (1 - eta s)^k)/s. With u the distance of eta s to the nearer of 0 and 2, |1 - eta s| = 1 - u exactly.

    eta s = 2 swings for ever without growing: its exact value, 0 or 2/s, is returned. Beyond it is divergence: inf.
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


def _truncation(s: Array, kept: Array, value: Floats, step: Floats, xp: Any) -> Array:  # noqa: ARG001
    leading = xp.arange(s.shape[-1]) < xp.asarray(value)
    return xp.where(kept & leading, 1.0 / s, 0.0)


_RESPONSES: dict[int, Callable[[Array, Array, Floats, Floats, Any], Array]] = {
    RIDGE: _ridge,
    FLOW: _flow,
    STEPS: _steps,
    TRUNCATION: _truncation,
}
