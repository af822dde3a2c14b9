"""What the reference grid costs beyond its linear algebra: the whole launch against its LAPACK and BLAS calls alone.

Ours: `launch --executor inline` of `reference.yaml`, random numbers, identities and Parquet included. The other side makes the
calls that the distinct pieces of the plan ask for, on matrices of the same shapes and as many of them, through bare NumPy and
SciPy calls and nothing else: a Gram for every seed and sample count, a factorisation for every Gram, triangular solves and
products for its right-hand sides. Both in one process on one thread, in turns, on both clocks.

What is counted, `needed`: the distinct pieces of the plan as the mathematics states them, with a Gram of order 322 for each of
the 16 sample counts of a seed. The study makes all Grams of a role from one product, so the second, smaller sum, `made`, holds
the calls that it really makes. The bar is for the first; the launch is compared with both. Random numbers, chi-square
quantiles, sums over filters, identities, rows and Parquet are on our side alone.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _timing import both_clocks, interleaved, options, quartiles, save, seconds_of, spread, verdict
from reference_grid import GRID, check, ours
from scipy.linalg.lapack import dpotrf, dtrtrs
from threadpoolctl import threadpool_limits

from sweeper import load_grid

BAR = 1.5


@dataclass(frozen=True)
class Piece:
    """One kind of call: how often a seed needs it, how often the study makes it, and the call."""

    name: str
    needed: int
    made: int
    call: Callable[[], Any]


def pieces(axes: dict[str, list[Any]], d_strong: int, noises: int = 1) -> list[Piece]:
    """Calls of one seed. D = d_strong + widest weak + 2; T teachers, one for each weak width and labelled count.

    Strong features are fitted with all ridges on transfer samples (students, ceiling) and on labelled ones (baselines).
    """
    rng = np.random.default_rng(0)
    widths, counts, transfers = sorted(axes["d_weak"]), len(axes["n_labeled"]), len(axes["n_transfer"])
    weak, strong = widths[-1], d_strong
    D, members, teachers, strongs = strong + weak + 2, len(widths), len(widths) * counts, counts + transfers
    factor = np.triu(rng.standard_normal((D, D))) + np.sqrt(1000.0) * np.eye(D)
    gram = factor.T @ factor / 1000.0
    large, small = np.ascontiguousarray(gram[:weak, :weak]), np.ascontiguousarray(gram[:strong, :strong])
    large_factor = dpotrf(large.T, lower=1)[0]
    masked = np.where(np.arange(weak)[:, None] < np.array(widths), rng.standard_normal((weak, 1)), 0.0)
    rows, vectors = np.ascontiguousarray(gram[:strong]), rng.standard_normal((teachers, D))
    labels, basis = vectors[:members], np.linalg.eigh(small)[1]
    strong_part = np.ascontiguousarray(vectors[:, :strong])
    rhs_weak = rng.standard_normal((weak, noises))

    def solve(triangle: np.ndarray, rhs: np.ndarray, trans: int) -> Callable[[], Any]:
        return lambda: dtrtrs(triangle, rhs, lower=1, trans=trans)

    return [
        Piece(f"Gram, {D}", counts + transfers, 2, lambda: factor.T @ factor),
        Piece(f"Cholesky, {weak}", counts, counts, lambda: dpotrf(large.T, lower=1)),
        Piece(f"weak right-hand sides, {weak} x {D}", counts, counts, lambda: gram[:weak] @ labels[:noises].T),
        Piece(f"forward solve, {weak}", counts, counts, solve(large_factor, np.asfortranarray(rhs_weak), 0)),
        Piece(f"back solve, {weak}, {members} widths", counts, counts, solve(large_factor, np.asfortranarray(masked), 1)),
        Piece(f"eigendecomposition, {strong}", strongs, strongs, lambda: np.linalg.eigh(small)),
        Piece(f"eigenvectors times moments, {strong} x {D}", strongs, strongs, lambda: basis.T @ rows),
        Piece(f"coordinates of {teachers} labels", transfers, transfers, lambda: vectors @ rows.T),
        Piece(f"coordinates of {members} labels", strongs, strongs, lambda: labels @ rows.T),
        Piece(f"rotation of {teachers} vectors", 2 * transfers, 2 * transfers, lambda: strong_part @ basis),
        Piece(f"rotation of {members} vectors", 2 * strongs, 2 * strongs, lambda: strong_part[:members] @ basis),
    ]


def run(calls: list[Piece], seeds: int, how: str) -> None:
    """Make the calls of all seeds, one seed after the other as the study does."""
    for _ in range(seeds):
        for piece in calls:
            for _ in range(getattr(piece, how)):
                piece.call()


def measure(out: Path, repeats: int) -> dict[str, Any]:
    """Seconds of the launch and of both sums of calls, and of every piece."""
    grid = load_grid(GRID)
    fixed, seeds = grid.parts[0].block.fixed, len(grid.axes()["seed"])
    calls = pieces(grid.axes(), fixed["d_strong"])
    sides: dict[str, Callable[[], Any]] = {
        "launch": functools.partial(ours, out),
        "needed": functools.partial(run, calls, seeds, "needed"),
        "made": functools.partial(run, calls, seeds, "made"),
    }
    seconds = interleaved(sides, repeats, both_clocks)
    each = {p.name: seeds * p.needed * float(np.median([seconds_of(p.call) for _ in range(51)])) for p in calls}
    spent = {name: values.tolist() for name, values in seconds.items()}
    return {"cells": grid.cells, "seconds": spent, "each": each, "worst": check(out, grid)}


def main() -> None:
    chosen = options(__doc__, "three turns instead of eleven").parse_args()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        result = measure(Path(folder) / "run", 3 if chosen.quick else 11)
    seconds, cells = result["seconds"], result["cells"]
    assert result["worst"] <= 1e-9, f"one cell in a hundred differs from plain NumPy by {result['worst']:.1e}"
    print(f"{cells:,} cells, {len(seconds['launch'])} turns; against plain NumPy: {result['worst']:.1e} of the larger error")
    for name, values in seconds.items():
        wall, cpu = np.transpose(values)
        print(f"  {name:8s} {spread(wall)} s wall, {spread(cpu)} s cpu   {1e6 * quartiles(cpu)[1] / cells:.2f} us a cell")
    for name, value in sorted(result["each"].items(), key=lambda item: -item[1]):
        print(f"    {name:44s} {1e3 * value:8.1f} ms")
    ratios = {how: np.median(np.divide(seconds["launch"], seconds[how]), axis=0).tolist() for how in ("needed", "made")}
    print("  launch / calls made: {:.2f} x (wall), {:.2f} x (cpu)".format(*ratios["made"]))
    verdicts = []
    for clock, ratio in zip(("wall", "cpu"), ratios["needed"] if not chosen.quick else (), strict=False):
        verdicts.append(verdict(f"reference grid: launch / LAPACK and BLAS of its distinct pieces ({clock})", ratio, BAR))
    save(chosen.json, result | {"ratios": ratios, "verdicts": verdicts})


if __name__ == "__main__":
    main()
