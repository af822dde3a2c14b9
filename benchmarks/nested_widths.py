"""All widths from one Cholesky factor against the largest width alone: factor, solve, quadratic risks; no Gram.

All sides run in one process, A B A B ..., on one BLAS thread, in processor time. Bars: 1.25 with one right-hand side, 1.6 with
eight. `plain` is the largest width in bare LAPACK and NumPy calls without any check of the input, and judged too; `dense
risk` is all widths with the risk of `joint_risk`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _timing import interleaved, options, quartiles, save, show_sides, verdict
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpotrf
from threadpoolctl import threadpool_limits

from w2s_kernels import NUMPY, gram, joint_risk, nested

BARS = {1: 1.25, 8: 1.6}


def sides(d: int, k: int, widths: list[int]) -> dict[str, Callable[[], Any]]:
    rng = np.random.default_rng(0)
    X, fresh, y = rng.standard_normal((2 * d, d)), rng.standard_normal((2 * d, d)), rng.standard_normal((2 * d, k))
    G, c, S, lam = gram(X) / len(X), gram(X, y) / len(X), gram(fresh) / len(X), 0.1

    def coefficients(chosen: list[int]) -> np.ndarray:
        R, _ = nested.cholesky_gram(G, lam, NUMPY)
        return np.asarray(nested.coefficients(R, nested.forward(R, c, NUMPY), chosen, NUMPY))

    def plain() -> np.ndarray:
        A = G.copy()
        A[np.diag_indices(d)] += lam
        L, _ = dpotrf(A.T, lower=1, clean=0, overwrite_a=1)
        z = solve_triangular(L, c, lower=True, check_finite=False)
        theta = solve_triangular(L, z, lower=True, trans=1, check_finite=False)
        return np.asarray(np.sum(theta * (S @ theta), axis=0))

    every = nested.quadratics(coefficients(widths), widths, S)
    np.testing.assert_allclose(every, joint_risk(coefficients(widths), S), rtol=1e-12)
    np.testing.assert_allclose(every[-1], plain(), rtol=1e-10)
    for place, width in list(enumerate(widths))[::5]:
        theta = np.linalg.solve(G[:width, :width] + lam * np.eye(width), c[:width])
        np.testing.assert_allclose(every[place], np.sum(theta * (S[:width, :width] @ theta), axis=0), rtol=1e-9)
    return {
        "all widths": lambda: nested.quadratics(coefficients(widths), widths, S),
        "largest alone": lambda: nested.quadratics(coefficients([d]), [d], S),
        "plain": plain,
        "dense risk": lambda: joint_risk(coefficients(widths), S),
    }


def measure(d: int, count: int, k: int, repeats: int) -> dict[str, Any]:
    widths = [d * (i + 1) // count for i in range(count)]
    seconds = interleaved(sides(d, k, widths), repeats, time.process_time)
    spent = {name: quartiles(values) for name, values in seconds.items()}
    ratios = {name: float(np.median(values / seconds["largest alone"])) for name, values in seconds.items()}
    plain = float(np.median(seconds["all widths"] / seconds["plain"]))
    return {"d": d, "widths": count, "k": k, "repeats": repeats, "seconds": spent, "ratio": ratios, "against plain": plain}


def show(result: dict[str, Any], bar: float | None) -> None:
    print(f"d = {result['d']}, {result['widths']} widths, {result['k']} right-hand sides, {result['repeats']} runs each")
    show_sides(result["seconds"], {name: f"x {ratio:.3f}" for name, ratio in result["ratio"].items()})
    if bar is not None:
        claim = f"{result['widths']} widths / the largest alone, {result['k']} right-hand sides (cpu)"
        verdict(claim, result["ratio"]["all widths"], bar)
        verdict(f"{claim}, bare calls", result["against plain"], bar)


def main() -> None:
    chosen = options(__doc__, "d = 256, 8 widths, no bars").parse_args()
    d, count, repeats = (256, 8, 11) if chosen.quick else (1024, 32, 21)
    with threadpool_limits(1):
        results = [measure(d, count, k, repeats) for k in BARS]
    for result in results:
        show(result, None if chosen.quick else BARS[result["k"]])
    save(chosen.json, results)


if __name__ == "__main__":
    main()
