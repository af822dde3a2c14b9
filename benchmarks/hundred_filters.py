"""A hundred filters from one factorisation: what they add to it, errors of all of them included.

d = 256, 8 right-hand sides, 40 ridges, 30 times of gradient flow and 30 numbers of steps: from the Gram to three errors of
800 estimators, |theta - a|^2, |theta - b|^2 and (b - theta)'(theta - a), which is what the studies ask for. Against
`numpy.linalg.eigh` of the same Gram alone, in turns on one thread, in processor time. `coefficients` is the same through
explicit coefficients; `factor` is our checked factorisation alone, and `dsyevd` the LAPACK routine behind `eigh` without
NumPy's copies: the filters are compared with both too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg.lapack  # here, for its BLAS has to be loaded to be limited to one thread
from _timing import interleaved, one_thread_backend, options, quartiles, save, show_sides, verdict
from threadpoolctl import threadpool_limits

from w2s_kernels import Backend, coefficients, concat, factor_gram, filter_products, flow, response, ridge, steps

BAR = 1.3
FILTERS = concat(ridge(np.logspace(-6, 1, 40)), flow(np.logspace(-2, 4, 30)), steps(np.arange(10, 310, 10), 0.1))


def sides(d: int, k: int, backend: Backend) -> dict[str, Callable[[], Any]]:
    rng = np.random.default_rng(0)
    X, goals = rng.standard_normal((4 * d, d)), rng.standard_normal((2, d, k))
    y = X @ goals[0] + rng.standard_normal((4 * d, k))
    gram, rhs = X.T @ X / (4 * d), X.T @ y / (4 * d)

    def ours() -> np.ndarray:
        """(3, k, 100)."""
        spectrum = factor_gram(gram[None], backend)
        coords = (spectrum.project(columns[None]).swapaxes(-1, -2) for columns in (rhs, *goals))
        return backend.to_numpy(filter_products(spectrum, FILTERS, *coords, backend))[:, 0]

    def explicit() -> np.ndarray:
        spectrum = factor_gram(gram, backend)
        theta = coefficients(spectrum, response(spectrum, FILTERS, backend), spectrum.project(rhs))
        return errors(theta, goals)

    np.testing.assert_allclose(ours(), explicit(), rtol=1e-9)
    np.testing.assert_allclose(ours(), errors(closed_forms(gram, rhs), goals), rtol=1e-9)
    return {
        "filters": ours,
        "eigh": lambda: np.linalg.eigh(gram),
        "dsyevd": lambda: scipy.linalg.lapack.dsyevd(gram.T, lower=1),
        "factor": lambda: factor_gram(gram, backend),
        "coefficients": explicit,
    }


def errors(theta: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """The three errors (3, k, 100) of coefficients (100, d, k) against two goals (2, d, k)."""
    first, second = theta - goals[0], goals[1] - theta
    return np.stack([np.sum(a * b, axis=1).T for a, b in ((first, first), (second, second), (second, first))])


def closed_forms(gram: np.ndarray, rhs: np.ndarray) -> np.ndarray:
    """Coefficients (100, d, k) in NumPy's eigenbasis: 1/(s + ridge), (1 - e^(-st))/s, (1 - (1 - 0.1 s)^steps)/s."""
    s, vectors = np.linalg.eigh(gram)
    weights = np.concatenate(
        [
            1 / (s + np.logspace(-6, 1, 40)[:, None]),
            -np.expm1(-s * np.logspace(-2, 4, 30)[:, None]) / s,
            (1 - (1 - 0.1 * s) ** np.arange(10, 310, 10)[:, None]) / s,
        ]
    )
    return np.asarray(np.einsum("ij,fj,jk->fik", vectors, weights, vectors.T @ rhs, optimize=True))


def main() -> None:
    chosen = options(__doc__, "d = 64, no bar").parse_args()
    d, k, repeats = (64, 8, 11) if chosen.quick else (256, 8, 41)
    backend = one_thread_backend()
    with threadpool_limits(1):
        calls = sides(d, k, backend)
        explicit = calls.pop("coefficients")  # apart: its 25 MB would empty the caches for whoever comes next
        seconds = interleaved(calls, repeats, time.process_time)
        others = interleaved({"coefficients": explicit, "eigh": calls["eigh"]}, repeats, time.process_time)
    print(f"d = {d}, {len(FILTERS)} filters, {k} right-hand sides, {backend.name}, {repeats} turns")
    base = seconds["eigh"]
    ratios = {name: float(np.median(values / base)) for name, values in seconds.items()}
    ratios["coefficients"] = float(np.median(others["coefficients"] / others["eigh"]))
    numbers = {name: quartiles(values) for name, values in seconds.items()}
    shown = numbers | {"coefficients": quartiles(others["coefficients"])}
    show_sides(shown, {name: f"x {ratio:.3f}" for name, ratio in ratios.items()})
    alone = {"eigh": "numpy.linalg.eigh", "dsyevd": "LAPACK's dsyevd", "factor": "our own factorisation"}
    against = {says: float(np.median(seconds["filters"] / seconds[name])) for name, says in alone.items()}
    verdicts = []
    for says, ratio in against.items() if not chosen.quick else ():
        verdicts.append(verdict(f"100 filters and their errors / {says} (cpu)", ratio, BAR))
    save(chosen.json, {"d": d, "seconds": numbers, "against": against, "verdicts": verdicts})


if __name__ == "__main__":
    main()
