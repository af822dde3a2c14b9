"""Products of two float64 matrices: register tiles against NumPy's BLAS, Torch's, and JAX's where it is installed.

In one process, in turns, on one core, by processor time; the sizes are those of probes on real features. Where OpenBLAS knows
the processor (`w2s-sweep doctor` says so) it is a stronger peer; OPENBLAS_CORETYPE=SkylakeX tells it where there is AVX-512.
"""

from __future__ import annotations

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import contextlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _timing import available, interleaved, one_core, one_thread_backend, options, quartiles, save, show_sides, verdict
from threadpoolctl import threadpool_limits

from w2s_kernels import Backend, gemm

BAR = 1.0
SHAPES = {
    "outputs of the students, 26 filters": (497, 800, 260),
    "labels of teachers, X'Y": (800, 900, 340),
    "rows in the student's basis": (497, 800, 800),
    "random features of a table": (1797, 64, 800),
    "one model of ten classes": (497, 800, 10),
    "small": (128, 128, 128),
}
OURS, NUMPY = "ours", "numpy"


def sides(left: np.ndarray, right: np.ndarray, backend: Backend) -> dict[str, Callable[[], Any]]:
    calls: dict[str, Callable[[], Any]] = {OURS: lambda: gemm(left, right, backend), NUMPY: lambda: left @ right}
    if "torch" in available(["torch"]):
        import torch

        a, b = torch.from_numpy(left), torch.from_numpy(right)
        calls["torch"] = lambda: a @ b
    with contextlib.suppress(ImportError):
        import jax

        jax.config.update("jax_enable_x64", True)
        x, y, product = jax.numpy.asarray(left), jax.numpy.asarray(right), jax.jit(jax.numpy.matmul)
        calls["jax"] = lambda: product(x, y).block_until_ready()
    return calls


def measure(shape: tuple[int, int, int], backend: Backend, repeats: int) -> dict[str, Any]:
    """Operations a nanosecond by side (quartiles), and the ratio of medians to NumPy."""
    m, k, n = shape
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    np.testing.assert_allclose(gemm(left, right, backend), left @ right, rtol=0, atol=1e-11)
    times = max(1, int(1e8 / (m * k * n)))  # calls a turn: the clock of a process is coarse

    def repeated(call: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: [call() for _ in range(times)]

    calls = {name: repeated(call) for name, call in sides(left, right, backend).items()}
    seconds = interleaved(calls, repeats, time.process_time)
    rate = {name: quartiles(2.0 * m * k * n * times / 1e9 / values) for name, values in seconds.items()}
    return {"shape": shape, "rate": rate, "ratio": {name: rate[OURS][1] / values[1] for name, values in rate.items()}}


def main() -> None:
    asked = options(__doc__, "three turns").parse_args()
    one_core()
    backend = one_thread_backend()
    with threadpool_limits(1):
        results = {name: measure(shape, backend, 3 if asked.quick else 21) for name, shape in SHAPES.items()}
    for name, result in results.items():
        print(f"{name}: {' x '.join(map(str, result['shape']))}")
        show_sides(result["rate"], {side: f"ours x {ratio:.2f}" for side, ratio in result["ratio"].items()}, 1.0, "GFLOP/s")
    for name, result in results.items():
        verdict(f"products: {name}, rate / NumPy's", result["ratio"][NUMPY], BAR, at_least=True)
    save(asked.json, results)


if __name__ == "__main__":
    main()
