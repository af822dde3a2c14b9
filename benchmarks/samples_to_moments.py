"""Rows to second moments at d = 1024: the share of BLAS's own syrk rate that is left, one thread.

The rate is scipy's dsyrk on all rows at once or NumPy's X'X, whichever is faster in the same run. `rows in memory` is
`gram`; `random streams` makes the rows of a stream a chunk at a time, never the whole sample; `12 counts` is
`prefix_grams` at twelve geometrically spaced counts. Bars: 0.9 for rows in memory, 0.6 for random streams.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from _timing import interleaved, verdict
from scipy.linalg.blas import dsyrk
from threadpoolctl import threadpool_limits

from w2s_kernels import Backend, choose, gram, normals, prefix_grams, stream, streamed_grams

BARS = {"rows in memory": 0.9, "random streams": 0.6}
PEERS = ("dsyrk", "numpy X'X")


def measure(n: int, d: int, backend: Backend, repeats: int) -> dict[str, Any]:
    """Seconds by side (quartiles), and the share of the faster peer's rate that each side keeps (quartiles over turns)."""
    role = stream("benchmark", "moments", seed=0)
    X = normals(role, n, d, backend)
    counts = np.unique(np.geomspace(n / 50, n, 12).astype(int))
    seconds = interleaved(
        {
            "dsyrk": lambda: dsyrk(1.0, X.T, lower=1),
            "rows in memory": lambda: gram(X, backend=backend),
            "numpy X'X": lambda: X.T @ X,
            "random streams": lambda: streamed_grams(lambda ends: normals(role, ends, d, backend), [n], backend),
            "12 counts": lambda: prefix_grams(X, counts, backend=backend),
            "normals alone": lambda: normals(role, n, d, backend),
        },
        repeats,
    )
    fastest = min(PEERS, key=lambda name: float(np.median(seconds[name])))
    quantiles = {name: np.quantile(values, [0.25, 0.5, 0.75]).tolist() for name, values in seconds.items()}
    shares = {name: np.quantile(seconds[fastest] / values, [0.25, 0.5, 0.75]).tolist() for name, values in seconds.items()}
    rate = n * d * (d + 1) / quantiles[fastest][1] / 1e9
    return {"n": n, "d": d, "backend": backend.name, "repeats": repeats, "seconds": quantiles, "share": shares, "gflops": rate}


def show(result: dict[str, Any]) -> None:
    head = ", ".join(f"{key} = {result[key]}" for key in ("n", "d", "backend", "repeats"))
    print(f"{head}: {result['gflops']:.1f} GFLOP/s")
    for name, (low, middle, high) in result["seconds"].items():
        share = result["share"][name]
        print(
            f"  {name:15s} {1e3 * middle:8.1f} ms  [{1e3 * low:.1f}, {1e3 * high:.1f}]"
            f"   {share[1]:.3f} of the rate  [{share[0]:.3f}, {share[2]:.3f}]"
        )
    for name, bar in BARS.items():
        verdict(f"moments from {name} / syrk, d = {result['d']}", result["share"][name][1], bar, at_least=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows and runs")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    chosen = parser.parse_args()
    backend = choose("auto")
    if backend.name == "numba":
        import numba

        numba.set_num_threads(1)
    with threadpool_limits(1):
        result = measure(2048 if chosen.quick else 8192, 1024, backend, 11 if chosen.quick else 15)
    show(result)
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
