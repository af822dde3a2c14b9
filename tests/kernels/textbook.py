"""Textbook versions of the kernels: short, slow, and independent of them.

Everything here takes one item, NumPy arrays, float64.
"""

from __future__ import annotations

import functools
import math
import operator
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


def risk_reference(theta: Floats, X: Floats, y: Floats) -> Floats:
    """Mean squared error on rows, (k,): the quadratic form when the moments are those of the same rows."""
    return np.asarray(np.mean((y - X @ theta) ** 2, axis=0))


def threefry_reference(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """Threefry-4x64-20 in Python integers, from the paper's description: four words from four and a key of four."""
    rotations = ((14, 16), (52, 57), (23, 40), (5, 37), (25, 33), (46, 12), (58, 22), (32, 32))
    keys = (*key, functools.reduce(operator.xor, key, 0x1BD11BDAA9FC1A22))
    x = [(c + k) % 2**64 for c, k in zip(counter, key, strict=True)]
    for step in range(20):
        for pair, rotation in zip((0, 2), rotations[step % 8], strict=True):
            x[pair] = (x[pair] + x[pair + 1]) % 2**64
            x[pair + 1] = (x[pair + 1] << rotation | x[pair + 1] >> (64 - rotation)) % 2**64 ^ x[pair]
        x[1], x[3] = x[3], x[1]
        if step % 4 == 3:
            injected = step // 4 + 1
            x = [(x[i] + keys[(injected + i) % 5] + injected * (i == 3)) % 2**64 for i in range(4)]
    return tuple(x)


def word_reference(stream: Any, row: int, col: int) -> int:
    """The 64 bits of one element of a stream."""
    return threefry_reference((col // 4, row, 0, 0), stream.key)[col % 4]


def uniform_reference(stream: Any, row: int, col: int) -> float:
    """One uniform of a stream."""
    return (2 * (word_reference(stream, row, col) >> 12) + 1) / 2**53


def normal_reference(stream: Any, row: int, col: int) -> float:
    """One standard normal of a stream by Box-Muller with the library's log, cos and sin."""
    even = col - col % 2
    radius = math.sqrt(-2.0 * math.log(uniform_reference(stream, row, even)))
    word = word_reference(stream, row, even + 1)
    angle = (math.pi / 2) * (uniform_reference(stream, row, even + 1) - 0.5)
    cosine, sine = math.cos(angle) * (-1) ** (word % 2), math.sin(angle)
    first, second = (sine, cosine) if word & 2 else (cosine, sine)
    return radius * (second if col % 2 else first)


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
        R[i, i] = math.sqrt(chi2.ppf(uniform_reference(stream, 2**32 - 1, i), n - i))
        R[i, i + 1 :] = [normal_reference(stream, i, j) for j in range(i + 1, d)]
    return R
