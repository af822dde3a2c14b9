"""The reference grid: 245 760 cells of a Gaussian design by `launch --executor inline`, against what a user would write.

Ours: the whole launch in this process, identities and Parquet included; what the command takes from the shell, start of the
interpreter and compiled kernels included, is printed beside it. Peers solve the same cells from rows that are already
in memory (drawing them is not charged): a scikit-learn `Ridge` loop cell by cell, and a batched peer in Torch that batches
seeds and ridges but shares nothing across widths and counts. Peers are timed on a sample of cells and scaled. All sides have
one BLAS thread and take turns. In the same run one cell in a hundred is checked against plain NumPy.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  with the next two here: only libraries that are loaded are limited to one thread
import sklearn.linear_model
import torch
from _timing import options, quartiles, save, show_sides, verdict
from threadpoolctl import threadpool_info, threadpool_limits

from sweeper import launch, load_grid
from w2s.laws.gaussian import GEOMETRY, Geometry, latent_factor
from w2s_kernels import NUMPY

HERE = Path(__file__).resolve().parent
GRID = HERE / "reference.yaml"
BARS = {"cells per second": 1e5, "scikit-learn": 1000.0, "batched": 20.0}


def ours(out: Path) -> float:
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    outcome = launch(GRID, executor="inline", out=out)
    seconds = time.perf_counter() - start
    assert outcome.exit == 0
    assert outcome.computed == load_grid(GRID).cells
    return seconds


def from_the_shell(out: Path) -> float:
    """Seconds of the command in a process of its own."""
    shutil.rmtree(out, ignore_errors=True)
    command = [Path(sys.executable).parent / "w2s-sweep", "launch", GRID, "--executor", "inline", "--out", out]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


class Rows:
    """Rows in memory for the peers: weak and strong features and noisy labels of one seed at the largest sizes."""

    def __init__(self, seed: int, axes: dict[str, list[Any]], d_strong: int, overlap: int, noise: float) -> None:
        rng = np.random.default_rng(seed)
        d_weak, n, m = max(axes["d_weak"]), max(axes["n_labeled"]), max(axes["n_transfer"])

        def features(rows: int) -> tuple[np.ndarray, np.ndarray]:
            weak, strong = rng.standard_normal((rows, d_weak)), rng.standard_normal((rows, d_strong))
            weak[:, :overlap] = strong[:, :overlap]
            return weak, strong

        self.weak, strong = features(n)
        self.labels = strong[:, :overlap].sum(axis=1) / np.sqrt(overlap) + noise * rng.standard_normal(n)
        self.weak_transfer, self.strong_transfer = features(m)
        self.weak_test, self.strong_test = features(2000)


def sklearn_cell(rows: Rows, d_weak: int, n: int, m: int, ridge: float) -> float:
    """One cell as one writes it: fit the teacher, label, fit the student, measure both on test rows."""
    teacher = sklearn.linear_model.LinearRegression(fit_intercept=False).fit(rows.weak[:n, :d_weak], rows.labels[:n])
    labels = teacher.predict(rows.weak_transfer[:m, :d_weak])
    student = sklearn.linear_model.Ridge(alpha=ridge * m, fit_intercept=False).fit(rows.strong_transfer[:m], labels)
    gap = student.predict(rows.strong_test) - teacher.predict(rows.weak_test[:, :d_weak])
    return float(np.mean(gap**2))


class Stacked:
    """Rows of several seeds as the batched peer wants them, a tensor each."""

    def __init__(self, rows: list[Rows]) -> None:
        names = ("weak", "labels", "weak_transfer", "strong_transfer")
        self.weak, labels, self.weak_transfer, self.strong_transfer = (
            torch.stack([torch.from_numpy(getattr(r, name)) for r in rows]) for name in names
        )
        self.labels = labels[..., None]


def batched_peer(rows: Stacked, overlap: int, d_weak: int, n: int, m: int, ridges: np.ndarray) -> Any:
    """Misfits of all seeds and ridges of one (width, count, count) at once; Grams are formed anew, nothing is kept."""
    weak, labels = rows.weak[:, :n, :d_weak], rows.labels[:, :n]
    theta = torch.cholesky_solve(weak.mT @ labels, torch.linalg.cholesky(weak.mT @ weak))
    strong, taught = rows.strong_transfer[:, :m], rows.weak_transfer[:, :m, :d_weak] @ theta
    gram, rhs = strong.mT @ strong / m, strong.mT @ taught / m
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype)
    systems = gram[:, None] + torch.from_numpy(ridges)[None, :, None, None] * eye
    students = torch.cholesky_solve(rhs[:, None].expand(-1, len(ridges), -1, -1), torch.linalg.cholesky(systems))
    joined = torch.zeros(*students.shape[:2], weak.shape[-1] + students.shape[-2], dtype=gram.dtype)
    joined[..., : students.shape[-2]] = students[..., 0]
    shared = min(overlap, d_weak)  # of these features both have the same
    joined[..., :shared] -= theta[:, None, :shared, 0]
    joined[..., students.shape[-2] + shared :] = -theta[:, None, shared:, 0]
    return (joined**2).sum(-1)


def check(out: Path, grid: Any, every: int = 100) -> float:
    """Largest relative difference of errors between the table and plain least squares on the same second moments."""
    import pandas as pd

    table = pd.read_parquet(out / "results").sort_values("cell_id").iloc[::every]
    fixed = grid.parts[0].block.fixed
    apart = []
    for (seed, n, m), part in table.groupby(["seed", "n_labeled", "n_transfer"]):
        widest, d = max(grid.axes()["d_weak"]), fixed["d_strong"]
        labeled, transfer = (latent_factor(r, seed, [c], d, widest, NUMPY)[0] for r, c in (("labeled", n), ("transfer", m)))
        for row in part.itertuples():
            geometry = Geometry(**{name: getattr(row, name) for name in GEOMETRY})
            keep = np.concatenate([np.arange(d + row.d_weak), [-2, -1]])
            target = np.append(geometry.target(), 0.0)
            label = np.append(geometry.target(), row.noise)
            weak_map = np.pad(geometry.weak_map(), ((0, 0), (0, 1)))
            weak = weak_map.T @ np.linalg.lstsq(labeled[:, keep] @ weak_map.T, labeled[:, keep] @ label, rcond=None)[0]
            features = transfer[:, :d]
            gram = features.T @ features / m + row.ridge * np.eye(d)
            student, strong, ceiling = (np.zeros_like(weak) for _ in range(3))
            student[:d] = np.linalg.solve(gram, features.T @ (transfer[:, keep] @ weak) / m)
            ceiling[:d] = np.linalg.solve(gram, features.T @ (transfer[:, keep] @ label) / m)
            few = labeled[:, :d]
            strong[:d] = np.linalg.solve(few.T @ few / n + row.ridge * np.eye(d), few.T @ (labeled[:, keep] @ label) / n)
            models = {"weak_error": weak, "student_error": student, "strong_error": strong, "ceiling_error": ceiling}
            exact = {name: model - target for name, model in models.items()} | {"misfit": student - weak}
            scale = max(row.weak_error, row.student_error)
            apart += [abs(getattr(row, name) - v @ v) / scale for name, v in exact.items()]
    return float(np.max(apart))  # not the built-in: a NaN must come through


def main() -> None:
    asked = options(__doc__, "fewer repetitions and fewer sampled cells").parse_args()
    repeats, sampled = (3, 6) if asked.quick else (11, 24)
    grid = load_grid(GRID)
    axes, cells = grid.axes(), grid.cells
    fixed = grid.parts[0].block.fixed
    rows = [Rows(seed, axes, fixed["d_strong"], int(fixed["d_overlap"]), fixed["noise"]) for seed in range(4)]
    combinations = list(itertools.product(axes["d_weak"], axes["n_labeled"], axes["n_transfer"]))
    rng = np.random.default_rng(0)
    chosen = [combinations[k] for k in rng.permutation(len(combinations))[:sampled]]
    ridges, overlap = np.array(axes["ridge"]), int(fixed["d_overlap"])
    seconds: dict[str, list[float]] = {"ours": [], "scikit-learn": [], "batched": []}
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        torch.set_num_threads(1)
        stacked = Stacked(rows)
        out = Path(folder) / "run"
        ours(out)
        together = float(batched_peer(stacked, overlap, *chosen[0], ridges)[0, -1])
        np.testing.assert_allclose(together, sklearn_cell(rows[0], *chosen[0], ridge=ridges[-1]), rtol=0.2)  # 2000 test rows
        # Torch answers for its own OpenMP library, whose default for new regions is not what Torch uses.
        others = [library for library in threadpool_info() if "torch" not in library["filepath"]]
        assert all(library["num_threads"] == 1 for library in others), others
        assert torch.get_num_threads() == 1
        wall, cpu = time.perf_counter(), time.process_time()
        batched_peer(stacked, overlap, *chosen[0], ridges)
        sklearn_cell(rows[0], *chosen[0], ridge=ridges[-1])
        assert time.process_time() - cpu < 1.2 * (time.perf_counter() - wall), "a peer has more than one thread"
        for _ in range(repeats):
            seconds["ours"].append(ours(out) / cells)
            start = time.perf_counter()
            for combination in chosen:
                sklearn_cell(rows[0], *combination, ridge=float(rng.choice(ridges)))
            seconds["scikit-learn"].append((time.perf_counter() - start) / len(chosen))
            start = time.perf_counter()
            for combination in chosen:
                batched_peer(stacked, overlap, *combination, ridges)
            seconds["batched"].append((time.perf_counter() - start) / (len(chosen) * len(rows) * len(ridges)))
        worst = check(out, grid)
        shell = [from_the_shell(out) for _ in range(3)]
    spent = {name: quartiles(values) for name, values in seconds.items()}
    base = spent["ours"][1]
    print(f"{cells:,} cells, {repeats} turns; one cell in a hundred against plain NumPy: {worst:.1e} of the larger error")
    show_sides(spent, {name: f"x {values[1] / base:.1f}" for name, values in spent.items()}, 1e6, "microseconds a cell")
    print(f"  from the shell: {np.median(shell):.2f} s, {cells / np.median(shell):,.0f} cells a second")
    results = {"cells per second": 1 / base} | {name: spent[name][1] / base for name in ("scikit-learn", "batched")}
    for name, bar in () if asked.quick else BARS.items():
        unit = "per second" if name == "cells per second" else "x"
        verdict(f"reference grid: {name}", results[name], bar, unit=unit, at_least=True)
    assert worst <= 1e-9, f"one cell in a hundred differs by {worst:.1e}"
    save(asked.json, {"results": results, "worst": worst, "seconds": seconds})


if __name__ == "__main__":
    main()
