"""Problem generators with stated conditioning, and singular ones in three named ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

BACKENDS = ["numpy", "numba", pytest.param("cupy", marks=pytest.mark.gpu)]

Floats = NDArray[np.float64]


def design(rng: np.random.Generator, n: int, d: int, condition: float = 10.0) -> Floats:
    """Rows (n, d) whose singular values fall geometrically from sqrt(n) to sqrt(n)/condition."""
    r = min(n, d)
    left = np.linalg.qr(rng.standard_normal((n, r)))[0]
    right = np.linalg.qr(rng.standard_normal((d, r)))[0]
    return np.asarray(np.sqrt(n) * (left * np.geomspace(1.0, 1.0 / condition, r)) @ right.T)


def make(name: str) -> tuple[NDArray[Any], Floats]:
    """Design and targets (n, 2) of a named family."""
    rng = np.random.default_rng(7)
    X: NDArray[Any] = design(rng, 60, 9)
    if name == "ill_conditioned":
        X = design(rng, 60, 9, 1e7)
    elif name == "wide":
        X = design(rng, 9, 31)
    elif name == "repeated_column":
        X[:, 3] = X[:, 5]
    elif name == "zero_column":
        X[:, 4] = 0.0
    elif name == "zero":
        X[:] = 0.0
    elif name == "integer":
        X = rng.integers(-9, 9, (60, 9))
    elif name == "float32":
        X = X.astype(np.float32)
    elif name == "tiny":
        X = X * 1e-150
    elif name == "huge":
        X = X * 1e150
    y = np.asarray(rng.standard_normal((len(X), 2)))
    return X, y


FAMILIES = [
    "plain",
    "ill_conditioned",
    "wide",
    "repeated_column",
    "zero_column",
    "zero",
    "integer",
    "float32",
    "tiny",
    "huge",
]


def close(got: Any, want: Any, rtol: float) -> None:
    """Largest difference within rtol of the largest entry wanted."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    scale = float(np.max(np.abs(want), initial=0.0))
    np.testing.assert_allclose(got / (scale or 1.0), want / (scale or 1.0), rtol=0.0, atol=rtol)
