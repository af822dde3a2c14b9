"""The reference grid against JAX and himalaya, both used as well as they can be.

Ours is the whole launch of `reference.yaml`, as in `reference_grid`, with plan, identities and Parquet. Peers get rows that are
in memory, and both measure the misfit alone, in the population, where our rows have five errors. One thread, processor time,
in turns; one turn before the clock starts has all of JAX compiled.

JAX solves all cells of four seeds in compiled functions, seeds and counts batched by `vmap`: of each labelled count one Gram
of the widest weak features, whose leading blocks serve all widths, by batched Cholesky solves; of each transfer count one
eigendecomposition for all teachers and ridges, right-hand sides from the cross moments. A width is a call of its own: on one
thread a function of eight widths does not end in JAX 0.10 (docs/log.md). It is timed twice: with the Gram of every count formed
from its rows ("jax"), and with the sharing by hand that nested counts allow, Grams of the rows between two counts added up
("jax, nested"). Nothing of that sharing is JAX's own, so the first is what the bar is about; both are shown.

himalaya solves one ridge and all 96 teachers of a transfer count and seed in a call, on combinations of count and ridge drawn
at random; making its teachers is not charged. All ridges in one call, as further targets with a penalty each, take it more than
sixty times as long a ridge.
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
from _timing import interleaved, one_core, options, quartiles, save, show_sides, verdict
from reference_grid import GRID, Rows, ours
from threadpoolctl import threadpool_limits

from sweeper import load_grid

BAR = 20.0
SEEDS, SAMPLED = 4, 8


def jax_side(rows: list[Rows], axes: dict[str, Any], overlap: int, *, nested: bool) -> Callable[[], Any]:
    """Misfits (seeds, transfer counts, ridges, widths x labelled counts) of all cells of some seeds."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    names = ("weak", "labels", "weak_transfer", "strong_transfer")
    arrays = {name: jnp.asarray(np.stack([getattr(r, name) for r in rows])) for name in names}
    ridges, widest, counts = jnp.asarray(axes["ridge"]), max(axes["d_weak"]), axes["n_transfer"]

    def products(left: Any, right: Any, counts: list[int]) -> Any:
        """(counts, ...): left' right of the first so many rows."""
        starts = [0, *counts[:-1]] if nested else [0] * len(counts)
        found = jnp.stack([left[a:b].T @ right[a:b] for a, b in zip(starts, counts, strict=True)])
        return jnp.cumsum(found, axis=0) if nested else found

    def labelled(weak: Any, labels: Any) -> Any:
        return products(weak, weak, axes["n_labeled"]), products(weak, labels[:, None], axes["n_labeled"])

    def transfer(weak: Any, strong: Any) -> Any:
        sizes = jnp.asarray(counts, dtype=float)[:, None, None]
        return products(strong, strong, counts) / sizes, products(strong, weak, counts) / sizes

    def teachers(gram: Any, rhs: Any) -> Any:
        """(labelled counts, widest): least squares of one width."""
        return jnp.pad(jax.scipy.linalg.solve(gram, rhs, assume_a="pos")[..., 0], ((0, 0), (0, widest - gram.shape[-1])))

    def students(thetas: Any, gram: Any, cross: Any) -> Any:
        """(ridges, teachers): misfits in the population, whose features have unit second moments and share `overlap`."""
        s, V = jnp.linalg.eigh(gram)
        coords = V.T @ (cross @ thetas)
        found = jax.vmap(lambda ridge: V @ (coords / (s + ridge)[:, None]))(ridges)
        apart = found.at[:, :overlap].add(-thetas[:overlap])
        return (apart**2).sum(axis=1) + (thetas[overlap:] ** 2).sum(axis=0)

    label, draw, teach = jax.jit(jax.vmap(labelled)), jax.jit(jax.vmap(transfer)), jax.jit(jax.vmap(teachers))
    learn = jax.jit(jax.vmap(jax.vmap(students, in_axes=(None, 0, 0))))

    def side() -> Any:
        gram, rhs = label(arrays["weak"], arrays["labels"])
        fitted = [teach(gram[:, :, :d, :d], rhs[:, :, :d]) for d in axes["d_weak"]]
        thetas = jnp.concatenate(fitted, axis=1).swapaxes(1, 2)
        return learn(thetas, *draw(arrays["weak_transfer"], arrays["strong_transfer"])).block_until_ready()

    return side


def himalaya_side(rows: Rows, axes: dict[str, Any], overlap: int) -> Callable[[int, float], Any]:
    """Misfits (teachers,) of one seed, transfer count and ridge."""
    from himalaya.ridge import solve_ridge_svd

    widest, thetas = max(axes["d_weak"]), []
    moments = [(rows.weak[:n].T @ rows.weak[:n], rows.weak[:n].T @ rows.labels[:n]) for n in axes["n_labeled"]]
    for d in axes["d_weak"]:
        thetas += [np.pad(np.linalg.solve(gram[:d, :d], rhs[:d]), (0, widest - d)) for gram, rhs in moments]
    together = np.stack(thetas, axis=1)
    labels = {m: rows.weak_transfer[:m] @ together for m in axes["n_transfer"]}

    def side(m: int, ridge: float) -> Any:
        found = solve_ridge_svd(rows.strong_transfer[:m], labels[m], alpha=ridge * m)
        return (
            ((found[:overlap] - together[:overlap]) ** 2).sum(axis=0)
            + (together[overlap:] ** 2).sum(axis=0)
            + (found[overlap:] ** 2).sum(axis=0)
        )

    return side


def main() -> None:
    asked = options(__doc__, "three turns, which decide nothing").parse_args()
    repeats = 3 if asked.quick else 11
    one_core()
    grid = load_grid(GRID)
    axes, fixed = grid.axes(), grid.parts[0].block.fixed
    overlap = int(fixed["d_overlap"])
    rows = [Rows(seed, axes, fixed["d_strong"], overlap, fixed["noise"]) for seed in range(SEEDS)]
    teachers, ridges, counts = len(axes["d_weak"]) * len(axes["n_labeled"]), axes["ridge"], axes["n_transfer"]
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        sides: dict[str, Callable[[], Any]] = {"ours": lambda: ours(Path(folder) / "run")}
        cells = {"ours": grid.cells}
        with contextlib.suppress(ImportError):
            for name, nested in (("jax", False), ("jax, nested", True)):
                sides[name] = jax_side(rows, axes, overlap, nested=nested)
                cells[name] = SEEDS * len(counts) * teachers * len(ridges)
            joint = np.asarray(sides["jax"]())
            np.testing.assert_allclose(np.asarray(sides["jax, nested"]()), joint, rtol=1e-6)
        with contextlib.suppress(ImportError):
            single = himalaya_side(rows[0], axes, overlap)
            if "jax" in sides:
                np.testing.assert_allclose(single(counts[1], ridges[-1]), joint[0, 1, -1], rtol=1e-6)
            drawn = [(int(rng.choice(counts)), float(rng.choice(ridges))) for _ in range(SAMPLED)]
            sides["himalaya"] = lambda: [single(*combination) for combination in drawn]
            cells["himalaya"] = SAMPLED * teachers
        seconds = {name: values / cells[name] for name, values in interleaved(sides, repeats, time.process_time).items()}
    spent = {name: quartiles(values) for name, values in seconds.items()}
    base = spent["ours"][1]
    show_sides(spent, {name: f"x {values[1] / base:.1f}" for name, values in spent.items()}, 1e6, "microseconds a cell")
    for name in () if asked.quick else [name for name in spent if name != "ours"]:
        verdict(f"reference grid: {name}", spent[name][1] / base, BAR, at_least=True)
    save(asked.json, {name: list(values) for name, values in seconds.items()})


if __name__ == "__main__":
    main()
