"""Rows to second moments at d = 1024: the share of BLAS's own syrk rate that is left, one thread.

The rate is scipy's dsyrk on all rows at once or NumPy's X'X, whichever is faster in the same run. `rows in memory` is
`gram`; `random streams` makes the rows of a stream a chunk at a time, never the whole sample; `12 counts` is
the same at twelve geometrically spaced counts. Bars: 0.9 for rows in memory, 0.6 for random streams.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _timing import interleaved, one_thread_backend, options, quartiles, save, show_sides, verdict
from scipy.linalg.blas import dsyrk
from threadpoolctl import threadpool_limits

from w2s_kernels import Backend, gram, normals, stream, streamed_grams

BARS = {"rows in memory": 0.9, "random streams": 0.6}
PEERS = ("dsyrk", "numpy X'X")


def measure(n: int, d: int, backend: Backend, repeats: int) -> dict[str, Any]:
    """Seconds by side (quartiles), and the share of the faster peer's rate that each side keeps (quartiles over turns)."""
    role = stream("benchmark", "moments", seed=0)
    X = normals(role, n, d, backend)
    counts = np.unique(np.geomspace(n / 50, n, 12).astype(int))
    np.testing.assert_allclose(gram(X, backend=backend), X.T @ X, rtol=1e-9, atol=1e-10 * n)
    drawn = streamed_grams(lambda ends: normals(role, ends, d, backend), [n], backend)[0]
    np.testing.assert_array_equal(drawn, gram(X, backend=backend))
    seconds = interleaved(
        {
            "dsyrk": lambda: dsyrk(1.0, X.T, lower=1),
            "rows in memory": lambda: gram(X, backend=backend),
            "numpy X'X": lambda: X.T @ X,
            "random streams": lambda: streamed_grams(lambda ends: normals(role, ends, d, backend), [n], backend),
            "12 counts": lambda: streamed_grams(lambda ends: X[slice(*ends)], counts, backend),
            "normals alone": lambda: normals(role, n, d, backend),
        },
        repeats,
    )
    fastest = min(PEERS, key=lambda name: float(np.median(seconds[name])))
    spent = {name: quartiles(values) for name, values in seconds.items()}
    shares = {name: quartiles(seconds[fastest] / values) for name, values in seconds.items()}
    rate = n * d * (d + 1) / spent[fastest][1] / 1e9
    return {"n": n, "d": d, "backend": backend.name, "repeats": repeats, "seconds": spent, "share": shares, "gflops": rate}


def show(result: dict[str, Any], *, bars: bool) -> None:
    head = ", ".join(f"{key} = {result[key]}" for key in ("n", "d", "backend", "repeats"))
    print(f"{head}: {result['gflops']:.1f} GFLOP/s")
    shares = result["share"].items()
    show_sides(
        result["seconds"], {name: f"{mid:.3f} of the rate  [{low:.3f}, {high:.3f}]" for name, (low, mid, high) in shares}
    )
    for name, bar in BARS.items() if bars else ():
        verdict(f"moments from {name} / syrk, d = {result['d']}", result["share"][name][1], bar, at_least=True)


def main() -> None:
    chosen = options(__doc__, "fewer rows and runs").parse_args()
    backend = one_thread_backend()
    with threadpool_limits(1):
        result = measure(2048 if chosen.quick else 8192, 1024, backend, 11 if chosen.quick else 15)
    show(result, bars=not chosen.quick)
    save(chosen.json, result)


if __name__ == "__main__":
    main()
