"""Spectral filters as values: what a student's training does to each eigendirection, before any data are seen."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backend import Array

Floats: TypeAlias = NDArray[np.float64]

RIDGE, FLOW, STEPS = range(3)
KINDS = ("ridge", "flow", "steps")


@dataclass(frozen=True, eq=False)
class Filters:
    """List L filters phi(s), with estimator V phi(S)/S V' X'y/n.

    Attributes
    ----------
    kind : (L,) int64, index into KINDS.
    value : (L,) float64: lambda, time, or number of steps.
    step : (L,) float64: step size for "steps", 1 elsewhere (unused).
    """

    kind: NDArray[np.int64]
    value: Floats
    step: Floats

    def __post_init__(self) -> None:
        for array in (self.kind, self.value, self.step):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, index: Any) -> Filters:
        """Return a part of the list: an int gives a list of one; slices, masks and index arrays work as on arrays."""
        kind, value, step = (np.atleast_1d(a[index]) for a in (self.kind, self.value, self.step))
        return Filters(kind.copy(), value.copy(), step.copy())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filters) and self._bytes() == other._bytes()

    def __hash__(self) -> int:
        return hash(self._bytes())

    def equivalent_ridge(self) -> Floats:
        """Return the ridge strength that damps small eigenvalues as much, (L,): lambda, 1/t, 1/(k eta)."""
        with np.errstate(divide="ignore"):
            strength = 1.0 / (self.value * self.step)
        return np.where(self.kind == RIDGE, self.value, strength)

    def _bytes(self) -> tuple[bytes, ...]:
        return self.kind.tobytes(), self.value.tobytes(), self.step.tobytes()


def ridge(lambdas: ArrayLike) -> Filters:
    """Make ridge filters, (X'X/n + lambda I)^-1 X'y/n for each lambda >= 0; lambda = 0 is the minimum-norm solution."""
    return _make(RIDGE, lambdas, 1.0, whole=False)


def flow(times: ArrayLike) -> Filters:
    """Make filters of gradient flow from zero on half the mean squared error, for each time >= 0; inf is the minimum norm."""
    return _make(FLOW, times, 1.0, whole=False)


def steps(counts: ArrayLike, step_size: ArrayLike) -> Filters:
    """Make filters of gradient descent from zero: k >= 0 steps of size eta > 0 (a scalar, or one for each count)."""
    return _make(STEPS, counts, step_size, whole=True)


def concat(*filters: Filters) -> Filters:
    """Join one or more lists of filters."""
    if not filters:
        raise ValueError("concat needs at least one list of filters")
    kinds = np.concatenate([f.kind for f in filters])
    return Filters(kinds, np.concatenate([f.value for f in filters]), np.concatenate([f.step for f in filters]))


def parameters(filters: Filters, xp: Any) -> tuple[Array, Array, Array, Array]:
    """Return kind, value, step and equivalent ridge, (L,) each, in the library `xp`.

    Filters are sent to a device once; later calls use what is there.
    """
    if xp is np:
        return filters.kind, filters.value, filters.step, filters.equivalent_ridge()
    return _sent(filters, xp)


@functools.lru_cache(maxsize=64)
def _sent(filters: Filters, xp: Any) -> tuple[Array, Array, Array, Array]:
    arrays = (filters.kind, filters.value, filters.step, filters.equivalent_ridge())
    kind, value, step, strength = (xp.asarray(a) for a in arrays)
    return kind, value, step, strength


def _make(kind: int, values: ArrayLike, step: ArrayLike, *, whole: bool) -> Filters:
    value = np.atleast_1d(np.array(values, dtype=np.float64)) + 0.0  # + 0.0 turns -0.0 into 0.0
    size = np.broadcast_to(np.asarray(step, dtype=np.float64), value.shape).copy()
    if value.ndim != 1:
        raise ValueError(f"{KINDS[kind]} takes a number or a flat list, got shape {value.shape}")
    wrong = ~(value >= 0) | (whole & (~np.isfinite(value) | (value != np.floor(value))))
    if wrong.any():
        want = "whole numbers >= 0" if whole else "numbers >= 0"
        raise ValueError(f"{KINDS[kind]} takes {want}, got {value[wrong][0]}")
    if not (np.isfinite(size).all() and (size > 0).all()):
        raise ValueError(f"step sizes must be finite and > 0, got {step!r}")
    return Filters(np.full(value.shape, kind, dtype=np.int64), value, size)
