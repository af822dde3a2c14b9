"""Probes on real features: the quickstart's grid by `launch --executor inline`, against what a user would write.

Ours: the whole launch in this process, features, identities and Parquet included, on some of the grid's seeds. Peers get
features and rows that are ready, and solve the cells of one seed: the careful script (`careful.py`); scikit-learn cell by cell,
and with one SVD by hand that all ridges share; himalaya, all teachers as targets of one call for each ridge; JAX, one compiled
function for all teachers, by `eigh` for all filters or by a `vmap` of Cholesky solves over the ridges. JAX and himalaya fit and
measure students alone, on test rows alone, of teachers that are ready; "ours, students alone" does that work and no more, with
the probes of the study. One thread, processor time, in turns. The errors of the careful script are compared with our rows.
"""

from __future__ import annotations

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  only libraries that are loaded are limited to one thread
import yaml
from _timing import interleaved, one_core, options, quartiles, save, show_sides, verdict
from careful import seed_cells
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from sweeper import launch, load_grid
from w2s.laws.feature_maps import feature_matrix
from w2s.laws.table import load_table, split_rows
from w2s.probes.gram_rows import fit_rows
from w2s_kernels import NUMPY, Backend, prediction_errors, spectral
from w2s_kernels.loops import choose_kept

GRID = Path(__file__).resolve().parent.parent / "configs" / "quickstart.yaml"
BARS = {"careful script": 3.0, "scikit-learn, cell by cell": 50.0, "himalaya": 3.0, "jax": 3.0}


class Seed:
    """Features and rows of one seed of the grid, and its axes."""

    def __init__(self, grid: dict[str, Any], seed: int) -> None:
        fixed, axes = grid["fixed"], grid["grids"][0]["axes"]
        self.table = load_table(load_grid(grid).parts[0].block.fixed["data"], None, "classification", None)
        drawn: dict[str, Any] = {"seed": seed, "backend": NUMPY}
        self.strong = feature_matrix("relu", self.table, width=fixed["d_strong"], role="strong", **drawn)
        widest = {d: feature_matrix("relu", self.table, width=d, role="weak", **drawn) for d in axes["d_weak"]}
        self.weak: dict[Any, np.ndarray] = {
            **widest,
            "of_strong": feature_matrix("of_strong", self.table, width=50, role="weak", strong=self.strong, **drawn),
            "means": feature_matrix("means:8", self.table, width=None, role="weak", **drawn),
        }
        counts = {name: fixed[name] for name in ("n_transfer", "n_validation", "n_test")}
        rows = split_rows(self.table, n_labeled=max(axes["n_labeled"]), split=None, **counts, **drawn)
        self.rows = {name: getattr(rows, name) for name in ("labeled", "transfer", "validation", "test")}
        self.ridges, self.times = 10.0 ** np.linspace(-6, 0, 13), 10.0 ** np.linspace(0, 6, 13)
        self.counts = axes["n_labeled"]
        self.teachers = [(d, n, w) for d in widest for n in self.counts for w in (*axes["ridge_weak"], "tuned")]

    @property
    def filters(self) -> list[tuple[str, float]]:
        return [("ridge", v) for v in self.ridges] + [("flow", v) for v in self.times]

    def labels(self, which: int) -> np.ndarray:
        """Outputs of a teacher on all rows: the first, without a ridge, by least squares."""
        name, n, ridge = self.teachers[which]
        X, Y = self.weak[name][self.rows["labeled"][:n]], self.table.targets[self.rows["labeled"][:n]]
        if ridge in (0, "tuned"):
            return self.weak[name] @ np.linalg.lstsq(X, Y, rcond=None)[0]
        return self.weak[name] @ np.linalg.solve(X.T @ X / n + ridge * np.eye(X.shape[1]), X.T @ Y / n)


def careful(data: Seed) -> dict[Any, Any]:
    """All cells of a seed, controls included."""
    shared = (data.strong, data.weak, data.table.targets, data.rows)
    cells = seed_cells(*shared, data.teachers, ("soft", "hard"), data.filters)
    for name, filters in (("of_strong", [("ridge", 1e-12)]), ("means", [("ridge", v) for v in (1e-8, 1e-6, 1e-4)])):
        cells |= seed_cells(*shared, [(name, n, 0) for n in data.counts], ("soft",), filters)
    return cells


def sklearn_cell(data: Seed, which: int, ridge: float) -> float:
    """One cell as one writes it: teacher, student, strong baseline and ceiling, each fitted and measured on test rows."""
    name, n, _ = data.teachers[which]
    rows, Y = data.rows, data.table.targets
    few, many, test = rows["labeled"][:n], rows["transfer"], rows["test"]

    def fit(X: np.ndarray, T: np.ndarray, strength: float) -> Ridge:
        return Ridge(alpha=strength * len(X), fit_intercept=False).fit(X, T)

    teacher = fit(data.weak[name][few], Y[few], 1e-3)
    student = fit(data.strong[many], teacher.predict(data.weak[name][many]), ridge)
    anchors = [fit(data.strong[part], Y[part], ridge) for part in (few, many)]
    outputs = [model.predict(data.strong[test]) for model in (student, *anchors)] + [teacher.predict(data.weak[name][test])]
    squared = [((out - Y[test]) ** 2).sum(axis=1).mean() for out in outputs]
    wrong = [(out.argmax(axis=1) != Y[test].argmax(axis=1)).mean() for out in outputs]
    return float(squared[0] + 0.0 * wrong[0])


def sklearn_with_svd(data: Seed, teachers: int = 2) -> int:
    """One SVD by hand, which scikit-learn's ridges see as their features: cells of some teachers, their number returned."""
    rows, Y = data.rows, data.table.targets
    U, sigma, Vt = np.linalg.svd(data.strong[rows["transfer"]], full_matrices=False)
    turned, test = U * sigma, data.strong[rows["test"]] @ Vt.T
    for which in range(teachers):
        labels = data.labels(which)[rows["transfer"]]
        for ridge in data.ridges:
            out = Ridge(alpha=ridge * len(U), fit_intercept=False).fit(turned, labels).predict(test)
            _measured(out, Y[rows["test"]])
    return teachers * len(data.ridges)


def _measured(out: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared and 0-1 errors of outputs (..., m, k)."""
    squared = ((out - truth) ** 2).sum(axis=-1).mean(axis=-1)
    return squared, (out.argmax(axis=-1) != truth.argmax(axis=-1)).mean(axis=-1)


class Together:
    """Arrays of a seed as peers with many targets want them: labels of all teachers and rules side by side."""

    def __init__(self, data: Seed) -> None:
        soft = [data.labels(which) for which in range(len(data.teachers))]
        hard = [np.eye(10)[out.argmax(axis=1)] for out in soft]
        rows = data.rows
        self.X = data.strong[rows["transfer"]]
        self.Y = np.hstack(soft + hard)[rows["transfer"]]
        self.T = data.strong[np.concatenate([rows["test"], rows["validation"]])]
        self.truth, self.tested = data.table.targets[rows["test"]], len(rows["test"])
        self.ridges, self.times = data.ridges, data.times


def himalaya_side(data: Together, ridges: np.ndarray) -> np.ndarray:
    """Squared errors (ridges, targets / 10) of ridge students: one call for each ridge, all targets in it."""
    from himalaya.ridge import solve_ridge_svd

    found = []
    for ridge in ridges:
        out = data.T @ solve_ridge_svd(data.X, data.Y, alpha=ridge * len(data.X), warn=False)
        by_model = np.moveaxis(out.reshape(len(out), -1, 10), 1, 0)
        found.append(_measured(by_model[:, : data.tested], data.truth)[0])
    return np.array(found)


def ours_alone(data: Together, backend: Backend) -> np.ndarray:
    """Squared and 0-1 errors (targets / 10, 2, filters) of students under all filters: what the JAX function computes."""
    filters = spectral.concat(spectral.ridge(data.ridges), spectral.flow(data.times))
    probe = fit_rows(data.X, "none", backend).serving(filters)
    basis, projected, none, found = probe.basis(data.T), probe.project(data.Y), np.zeros(10), []
    for start in range(0, data.Y.shape[1], 10):
        scores = probe.filtered(projected.columns(start, start + 10), filters).by_row(basis)[: data.tested]
        errors = prediction_errors(scores, none, data.truth, data.truth, data.truth, backend)
        found.append((errors.squared, errors.wrong))
    return np.array(found)


def jax_sides(data: Together) -> dict[str, Callable[[], Any]]:
    """Compiled students of all teachers, measured on test rows: by eigenvectors for all filters, by solves for the ridges."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    n, truth, tested = len(data.X), jnp.asarray(data.truth), data.tested

    def measured(out: Any) -> Any:
        models = out.reshape(out.shape[0], -1, 10)[:tested]
        squared = ((models - truth[:, None]) ** 2).sum(axis=(0, 2)) / tested
        return squared, (models.argmax(axis=-1) != truth.argmax(axis=-1)[:, None]).mean(axis=0)

    def by_eigh(X: Any, Y: Any, T: Any, ridges: Any, times: Any) -> Any:
        s, V = jnp.linalg.eigh(X.T @ X / n)
        c, basis = V.T @ (X.T @ Y) / n, T @ V
        responses = jnp.concatenate([1 / (s + ridges[:, None]), -jnp.expm1(-times[:, None] * s) / s])
        return jax.lax.map(lambda response: measured(basis @ (response[:, None] * c)), responses)

    def by_solve(X: Any, Y: Any, T: Any, ridges: Any) -> Any:
        gram, rhs = X.T @ X / n, X.T @ Y / n
        solve = jax.vmap(
            lambda ridge: jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(gram + ridge * jnp.eye(len(gram))), True), rhs)
        )
        return jax.vmap(lambda found: measured(T @ found))(solve(ridges))

    arrays = [jnp.asarray(a) for a in (data.X, data.Y, data.T)]
    ridges, times, some = jnp.asarray(data.ridges), jnp.asarray(data.times), jnp.asarray(data.ridges[::6])
    eigh, solve = jax.jit(by_eigh), jax.jit(by_solve)
    return {
        "jax": lambda: jax.block_until_ready(eigh(*arrays, ridges, times)),
        "jax, solves": lambda: jax.block_until_ready(solve(*arrays, some)),
    }


def rows_of(out: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(out / "results")


def agreement(out: Path, data: Seed, filters: int) -> float:
    """Largest difference of student errors between our rows of seed 0 and the careful script, over the larger error."""
    table, apart = rows_of(out), []
    table = table[(table["seed"] == 0) & (table["weak_features"] == "relu") & (table["weak_tuning"] == "fixed")]
    for (name, n, ridge, rule), columns in careful(data).items():
        if ridge == "tuned" or name not in (100, 200):
            continue
        same = table[(table["d_weak"] == name) & (table["n_labeled"] == n) & (table["labels"] == rule)]
        same = same[same["ridge_weak"] == ridge].astype({"student_filter": str})  # a dictionary sorts by its codes
        same = same.sort_values(["student_filter", "ridge", "time"], ascending=[False, True, True])
        assert len(same) == filters
        ours = same["student_error"].to_numpy(float)
        scale = np.maximum(ours, same["weak_error"].to_numpy(float))
        apart += [np.abs(ours - columns["student"][0]) / scale, np.abs(same["misfit"] - columns["misfit"]) / scale]
    return float(np.max(apart))


def main() -> None:
    parser = options(__doc__, "one seed, two turns")
    parser.add_argument("--seeds", type=int, default=8, help="seeds of our launch (default 8 of the grid's 24)")
    asked = parser.parse_args()
    one_core()
    seeds, repeats = (1, 1) if asked.quick else (asked.seeds, 11)
    grid = yaml.safe_load(GRID.read_text()) | {"seeds": seeds}
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        out, data = Path(folder) / "run", Seed(grid, 0)

        def ours() -> None:
            shutil.rmtree(out, ignore_errors=True)
            assert launch(grid, executor="inline", out=out).exit == 0

        rng, together, backend = np.random.default_rng(0), Together(data), choose_kept("auto")
        sides: dict[str, Callable[[], Any]] = {
            "ours": ours,
            "ours, students alone": lambda: ours_alone(together, backend),
            "careful script": lambda: careful(data),
            "scikit-learn, cell by cell": lambda: [
                sklearn_cell(data, int(rng.integers(len(data.teachers))), float(rng.choice(data.ridges))) for _ in range(4)
            ],
            "scikit-learn, one SVD": lambda: sklearn_with_svd(data),
        }
        with contextlib.suppress(ImportError):
            himalaya_side(together, together.ridges[:1])
            sides["himalaya"] = lambda: himalaya_side(together, rng.choice(together.ridges, 1))
        with contextlib.suppress(ImportError):
            sides |= jax_sides(together)
        ours()
        students = together.Y.shape[1] // 10
        cells = {
            "ours": len(rows_of(out)),
            "ours, students alone": students * len(data.filters),
            "careful script": len(data.teachers) * 2 * len(data.filters) + 8,
            "scikit-learn, cell by cell": 4,
            "scikit-learn, one SVD": 2 * len(data.ridges),
            "himalaya": students,
            "jax": students * len(data.filters),
            "jax, solves": students * 3,
        }
        worst = agreement(out, data, len(data.filters))
        seconds = {name: values / cells[name] for name, values in interleaved(sides, repeats, time.process_time).items()}
    spent = {name: quartiles(values) for name, values in seconds.items()}
    base = spent["ours"][1]
    print(f"{cells['ours']:,} cells of ours, {repeats} turns; against the careful script {worst:.1e} of the larger error")
    show_sides(spent, {name: f"x {values[1] / base:.2f}" for name, values in spent.items()}, unit="ms a cell")
    results = {name: spent[name][1] / base for name in spent if name != "ours"}
    for name, bar in () if asked.quick else BARS.items():
        if name in results:
            verdict(f"quickstart's grid: {name}", results[name], bar, at_least=True)
    assert worst <= 1e-9, f"errors differ by {worst:.1e}"
    save(asked.json, {"results": results, "worst": worst, "seconds": {name: list(values) for name, values in seconds.items()}})


if __name__ == "__main__":
    main()
