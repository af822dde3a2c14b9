"""Batches of small SPD systems: `solve_spd` (numba) against NumPy's `solve` and Torch's `cholesky` + `cholesky_solve`.

Every side runs on one thread in one process, A B C A B C ..., from arrays as they lie in memory to arrays of solutions:
packing, checks and allocation are part of the time. Each peer gets the chunk of the batch that suits it best, chosen before
the measurement. Bars: times as fast as the better peer. Rates count d^3 / 3 + 2 d^2 k flops an item; GEMM is 1024 x 1024.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from w2s_kernels import choose, solve_spd
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


def available_peers() -> list[str]:
    try:
        import torch
    except ImportError:
        print("torch is not installed: numpy is the only peer")
        return ["numpy"]
    torch.set_num_threads(1)
    return list(PEERS)


def seconds_of(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def tuned(name: str, A: np.ndarray, B: np.ndarray) -> tuple[int, Call]:
    """The peer with the chunk that was fastest in the better of two runs."""
    calls = {chunk: functools.partial(PEERS[name], A, B, chunk) for chunk in (*CHUNKS, len(A))}
    best = min(calls, key=lambda chunk: min(seconds_of(calls[chunk]) for _ in range(2)))
    return best, calls[best]


def interleaved(sides: dict[str, Call], repeats: int) -> dict[str, list[float]]:
    """Quartiles of the seconds of every side, taken in turns; one unmeasured turn first."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, call in sides.items():
            spent = seconds_of(call)
            if turn:
                seconds[name].append(spent)
    return {name: np.quantile(values, [0.25, 0.5, 0.75]).tolist() for name, values in seconds.items()}


def problem(items: int, d: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([d, k])
    X = rng.standard_normal((items, 2 * d, d))
    return np.swapaxes(X, 1, 2) @ X / d + 0.1 * np.eye(d), rng.standard_normal((items, d, k))


def relative_error(A: np.ndarray, B: np.ndarray, x: np.ndarray) -> float:
    """Largest error over 32 items, in the largest entry of each column."""
    errors = []
    for i in range(0, len(A), max(1, len(A) // 32)):
        want = spd_reference(A[i], B[i])[0]
        errors.append(np.max(np.abs(x[i] - want).max(axis=0) / np.abs(want).max(axis=0)))
    return float(max(errors))


def measure(d: int, k: int, items: int, repeats: int, peers: list[str]) -> dict[str, Any]:
    A, B = problem(items, d, k)
    backend = choose("numba")
    error = relative_error(A, B, solve_spd(A, B, backend)[0])
    chosen = {name: tuned(name, A, B) for name in peers}
    square = np.random.default_rng(0).standard_normal((GEMM, GEMM))
    sides: dict[str, Call] = {"ours": lambda: solve_spd(A, B, backend)}
    sides |= {name: call for name, (_, call) in chosen.items()} | {"gemm": lambda: square @ square}
    quartiles = interleaved(sides, repeats)
    flops = items * (d**3 / 3 + 2 * d * d * k)
    ratio = min(quartiles[name][1] for name in peers) / quartiles["ours"][1]
    return {
        "d": d,
        "k": k,
        "items": items,
        "repeats": repeats,
        "seconds": quartiles,
        "chunks": {name: chunk for name, (chunk, _) in chosen.items()},
        "ratio": ratio,
        "bar": BARS[d],
        "met": ratio >= BARS[d] and error <= 1e-12,
        "error": error,
        "gflops": flops / quartiles["ours"][1] / 1e9,
        "gemm_gflops": 2 * GEMM**3 / quartiles["gemm"][1] / 1e9,
        "load": os.getloadavg()[0],
    }


def show(result: dict[str, Any]) -> None:
    print(f"d = {result['d']}, k = {result['k']}, {result['items']} items, {result['repeats']} runs, load {result['load']:.1f}")
    for name in ("ours", *result["chunks"]):
        low, middle, high = (1e3 * s for s in result["seconds"][name])
        chunk = f"  chunks of {result['chunks'][name]}" if name in result["chunks"] else f"  error {result['error']:.0e}"
        print(f"  {name:6s}{middle:9.2f} ms  [{low:.2f}, {high:.2f}]{chunk}")


def table(results: list[dict[str, Any]]) -> None:
    print("\n   d    k   ratio    bar          GF/s   GEMM GF/s")
    for r in results:
        verdict = "met" if r["met"] else "MISSED"
        rates = f"{r['gflops']:7.1f} {r['gemm_gflops']:9.1f}"
        print(f"{r['d']:4d} {r['k']:4d} {r['ratio']:7.2f} {r['bar']:6.1f} {verdict:>7s} {rates}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2000 items instead of 10000")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    chosen = parser.parse_args()
    items = 2_000 if chosen.quick else 10_000
    import numba

    numba.set_num_threads(1)
    with threadpool_limits(1):
        peers = available_peers()
        results = []
        for d in BARS:
            for k in COLUMNS:
                results.append(measure(d, k, items, 11 if chosen.quick else 15, peers))
                show(results[-1])
    table(results)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
