"""Textbook versions of the kernels: short, slow, and independent of them. Used by tests and by checks.

Everything here takes one item, NumPy arrays, float64.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def gram_reference(X: Floats, Z: Floats) -> Floats:
    """X'Z (p, q) by exactly rounded sums of products; X (n, p), Z (n, q)."""
    return np.array([[math.fsum(x * z) for z in Z.T] for x in X.T])


def ridge_reference(X: Floats, y: Floats, lam: float) -> Floats:
    """(X'X/n + lambda I)^-1 X'y/n, (d, k); lambda = 0 is least squares of minimum norm."""
    n, d = X.shape
    if lam == 0:
        return np.asarray(np.linalg.lstsq(X, y, rcond=None)[0])
    return np.linalg.solve(X.T @ X / n + lam * np.eye(d), X.T @ y / n)


def flow_reference(X: Floats, y: Floats, time: float) -> Floats:
    """Solution at `time` of d theta/dt = X'(y - X theta)/n from zero, (d, k), as one matrix exponential."""
    from scipy.linalg import expm

    n, d = X.shape
    k = y.shape[1]
    generator = np.zeros((d + k, d + k))
    generator[:d, :d] = -X.T @ X / n
    generator[:d, d:] = X.T @ y / n
    return np.asarray(expm(time * generator)[:d, d:])


def steps_reference(X: Floats, y: Floats, count: int, step_size: float) -> Floats:
    """Gradient descent on half the mean squared error from zero, (d, k), one step after the other."""
    theta = np.zeros((X.shape[1], y.shape[1]))
    for _ in range(count):
        theta = theta + step_size * (X.T @ (y - X @ theta)) / len(X)
    return theta


def truncation_reference(X: Floats, y: Floats, rank: int) -> Floats:
    """Least squares on the leading `rank` right singular directions, (d, k)."""
    left, sigma, right = np.linalg.svd(X, full_matrices=False)
    return np.asarray(right[:rank].T @ ((left[:, :rank].T @ y) / sigma[:rank, None]))


def risk_reference(theta: Floats, X: Floats, y: Floats) -> Floats:
    """Mean squared error on rows, (k,): the quadratic form when the moments are those of the same rows."""
    return np.asarray(np.mean((y - X @ theta) ** 2, axis=0))


def philox_reference(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10 in Python integers: four words from four counter words and two key words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(c0 * 0xD2511F53, 2**32)
        high1, low1 = divmod(c2 * 0xCD9E8D57, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


def normal_reference(stream: Any, row: int, col: int) -> float:
    """One standard normal of a stream by Box-Muller with the library's log, cos and sin."""
    w = philox_reference((col // 2, row, *stream.upper), stream.key)
    u, v = (max((high >> 5) * 2**26 + (low >> 6), 0.5) / 2**53 for high, low in (w[:2], w[2:]))
    wave = math.sin if col % 2 else math.cos
    return math.sqrt(-2.0 * math.log(u)) * wave(2.0 * math.pi * v)
