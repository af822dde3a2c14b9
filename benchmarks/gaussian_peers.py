"""The reference grid against JAX and himalaya, both used as well as they can be.

Ours is the whole launch of `reference.yaml`, as in `reference_grid`. Peers get rows that are in memory. JAX batches four seeds
by `vmap` and compiles every shape once: of each labelled count one Gram of the widest weak features, whose leading blocks serve
all widths, by Cholesky solves; of each transfer count one eigendecomposition for all teachers and ridges, errors as quadratic
forms in the known second moments. himalaya solves one ridge and all teachers of a transfer count and seed in a call; making its
teachers is not charged. Both measure the misfit alone, where our rows have five errors. One thread, processor time, in turns.
"""

from __future__ import annotations

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _timing import interleaved, options, quartiles, save, show_sides, verdict
from reference_grid import GRID, Rows, ours
from threadpoolctl import threadpool_limits

from sweeper import load_grid

BAR = 20.0
SEEDS = 4


def jax_side(rows: list[Rows], axes: dict[str, Any], overlap: int) -> Callable[[int], Any]:
    """Misfits (seeds, widths x labelled counts, ridges) of one transfer count."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    stack = {
        name: jnp.asarray(np.stack([getattr(r, name) for r in rows]))
        for name in ("weak", "labels", "weak_transfer", "strong_transfer")
    }
    ridges, widest = jnp.asarray(axes["ridge"]), max(axes["d_weak"])

    def teachers(weak: Any, labels: Any) -> Any:
        """(widest, widths): least squares of every width on the labelled rows of one count."""
        gram, rhs = weak.T @ weak, weak.T @ labels
        fitted = [jax.scipy.linalg.solve(gram[:d, :d], rhs[:d], assume_a="pos") for d in axes["d_weak"]]
        return jnp.stack([jnp.pad(theta, (0, widest - len(theta))) for theta in fitted], axis=1)

    def students(thetas: Any, weak: Any, strong: Any) -> Any:
        """(ridges, teachers): misfits in the population, whose features have unit second moments and share `overlap`."""
        s, V = jnp.linalg.eigh(strong.T @ strong / len(strong))
        coords = V.T @ (strong.T @ (weak @ thetas)) / len(strong)
        found = jax.vmap(lambda ridge: V @ (coords / (s + ridge)[:, None]))(ridges)
        apart = found.at[:, :overlap].add(-thetas[:overlap])
        return (apart**2).sum(axis=1) + (thetas[overlap:] ** 2).sum(axis=0)

    teach, learn = jax.jit(jax.vmap(teachers)), jax.jit(jax.vmap(students))

    def side(m: int) -> Any:
        thetas = [teach(stack["weak"][:, :n], stack["labels"][:, :n]) for n in axes["n_labeled"]]
        weak, strong = stack["weak_transfer"][:, :m], stack["strong_transfer"][:, :m]
        return jax.block_until_ready(learn(jnp.concatenate(thetas, axis=2), weak, strong))

    return side


def himalaya_side(rows: Rows, axes: dict[str, Any], overlap: int) -> Callable[[int, float], Any]:
    """Misfits (teachers,) of one seed, transfer count and ridge."""
    from himalaya.ridge import solve_ridge_svd

    widest, thetas = max(axes["d_weak"]), []
    for n in axes["n_labeled"]:
        for d in axes["d_weak"]:
            theta = np.linalg.lstsq(rows.weak[:n, :d], rows.labels[:n], rcond=None)[0]
            thetas.append(np.pad(theta, (0, widest - d)))
    together = np.stack(thetas, axis=1)

    def side(m: int, ridge: float) -> Any:
        labels = rows.weak_transfer[:m] @ together
        found = solve_ridge_svd(rows.strong_transfer[:m], labels, alpha=ridge * m)
        return ((found[:overlap] - together[:overlap]) ** 2).sum(axis=0) + (found[overlap:] ** 2).sum(axis=0)

    return side


def main() -> None:
    asked = options(__doc__, "three turns, which decide nothing").parse_args()
    repeats = 3 if asked.quick else 11
    grid = load_grid(GRID)
    axes, fixed = grid.axes(), grid.parts[0].block.fixed
    overlap = int(fixed["d_overlap"])
    rows = [Rows(seed, axes, fixed["d_strong"], overlap, fixed["noise"]) for seed in range(SEEDS)]
    teachers, ridges = len(axes["d_weak"]) * len(axes["n_labeled"]), len(axes["ridge"])
    counts = axes["n_transfer"]
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        sides: dict[str, Callable[[], Any]] = {"ours": lambda: ours(Path(folder) / "run")}
        cells = {"ours": grid.cells}
        with contextlib.suppress(ImportError):
            joint = jax_side(rows, axes, overlap)
            sides["jax"] = lambda: [joint(m) for m in counts]
            cells["jax"] = SEEDS * len(counts) * teachers * ridges
        with contextlib.suppress(ImportError):
            single = himalaya_side(rows[0], axes, overlap)
            sides["himalaya"] = lambda: [single(m, 1e-3) for m in counts[:2]]
            cells["himalaya"] = 2 * teachers
        seconds = {name: values / cells[name] for name, values in interleaved(sides, repeats, time.process_time).items()}
    spent = {name: quartiles(values) for name, values in seconds.items()}
    base = spent["ours"][1]
    show_sides(spent, {name: f"x {values[1] / base:.1f}" for name, values in spent.items()}, 1e6, "microseconds a cell")
    for name in () if asked.quick else [name for name in spent if name != "ours"]:
        verdict(f"reference grid: {name}", spent[name][1] / base, BAR, at_least=True)
    save(asked.json, {name: list(values) for name, values in seconds.items()})


if __name__ == "__main__":
    main()
