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


def spd_reference(A: Floats, B: Floats) -> tuple[Floats, Floats]:
    """Return A^-1 B (d, k) and the forms b'A^-1 b (k,) by Cholesky, A = L L', in the widest floating-point type at hand."""
    L, y = np.tril(A).astype(np.longdouble), B.astype(np.longdouble)
    for j in range(len(L)):
        L[j, j] = np.sqrt(L[j, j] - np.sum(L[j, :j] ** 2))
        L[j + 1 :, j] = (L[j + 1 :, j] - L[j + 1 :, :j] @ L[j, :j]) / L[j, j]
        y[j] = (y[j] - L[j, :j] @ y[:j]) / L[j, j]
    x = y.copy()
    for j in reversed(range(len(L))):
        x[j] = (x[j] - L[j + 1 :, j] @ x[j + 1 :]) / L[j, j]
    return x.astype(np.float64), np.sum(y * y, axis=0).astype(np.float64)


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


def nested_reference(X: Floats, y: Floats, width: int, lam: float) -> Floats:
    """`ridge_reference` on the first `width` columns, padded with zeros to (d, k)."""
    theta = np.zeros((X.shape[1], y.shape[1]))
    theta[:width] = ridge_reference(X[:, :width], y, lam)
    return theta


def chi_square_reference(x: float, df: float) -> tuple[float, float]:
    """Lower and upper tail probability at x by integrating the density with e = x/df - 1 as variable; df >= 1e4.

    Its logarithm but for a constant is (df/2)(log(1 + e) - e) - log(1 + e), by the series of log, where nothing cancels.
    """
    nodes, weights = np.polynomial.legendre.leggauss(60)
    sd = math.sqrt(2.0 / df)

    def integral(start: float, stop: float) -> float:
        edges = np.linspace(start, stop, 41)
        e = edges[:-1, None] + np.diff(edges)[:, None] * (nodes + 1) / 2
        gap = sum((-1) ** (j + 1) * e**j / j for j in range(2, 40))
        return float(np.sum(np.exp(df / 2 * gap - np.log1p(e)) * weights) * (edges[1] - edges[0]) / 2)

    at = (x - df) / df
    lower, upper = integral(at - 16 * sd, at), integral(at, at + 20 * sd)
    return lower / (lower + upper), upper / (lower + upper)


def wishart_reference(stream: Any, n: int, d: int) -> Floats:
    """Bartlett's factor (d, d) for one count n, element by element."""
    from scipy.stats import chi2

    R = np.zeros((d, d))
    for i in range(min(n, d)):
        w = philox_reference((i // 2, 2**32 - 1, *stream.upper), stream.key)[2 * (i % 2) : 2 * (i % 2) + 2]
        R[i, i] = math.sqrt(chi2.ppf(max((w[0] >> 5) * 2**26 + (w[1] >> 6), 0.5) / 2**53, n - i))
        R[i, i + 1 :] = [normal_reference(stream, i, j) for j in range(i + 1, d)]
    return R
