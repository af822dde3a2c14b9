"""Batches of small SPD systems: `solve_spd` (numba) against NumPy's `solve` and Torch's `cholesky` + `cholesky_solve`.

Every side runs on one thread in one process, A B C A B C ..., from arrays as they lie in memory to arrays of solutions:
packing, checks and allocation are part of the time. The process keeps memory that it has freed, as a worker of a sweep does:
else new pages for the result, zeroed by the system, are a tenth of our time at d = 8. Each peer gets the chunk of the batch
that suits it best, chosen before the measurement. Bars: times as fast as the better peer. Rates count d^3 / 3 + 2 d^2 k flops
an item; GEMM is 1024 x 1024.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from _timing import available, interleaved, one_thread_backend, options, quartiles, save, seconds_of, verdict
from threadpoolctl import threadpool_limits

from sweeper.worker.threads import keep_freed_memory
from w2s_kernels import solve_spd
from w2s_kernels.reference import spd_reference

BARS = {8: 5.0, 16: 5.0, 32: 4.0, 64: 3.0}
COLUMNS = (1, 8)
CHUNKS = (64, 256, 1024)
GEMM = 1024
Call = Callable[[], Any]


def numpy_solve(A: np.ndarray, B: np.ndarray, chunk: int) -> np.ndarray:
    x = np.empty_like(B)
    for i in range(0, len(A), chunk):
        x[i : i + chunk] = np.linalg.solve(A[i : i + chunk], B[i : i + chunk])
    return x


def torch_solve(A: np.ndarray, B: np.ndarray, chunk: int) -> np.ndarray:
    import torch

    left, right = torch.from_numpy(A), torch.from_numpy(B)
    x = torch.empty_like(right)
    for i in range(0, len(A), chunk):
        x[i : i + chunk] = torch.cholesky_solve(right[i : i + chunk], torch.linalg.cholesky(left[i : i + chunk]))
    return np.asarray(x.numpy())


PEERS = {"numpy": numpy_solve, "torch": torch_solve}


def tuned(name: str, A: np.ndarray, B: np.ndarray) -> tuple[int, Call]:
    """The peer with the chunk that was fastest in the better of two runs."""
    calls = {chunk: functools.partial(PEERS[name], A, B, chunk) for chunk in (*CHUNKS, len(A))}
    best = min(calls, key=lambda chunk: min(seconds_of(calls[chunk]) for _ in range(2)))
    return best, calls[best]


def problem(items: int, d: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([d, k])
    X = rng.standard_normal((items, 2 * d, d))
    return np.swapaxes(X, 1, 2) @ X / d + 0.1 * np.eye(d), rng.standard_normal((items, d, k))


def relative_error(A: np.ndarray, B: np.ndarray, x: np.ndarray) -> float:
    """Largest error in the largest entry of each column: of all items against NumPy, of some against the reference."""
    want = np.linalg.solve(A, B)
    for i in range(0, len(A), 313):  # odd: items of every SIMD lane
        want[i] = spd_reference(A[i], B[i])[0]
    return float(np.max(np.abs(x - want).max(axis=1) / np.abs(want).max(axis=1)))


def measure(d: int, k: int, items: int, repeats: int, peers: list[str]) -> dict[str, Any]:
    A, B = problem(items, d, k)
    backend = one_thread_backend("numba")
    error = relative_error(A, B, solve_spd(A, B, backend)[0])
    chosen = {name: tuned(name, A, B) for name in peers}
    square = np.random.default_rng(0).standard_normal((GEMM, GEMM))
    sides: dict[str, Call] = {"ours": lambda: solve_spd(A, B, backend)}
    sides |= {name: call for name, (_, call) in chosen.items()} | {"gemm": lambda: square @ square}
    spent = {name: quartiles(values) for name, values in interleaved(sides, repeats).items()}
    flops = items * (d**3 / 3 + 2 * d * d * k)
    ratio = min(spent[name][1] for name in peers) / spent["ours"][1]
    return {
        "d": d,
        "k": k,
        "items": items,
        "repeats": repeats,
        "seconds": spent,
        "chunks": {name: chunk for name, (chunk, _) in chosen.items()},
        "ratio": ratio,
        "bar": BARS[d],
        "met": ratio >= BARS[d] and error <= 1e-12,
        "error": error,
        "gflops": flops / spent["ours"][1] / 1e9,
        "gemm_gflops": 2 * GEMM**3 / spent["gemm"][1] / 1e9,
        "load": os.getloadavg()[0],
    }


def show(result: dict[str, Any]) -> None:
    print(f"d = {result['d']}, k = {result['k']}, {result['items']} items, {result['repeats']} runs, load {result['load']:.1f}")
    for name in ("ours", *result["chunks"]):
        low, middle, high = (1e3 * s for s in result["seconds"][name])
        chunk = f"  chunks of {result['chunks'][name]}" if name in result["chunks"] else f"  error {result['error']:.0e}"
        print(f"  {name:6s}{middle:9.2f} ms  [{low:.2f}, {high:.2f}]{chunk}")


def table(results: list[dict[str, Any]], *, bars: bool) -> None:
    print()
    for r in results:
        assert r["error"] <= 1e-12, f"d = {r['d']}: error {r['error']:.0e}"
        claim = f"d = {r['d']}, k = {r['k']}: the better peer / ours ({r['gflops']:.1f} GF/s, GEMM {r['gemm_gflops']:.1f})"
        if bars:
            verdict(claim, r["ratio"], r["bar"], at_least=True)


def main() -> None:
    chosen = options(__doc__, "2000 items instead of 10000").parse_args()
    items = 2_000 if chosen.quick else 10_000
    keep_freed_memory()
    with threadpool_limits(1):
        peers = available(PEERS)
        results = []
        for d in BARS:
            for k in COLUMNS:
                results.append(measure(d, k, items, 11 if chosen.quick else 15, peers))
                show(results[-1])
    table(results, bars=not chosen.quick and len(peers) == len(PEERS))
    save(chosen.json, results)


if __name__ == "__main__":
    main()
