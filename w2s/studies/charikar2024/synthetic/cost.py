"""What a block of the synthetic study computes: distinct pieces of work, with their nominal operations.

The account follows :mod:`w2s.studies.charikar2024.synthetic.solve` step by step. A trial is what shares inputs: all tasks of a
seed under ``sampling: per_seed``, one task otherwise. Sizes go in as sums over all that occur with one set of networks, so an
account costs no more where a grid has thousands of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.study import Kind, Piece
from w2s.sharing.nominal import CALLS, MOVED, NORMAL_FLOPS
from w2s.studies.charikar2024.synthetic.networks import NETWORKS, Recipe, recipes
from w2s.studies.fields import asked_levels, occurring
from w2s_kernels import flops

__all__ = ["HEAD", "SIZES", "block_bytes", "block_pieces"]

Level = Mapping[str, Any]
Numbers = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.bool_]

SIZES = ("n_labeled", "n_transfer", "n_test", "n_validation", "sampling")
HEAD = ("head", "steps", "step_size", "sparsity", "head_epochs", "head_learning_rate", "head_batch")

FITS = 4.0
"""Weak head, student, strong baseline and ceiling."""
EVALUATIONS = 40.0
"""Function values in the fit of one ReLU head, of at most 200 iterations."""
EVALUATED = 6.0
"""Passes over the rows for each, besides the products with the features."""
ERRORS = 10.0
"""Passes over the outputs of a view: three squared errors, the cross term, two anchors, the power of the labels."""
HEAD_CALLS, VIEW_CALLS = 20.0, 10.0
"""Sets of array calls of one trial: what is fitted under a head, and what is measured in a view."""

_ALL = ("task", *SIZES, *HEAD, "evaluate")
_OWN = {"weak": "depth_strong", "strong": "depth_weak"}
_VIEWS = "a view measures models that are fitted"
_LONG = 512.0
"""Length of vectors from which on the rate of passes over them is the same."""


class _Sizes:
    """Counts of a block's levels; sizes as one array for each number, (sizes,)."""

    def __init__(self, block: Block) -> None:
        self.seeds, self.tasks = len(block.values("seed")), len(block.values("task"))
        networks, sizes, heads = (block.group(*names) for names in (NETWORKS, SIZES, HEAD))
        self.networks, self.heads, self.views = networks.levels, heads.levels, block.values("evaluate")
        self.asked = occurring(block, networks, sizes, heads)
        self.labeled, self.transfer, self.test, self.validation = (
            np.array(sizes.values(name), dtype=np.float64) for name in SIZES[:4]
        )
        self.rows = self.labeled + self.transfer + self.test + self.validation
        self.per_seed = np.array([sampling == "per_seed" for sampling in sizes.values("sampling")])

    @property
    def measured(self) -> Numbers:
        """Rows on which student and anchors are measured, over all views: (sizes,)."""
        return np.asarray(sum(self.test if view == "fresh" else self.transfer for view in self.views))


class _Trials:
    """The trials of one set of networks that draw inputs alike: once for all tasks, or for every task."""

    def __init__(self, sizes: _Sizes, number: int, shared: bool) -> None:
        self.sizes, self.level, self.shared = sizes, sizes.networks[number], shared
        self.asked: Chosen = sizes.asked[number] & (sizes.per_seed == shared)[:, None]
        self.width, self.truth = float(self.level["width"]), recipes(self.level)[0]
        # Each size is drawn and factored so many times, for this many tasks together.
        self.repeats, self.tasks = (sizes.seeds, sizes.tasks) if shared else (sizes.seeds * sizes.tasks, 1)

    def over(self, rows: Numbers, chosen: Chosen) -> float:
        """Count the rows of all chosen sizes, in every trial."""
        return float(self.repeats * rows[chosen].sum())

    def count(self, chosen: Chosen) -> float:
        """Count the trials of the chosen sizes."""
        return float(self.repeats * chosen.sum())

    def piece(self, name: str, kind: Kind, count: float, work: float, order: float, serves: tuple[str, ...], why: str) -> Piece:
        """Make a piece of work.

        Where every task has inputs of its own, the name says so, and the piece does not serve several tasks.
        """
        if not self.shared:
            name, serves = f"{name}, by task", tuple(field for field in serves if field != "task")
        return Piece(name, kind, count, work, serves, why if serves else "", order)


def block_pieces(block: Block) -> list[Piece]:
    """List the pieces of a block. Cost: O(networks x heads + sizes), whatever the number of tasks and seeds."""
    sizes = _Sizes(block)
    found = [*_networks(sizes)]
    for number, shared in np.ndindex(len(sizes.networks), 2):
        trials = _Trials(sizes, number, bool(shared))
        if trials.asked.any():
            found += [*_samples(trials), *_designs(trials), *_heads(trials)]
    return _merged(found)


def block_bytes(block: Block) -> float:
    """Count the bytes that a block holds: inputs, features and outputs of one trial, the rows of every pretraining."""
    width, inputs = float(max(block.values("width"))), float(max(block.values("inputs")))
    rows = float(sum(max(block.values(name)) for name in SIZES[:4]))
    trained = max((recipe.rows for level in asked_levels(block, *NETWORKS) for recipe in recipes(level)), default=0.0)
    kept = len(block.values("seed")) * trained * (inputs + 3.0 * width)
    return 8.0 * (rows * (3.0 * width + 12.0 * len(block.values("task"))) + kept)


def _merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Merge the pieces of the same name and order."""
    found: dict[tuple[Any, ...], tuple[float, float]] = {}
    for piece in pieces:
        key = (piece.name, piece.kind, piece.serves, piece.why, piece.order)
        count, work = found.get(key, (0.0, 0.0))
        found[key] = count + piece.count, work + piece.flops
    return [
        Piece(name, kind, count, work, serves, why, order)
        for (name, kind, serves, why, order), (count, work) in found.items()
        if work
    ]


def _networks(sizes: _Sizes) -> Iterator[Piece]:
    """Yield the networks of every seed: drawn, perturbed or trained once, whatever is finetuned on them."""
    asked = sizes.asked.any(axis=(1, 2))
    made = dict.fromkeys(recipe for n in np.flatnonzero(asked) for recipe in recipes(sizes.networks[n]))
    for recipe in made:
        drawn = CALLS * sizes.seeds * recipe.depth
        why = "networks belong to a seed"
        yield Piece("random weights and noise on them", "elementwise", sizes.seeds, drawn, _ALL, why, _LONG)
        if recipe.rows:
            yield from _pretraining(recipe, sizes.seeds)


def _pretraining(recipe: Recipe, seeds: int) -> Iterator[Piece]:
    """Yield the rows of the truth's tasks, and one network trained on them for each seed."""
    _, width, inputs = recipe.shape
    rows, serves = seeds * recipe.rows, (*_ALL, _OWN[recipe.role])
    role, why = recipe.role, "all finetuning tasks start from one pretrained network"
    yield Piece(f"inputs of the {role} pretraining", "normals", rows, NORMAL_FLOPS * rows * inputs, serves, why, inputs)
    labels = _forward(rows, recipe.truth)
    yield Piece(f"labels of the {role} pretraining", "gemm", rows, labels, serves, why, width)
    yield Piece(f"pretraining of the {role} network", "descent", seeds, seeds * recipe.flops, serves, why, width)


def _forward(rows: float, recipe: Recipe) -> float:
    """Count the operations of a pass of rows through a network."""
    _, width, inputs = recipe.shape
    return flops.gemm(rows, inputs, width) + flops.gemm(rows, width, width, recipe.depth - 1)


def _samples(trials: _Trials) -> Iterator[Piece]:
    """Yield the inputs of every sample, and their features from the three networks."""
    sizes, chosen = trials.sizes, np.asarray(trials.asked.any(axis=1))
    rows, inputs = trials.over(sizes.rows, chosen), trials.level["inputs"]
    samples = trials.repeats * float((3.0 + (sizes.validation[chosen] > 0)).sum())
    serves = ("task", *HEAD, "evaluate")
    why = f"{'all tasks, heads and views' if trials.shared else 'heads and views of a task'} use one sample"
    yield trials.piece("inputs of the samples", "normals", samples, NORMAL_FLOPS * rows * inputs, inputs, serves, why)
    work = sum(_forward(rows, recipe) for recipe in recipes(trials.level))
    yield trials.piece("features of the samples", "gemm", 3.0 * samples, work, trials.width, serves, why)


def _designs(trials: _Trials) -> Iterator[Piece]:
    """Yield the factorisations of labelled rows (weak and strong features) and of transfer rows.

    Descent has standardised ones.
    """
    sizes, width = trials.sizes, trials.width
    stepped = np.array([head["head"] == "descent" for head in sizes.heads])
    serves, why = ("task", *HEAD, "evaluate"), "any targets can be fitted from one factorisation"
    for name, those in (("centred", ~stepped), ("standardised", stepped)):
        chosen = np.asarray((trials.asked & those).any(axis=1))
        rows, count = trials.over(2.0 * sizes.labeled + sizes.transfer, chosen), 3.0 * trials.count(chosen)
        # Rows this tall go through QR: 2 n w^2 operations for R, and the way back, products that are twice as fast.
        work = 4.0 * rows * width**2 + 20.0 * count * width**3
        yield trials.piece(f"SVD of {name} features", "qr", count, work, width, serves, why)


def _heads(trials: _Trials) -> Iterator[Piece]:
    """Yield the fits of four models under every head, their outputs, and their errors in every view."""
    for number, head in enumerate(trials.sizes.heads):
        chosen = trials.asked[:, number]
        if chosen.any():
            yield from _fits(trials, head, chosen)
            yield from _measured(trials, chosen)


def _measured(trials: _Trials, chosen: Chosen) -> Iterator[Piece]:
    """Yield the outputs of the fitted models and their errors, under one head."""
    sizes, width, views = trials.sizes, trials.width, len(trials.sizes.views)
    count = trials.count(chosen)
    work = _outputs(trials, trials.over(sizes.rows + sizes.transfer, chosen))
    yield trials.piece("weak labels of the samples", "gemm", count, work, width, ("evaluate",), _VIEWS)
    work = _outputs(trials, trials.over(3.0 * sizes.measured + sizes.validation, chosen))
    yield trials.piece("outputs of student and anchors", "gemm", 3.0 * count * views, work, width, (), "")
    errors, each = count * trials.tasks * views, trials.over(sizes.measured, chosen) * trials.tasks
    yield trials.piece("errors of the tasks", "elementwise", errors, ERRORS * MOVED * each, _LONG, (), "")
    steps = count * (HEAD_CALLS + VIEW_CALLS * views)
    yield trials.piece("steps of array calls", "elementwise", steps, CALLS * steps, _LONG, ("task",), "arrays hold all tasks")


def _outputs(trials: _Trials, rows: float) -> float:
    """Count the operations of rows in the basis of a factorisation, and of their products with the heads of every task."""
    width, tasks = trials.width, trials.tasks
    return flops.gemm(rows, width, width + tasks) + MOVED * rows * (width + tasks)


def _fits(trials: _Trials, head: Level, chosen: Chosen) -> Iterator[Piece]:
    """Yield what a class of heads costs beyond the factorisation of the features."""
    sizes, width, name = trials.sizes, trials.width, head["head"]
    rows, trained = trials.over(2.0 * sizes.labeled + 2.0 * sizes.transfer, chosen) * trials.tasks, FITS * trials.count(chosen)
    models = trained * trials.tasks

    def piece(name: str, kind: Kind, count: float, work: float, order: float) -> Piece:
        return trials.piece(name, kind, count, work, order, ("evaluate",), _VIEWS)

    yield piece("targets in the basis of the features", "gemm", models, flops.gemm(rows, width, 1) + MOVED * rows, width)
    if name == "nonnegative":
        yield piece("nonnegative heads", "elementwise", models, CALLS * models, _LONG)
    if name == "relu":
        work = EVALUATIONS * (flops.gemm(rows, width + 1, 2) + EVALUATED * MOVED * rows)
        yield piece("heads with a ReLU", "elementwise", models, work, _LONG)
    if name == "sparse":
        size = head["sparsity"]
        subsets = trained * math.comb(int(width), size)
        yield piece("SVD of subsets of features", "svd", subsets, flops.svd(width, size, subsets), size)
    if name == "all_layers":
        yield from _finetunes(trials, head, chosen, models)


def _finetunes(trials: _Trials, head: Level, chosen: Chosen, models: float) -> Iterator[Piece]:
    """Yield the copies of weak and strong network trained for each task, and their passes over the samples."""
    sizes = trials.sizes
    _, weak, strong = recipes(trials.level)
    labeled, transfer = (trials.over(n, chosen) * trials.tasks for n in (sizes.labeled, sizes.transfer))
    work = head["head_epochs"] * (weak.step(labeled) + strong.step(labeled + 2.0 * transfer))
    yield trials.piece("training of all layers", "descent", models, work, trials.width, ("evaluate",), _VIEWS)
    passed = _forward(trials.over(sizes.rows, chosen) * trials.tasks, weak)
    passed += _forward(trials.over(sizes.transfer + 3.0 * sizes.measured + sizes.validation, chosen) * trials.tasks, strong)
    yield trials.piece("samples through trained copies", "gemm", models, passed, trials.width, (), "")
