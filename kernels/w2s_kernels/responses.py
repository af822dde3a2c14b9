"""phi(s)/s for each filter and eigenvalue, without dividing by a ridge strength and without cancellation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .backend import Array
from .filters import FLOW, RIDGE, STEPS, TRUNCATION, Filters


def reference(values: Array, rank: Array, filters: Filters, xp: Any) -> Array:
    """phi(s)/s, (..., L, r), for eigenvalues (..., r) descending of which the first `rank` (...) count as nonzero."""
    s = values[..., None, :]
    kept = (xp.arange(values.shape[-1]) < rank[..., None])[..., None, :]
    parts = []
    order: list[int] = []
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        for kind, of_kind in _RESPONSES.items():
            index = np.flatnonzero(filters.kind == kind)
            if index.size:
                value, step = (xp.asarray(a[index])[:, None] for a in (filters.value, filters.step))
                parts.append(of_kind(s, kept, value, step, xp))
                order.extend(index.tolist())
    return xp.concatenate(parts, axis=-2)[..., xp.asarray(np.argsort(order)), :]


def _ridge(s: Array, kept: Array, value: Array, step: Array, xp: Any) -> Array:  # noqa: ARG001
    return xp.where(value == 0, xp.where(kept, 1.0 / s, 0.0), 1.0 / (s + value))


def _flow(s: Array, kept: Array, value: Array, step: Array, xp: Any) -> Array:  # noqa: ARG001
    x = value * s
    done = -xp.expm1(-x)
    small = xp.where(x == 0, value, value * (done / x))  # done / x stays exact where t s underflows
    return xp.where(value == np.inf, xp.where(kept, 1.0 / s, 0.0), xp.where(x > 1, done / s, small))


def _steps(s: Array, kept: Array, value: Array, step: Array, xp: Any) -> Array:  # noqa: ARG001
    """Response (1 - (1 - eta s)^k)/s. With u the distance of eta s to the nearer of 0 and 2, |1 - eta s| = 1 - u exactly.

    eta s = 2 swings for ever without growing: its exact value, 0 or 2/s, is returned. Beyond it is divergence: inf.
    """
    x = step * s
    u = xp.where(x < 1, x, 2.0 - x)
    lost = xp.expm1(value * xp.log1p(-u))  # |1 - x|^k - 1
    done = xp.where((x < 1) | (xp.fmod(value, 2.0) == 0), -lost, 2.0 + lost)
    finite = xp.where(x == 0, value * step, step * (done / x))
    return xp.where(value == 0, 0.0, xp.where(x > 2, np.inf, finite))


def _truncation(s: Array, kept: Array, value: Array, step: Array, xp: Any) -> Array:  # noqa: ARG001
    leading = xp.arange(s.shape[-1]) < value
    return xp.where(kept & leading, 1.0 / s, 0.0)


_RESPONSES: dict[int, Callable[[Array, Array, Array, Array, Any], Array]] = {
    RIDGE: _ridge,
    FLOW: _flow,
    STEPS: _steps,
    TRUNCATION: _truncation,
}
