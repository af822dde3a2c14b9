"""Drawing the factor of a Gaussian design: n = 10^9 against n = 10^4, and against making the rows.

`grams` are what the studies draw: all counts of a role from one product. Pairs run in one process, A B A B ..., on one BLAS
thread and one compiled thread. Bar: 1.15 for 10^9 over 10^4. `rows` draws n rows from the same kind of stream, sums their
Gram and factors it, at the first of the counts only; it is a pair of its own, because it leaves cold caches to whatever comes
after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  (loads its BLAS before the threads are limited)
from _timing import interleaved, one_thread_backend, options, quartiles, save, show_sides, verdict
from threadpoolctl import threadpool_limits

from w2s_kernels import Backend, gram, nested, normals, stream, wishart

BAR = 1.15
SMALL, LARGE = 10**4, 10**9


def measure(d: int, counts: int, backend: Backend, repeats: int) -> dict[str, Any]:
    role, steps = stream("benchmark", "design", seed=0), list(range(counts))

    def factors(first: int) -> Callable[[], Any]:
        return lambda: wishart.factor(role, [first + i for i in steps], d, backend)

    def grams(first: int) -> Callable[[], Any]:
        return lambda: wishart.gram(role, [first + i for i in steps], d, backend)

    for first in (SMALL, LARGE):
        R = backend.to_numpy(factors(first)()[-1])
        degrees = first + steps[-1] - np.arange(d)
        # In standard deviations of chi: the diagonal's levels are uniform, and its Gram is what `gram` gives.
        assert np.abs(np.diagonal(R) - np.sqrt(degrees)).max() < 6.0
        np.testing.assert_allclose(backend.to_numpy(grams(first)()[-1]), R.T @ R, rtol=1e-12, atol=1e-9 * np.sqrt(first))

    def from_rows() -> Any:
        return nested.cholesky_gram(gram(normals(role, SMALL, d, backend), backend=backend), 0.0, backend)

    seconds = interleaved({"n = 1e9": factors(LARGE), "n = 1e4": factors(SMALL)}, repeats)
    drawn = interleaved({"grams, n = 1e9": grams(LARGE), "grams, n = 1e4": grams(SMALL)}, repeats)
    seconds |= drawn
    seconds["rows, n = 1e4"] = interleaved({"rows": from_rows, "n = 1e4": factors(SMALL)}, min(repeats, 11))["rows"]
    spent = {name: quartiles(values) for name, values in seconds.items()}
    ratios = {name: values[1] / spent["n = 1e4"][1] for name, values in spent.items()}
    ratios["grams"] = float(np.median(drawn["grams, n = 1e9"]) / np.median(drawn["grams, n = 1e4"]))
    return {"d": d, "counts": counts, "backend": backend.name, "repeats": repeats, "seconds": spent, "ratio": ratios}


def show(result: dict[str, Any], *, bars: bool) -> None:
    print(f"d = {result['d']}, {result['counts']} counts, {result['backend']}, {result['repeats']} runs each")
    show_sides(result["seconds"], {name: f"x {ratio:.3f}" for name, ratio in result["ratio"].items()})
    for what, name in (("factors", "n = 1e9"), ("Grams", "grams")) if bars else ():
        claim = f"{what} of 10^9 rows / of 10^4, d = {result['d']}, {result['counts']} counts"
        verdict(claim, result["ratio"][name], BAR)


def main() -> None:
    chosen = options(__doc__, "small designs only").parse_args()
    sizes = [(32, 1), (64, 12)] if chosen.quick else [(64, 1), (64, 12), (512, 1), (512, 12)]
    backend = one_thread_backend()
    with threadpool_limits(1):
        results = [measure(d, counts, backend, 21 if chosen.quick else 101) for d, counts in sizes]
    for result in results:
        show(result, bars=not chosen.quick)
    save(chosen.json, results)


if __name__ == "__main__":
    main()
