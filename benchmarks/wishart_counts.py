"""Drawing the factor of a Gaussian design: n = 10^9 against n = 10^4, and against making the rows.

Pairs run in one process, A B A B ..., on one BLAS thread and one compiled thread. Bar: 1.15 for 10^9 over 10^4.
`rows` draws n rows from the same kind of stream, sums their Gram and factors it, at the first of the counts only; it is
a pair of its own, because it leaves cold caches to whatever comes after it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  (loads its BLAS before the threads are limited)
from _timing import interleaved, verdict
from threadpoolctl import threadpool_limits

from w2s_kernels import Backend, choose, gram, nested, normals, stream, wishart

BAR = 1.15
SMALL, LARGE = 10**4, 10**9


def measure(d: int, counts: int, backend: Backend, repeats: int) -> dict[str, Any]:
    role, steps = stream("benchmark", "design", seed=0), list(range(counts))

    def factors(first: int) -> Callable[[], Any]:
        return lambda: wishart.factor(role, [first + i for i in steps], d, backend)

    def from_rows() -> Any:
        return nested.cholesky_gram(gram(normals(role, SMALL, d, backend), backend=backend), 0.0, backend)

    seconds = interleaved({"n = 1e9": factors(LARGE), "n = 1e4": factors(SMALL)}, repeats)
    seconds["rows, n = 1e4"] = interleaved({"rows": from_rows, "n = 1e4": factors(SMALL)}, min(repeats, 11))["rows"]
    quartiles = {name: np.quantile(values, [0.25, 0.5, 0.75]).tolist() for name, values in seconds.items()}
    ratios = {name: values[1] / quartiles["n = 1e4"][1] for name, values in quartiles.items()}
    return {
        "d": d,
        "counts": counts,
        "backend": backend.name,
        "repeats": repeats,
        "seconds": quartiles,
        "ratio": ratios,
    }


def show(result: dict[str, Any]) -> None:
    print(f"d = {result['d']}, {result['counts']} counts, {result['backend']}, {result['repeats']} runs each")
    for name, (low, middle, high) in result["seconds"].items():
        print(f"  {name:14s} {1e3 * middle:8.3f} ms  [{1e3 * low:.3f}, {1e3 * high:.3f}]   x {result['ratio'][name]:.3f}")
    verdict(f"10^9 rows / 10^4 rows, d = {result['d']}, {result['counts']} counts", result["ratio"]["n = 1e9"], BAR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small designs only")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    chosen = parser.parse_args()
    sizes = [(32, 1), (64, 12)] if chosen.quick else [(64, 1), (64, 12), (512, 1), (512, 12)]
    backend = choose("auto")
    if backend.name == "numba":
        import numba

        numba.set_num_threads(1)
    with threadpool_limits(1):
        results = [measure(d, counts, backend, 21 if chosen.quick else 101) for d, counts in sizes]
    for result in results:
        show(result)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
