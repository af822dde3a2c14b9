"""Standard normals a second: ours against NumPy's Philox generator and Torch, float64, a new array each.

In one process, in turns, on one thread. Bar: 3 times NumPy's Philox at 2000 x 1000. NumPy and Torch draw one sequence; ours
can be cut anywhere and has the same bits on every backend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _timing import interleaved, one_thread_backend, options, quartiles, save, show_sides, verdict
from threadpoolctl import threadpool_limits

from w2s_kernels import NUMPY as NUMPY_BACKEND
from w2s_kernels import Backend, normals, stream, uniforms, words

BAR = 3.0
JUDGED = (2000, 1000)
SHAPES = [JUDGED, (64, 1024), (20000, 8)]
NUMPY, OURS = "numpy, Philox", "ours"


def sides(rows: int, cols: int, backend: Backend) -> dict[str, Callable[[], Any]]:
    role, generator = stream("benchmark", "normals", seed=0), np.random.Generator(np.random.Philox(0))
    calls = {
        OURS: lambda: normals(role, rows, cols, backend),
        NUMPY: lambda: generator.standard_normal((rows, cols)),
        "ours, uniforms": lambda: uniforms(role, rows, cols, backend),
        "ours, words": lambda: words(role, rows, cols, backend),
    }
    try:
        import torch
    except ImportError:
        return calls
    torch.set_num_threads(1)
    return calls | {"torch": lambda: torch.randn(rows, cols, dtype=torch.float64)}


def measure(shape: tuple[int, int], backend: Backend, repeats: int) -> dict[str, Any]:
    """Million values a second by side (quartiles), and the ratio of medians to NumPy."""
    role = stream("benchmark", "normals", seed=0)
    np.testing.assert_array_equal(backend.to_numpy(normals(role, *shape, backend)), normals(role, *shape, NUMPY_BACKEND))
    seconds = interleaved(sides(*shape, backend), repeats)
    size = shape[0] * shape[1]
    rate = {name: quartiles(size / 1e6 / values) for name, values in seconds.items()}
    ratio = {name: values[1] / rate[NUMPY][1] for name, values in rate.items()}
    return {"shape": shape, "backend": backend.name, "repeats": repeats, "million_a_second": rate, "ratio": ratio}


def show(result: dict[str, Any]) -> None:
    rows, cols = result["shape"]
    print(f"{rows} x {cols}, {result['backend']}, {result['repeats']} runs each")
    notes = {name: f"x {ratio:.2f}" for name, ratio in result["ratio"].items()}
    show_sides(result["million_a_second"], notes, 1.0, "million/s")
    if result["shape"] == JUDGED:
        verdict(f"normals a second / NumPy's Philox, {rows} x {cols}", result["ratio"][OURS], BAR, at_least=True)


def main() -> None:
    chosen = options(__doc__, "fewer runs, one shape").parse_args()
    backend = one_thread_backend()
    with threadpool_limits(1):
        results = [measure(shape, backend, 11 if chosen.quick else 41) for shape in (SHAPES[:1] if chosen.quick else SHAPES)]
    for result in results:
        show(result)
    save(chosen.json, results)


if __name__ == "__main__":
    main()
