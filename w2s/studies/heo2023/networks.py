"""Classifiers of decoy inputs: how each method trains them, and what is measured of them.

All networks of a seed begin at the same weights and see the samples in the same order, whatever their method, so that methods
differ in nothing but their loss.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2s_kernels import NUMPY, Backend, normals, stream
from w2s_kernels.descent import forward
from w2s_kernels.robust import (
    interval_bounds,
    masked_slopes,
    train_classifiers,
    worst_inputs,
    worst_logits,
)

__all__ = [
    "MEASURES",
    "METHODS",
    "Loss",
    "Networks",
    "Recipe",
    "Sample",
    "Tested",
    "joined",
    "measured",
    "predicted",
    "trained",
]

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

METHODS: Mapping[str, tuple[str, ...]] = {
    "erm": (),
    "rrr": ("penalty",),
    "pgd": ("attack",),
    "ibp": ("bound",),
    "rrr_pgd": ("penalty", "attack"),
    "rrr_ibp": ("penalty", "bound"),
}
"""Terms that a method adds to the cross-entropy."""
MEASURES = ("error", "worst_class", "worst_pair", "intact", "attacked", "certified", "slopes")
_CHUNK = 12  # networks trained at once: what they touch in a step stays in cache
_ROWS = 20_000  # rows of a pass forward
_ASCENT = 5  # steps of the attack that networks are measured with
_NAME = "heo2023"


@dataclass(frozen=True)
class Loss:
    """A method with its strengths: ``penalty`` is lambda, ``radius`` eps; those that the method has not are ignored."""

    method: str
    penalty: float = 0.0
    radius: float = 0.0

    def strength(self, term: str) -> float:
        """Return lambda for the penalty, eps for both boxes."""
        return self.penalty if term == "penalty" else self.radius


@dataclass(frozen=True)
class Recipe:
    """What networks that are trained side by side have in common; ``role`` names their streams."""

    role: str
    widths: tuple[int, ...]
    epochs: int
    batch: int
    learning_rate: float
    attack_steps: int
    growth: float


@dataclass(frozen=True, eq=False)
class Sample:
    """Inputs and masks (S, n, d) of S seeds."""

    seeds: tuple[int, ...]
    inputs: Matrix
    masks: Matrix


@dataclass(frozen=True, eq=False)
class Networks:
    """W networks, layer by layer as in :mod:`w2s_kernels.robust`, each with the place (W,) of its seed among S seeds."""

    weights: tuple[Matrix, ...]
    biases: tuple[Matrix, ...]
    worlds: Whole

    def taken(self, chosen: Whole) -> Networks:
        """Return some of them, by place."""
        return Networks(
            tuple(W[chosen] for W in self.weights), tuple(b[chosen] for b in self.biases), np.asarray(self.worlds[chosen])
        )


@dataclass(frozen=True, eq=False)
class Tested:
    """Test items of S seeds: ``grid`` (S, count n, d) shows each with every decoy, ``intact`` (S, n, d) with its own class's.

    ``masks`` are those of the intact inputs, ``classes`` (S, n) the true ones.
    """

    grid: Matrix
    intact: Matrix
    masks: Matrix
    classes: Whole

    @property
    def count(self) -> int:
        """Count the values of a decoy."""
        return int(self.grid.shape[1] // self.classes.shape[1])


def trained(
    sample: Sample, classes: int, recipe: Recipe, losses: Sequence[Loss], worlds: Whole, labels: Whole, backend: Backend
) -> Networks:
    """Train a network for every loss, in the world (W,) and on the labels (W, n) given with it."""
    fans = (sample.inputs.shape[-1], *recipe.widths, classes)
    starts = [_start(recipe.role, fans, seed) for seed in sample.seeds]
    order = [stream(_NAME, "order", recipe.role, seed=seed) for seed in sample.seeds]
    inputs, masks = backend.asarray(sample.inputs), backend.asarray(sample.masks)
    found = [np.empty((len(losses), *shape)) for i, o in itertools.pairwise(fans) for shape in ((i, o), (o,))]
    for terms, chosen in _side_by_side(losses):
        first = [np.stack([starts[s][k] for s in worlds[chosen]]) for k in range(len(found))]
        strengths = {term: np.array([losses[k].strength(term) for k in chosen]) for term in terms}
        done = train_classifiers(
            first[::2],
            first[1::2],
            inputs,
            labels[chosen],
            masks,
            order,
            worlds=worlds[chosen],
            epochs=recipe.epochs,
            batch=recipe.batch,
            learning_rate=recipe.learning_rate,
            attack_steps=recipe.attack_steps,
            growth=recipe.growth,
            backend=backend,
            **strengths,
        )
        for table, layer in zip(found, itertools.chain(*zip(done.weights, done.biases, strict=True)), strict=True):
            table[chosen] = backend.to_numpy(layer)
    return Networks(tuple(found[::2]), tuple(found[1::2]), worlds)


def joined(*parts: Networks) -> Networks:
    """Join networks of one shape, in order."""
    layers = range(len(parts[0].weights))
    return Networks(
        tuple(np.concatenate([part.weights[k] for part in parts]) for k in layers),
        tuple(np.concatenate([part.biases[k] for part in parts]) for k in layers),
        np.concatenate([part.worlds for part in parts]),
    )


def _side_by_side(losses: Sequence[Loss]) -> Iterator[tuple[tuple[str, ...], Whole]]:
    """Yield the terms and the places of networks that are trained in one call."""
    for terms in dict.fromkeys(METHODS[loss.method] for loss in losses):
        places = np.array([k for k, loss in enumerate(losses) if METHODS[loss.method] == terms])
        for first in range(0, len(places), _CHUNK):
            yield terms, places[first : first + _CHUNK]


def _start(role: str, fans: Sequence[int], seed: int) -> list[Matrix]:
    """Draw weights of variance 1 / (3 fan_in), as PyTorch's default has it, and biases of zero."""
    found: list[Matrix] = []
    for layer, (i, o) in enumerate(itertools.pairwise(fans)):
        drawn = normals(stream(_NAME, "start", role, str(layer), seed=seed), i, o, NUMPY)
        found += [np.asarray(drawn / np.sqrt(3.0 * i)), np.zeros(o)]
    return found


def predicted(networks: Networks, inputs: Matrix, backend: Backend) -> Whole:
    """Predict classes (W, n) of inputs (S, n, d), each network those of its world."""
    found = []
    for chosen in _pieces(len(networks.worlds), inputs.shape[1]):
        some = networks.taken(chosen)
        logits = forward(some.weights, some.biases, inputs[some.worlds], backend)
        found.append(backend.to_numpy(backend.xp.argmax(logits, axis=-1)))
    return np.concatenate(found).astype(np.int64)


def measured(networks: Networks, tested: Tested, box: float, backend: Backend) -> tuple[dict[str, Matrix], Whole]:
    """Measure networks on the test items of their seeds: arrays (W,) under the names `MEASURES`, and answers (W, count n).

    ``error`` is the share of wrong classes with a decoy that says nothing, ``worst_class`` that of the worst class,
    ``worst_pair`` that of the worst class with the worst decoy, ``intact`` with the class's own decoy. ``attacked`` and
    ``certified`` are about intact inputs that may move by ``box`` where the mask is: wrong at the place that an attack finds,
    not proved right by interval bounds. ``slopes`` is the mean square length of the masked slopes of sum_c log p_c.
    """
    found: dict[str, list[Matrix]] = {name: [] for name in MEASURES}
    given = predicted(networks, tested.grid, backend)
    for chosen in _pieces(len(networks.worlds), tested.classes.shape[1]):
        some = networks.taken(chosen)
        own = tested.classes[some.worlds]
        wrong = given[chosen].reshape(len(chosen), tested.count, -1) != own[:, None, :]
        found["error"].append(wrong.mean(axis=(1, 2)))
        per = [wrong[np.arange(len(chosen)), :, :] & (own == k)[:, None, :] for k in range(tested.count)]
        sizes = np.stack([np.maximum((own == k).sum(axis=1), 1) for k in range(tested.count)], axis=1)
        pairs = np.stack([part.sum(axis=2) for part in per], axis=1) / sizes[:, :, None]
        found["worst_class"].append(pairs.mean(axis=2).max(axis=1))
        found["worst_pair"].append(pairs.max(axis=(1, 2)))
        for name, values in _boxed(some, tested, own, box, backend).items():
            found[name].append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}, given


def _boxed(some: Networks, tested: Tested, own: Whole, box: float, backend: Backend) -> dict[str, Matrix]:
    """Measure what happens to intact inputs within their boxes."""
    x, mask = tested.intact[some.worlds], tested.masks[some.worlds]
    moved = worst_inputs(some.weights, some.biases, x, own, mask, box, _ASCENT, backend)
    ends = worst_logits(*interval_bounds(some.weights, some.biases, x, box * mask, backend), own, backend)
    slopes = masked_slopes(some.weights, some.biases, x, mask, backend)
    clean = forward(some.weights, some.biases, x, backend)
    shares = {"intact": clean, "attacked": forward(some.weights, some.biases, moved, backend), "certified": ends}
    found = {
        name: (backend.to_numpy(backend.xp.argmax(logits, axis=-1)) != own).mean(axis=1) for name, logits in shares.items()
    }
    squares = backend.to_numpy(backend.xp.sum(slopes * slopes, axis=-1))
    return found | {"slopes": squares.mean(axis=1)}


def _pieces(count: int, rows: int) -> Iterator[Whole]:
    """Yield places of networks that are measured at once, on some rows each."""
    size = max(_ROWS // rows, 1)
    for first in range(0, count, size):
        yield np.arange(first, min(first + size, count))
