"""What the studies of this paper share: fields of a cell, samples of a block's seeds, recipes, and the account of the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Rule
from w2s.errors import FieldError
from w2s.files.datafile import DataFile
from w2s.studies.fields import asked_levels
from w2s.studies.heo2023.decoys import dimensions, draw_items, pool_size, random_decoys
from w2s.studies.heo2023.networks import METHODS, Recipe, Sample, Tested

__all__ = [
    "RULES",
    "STRENGTHS",
    "WORLD",
    "DecoyCell",
    "check_pool",
    "network_flops",
    "recipe",
    "sample",
    "test_flops",
    "tested",
]

Whole = npt.NDArray[np.int64]
Level = Mapping[str, Any]
STRENGTHS = ("penalty", "radius")
WORLD = ("law", "images", "labels", "side", "decoys", "decoy_noise", "spread", "n_labeled", "n_test")
_IMAGES: list[Any] = ["digits", "mnist"]
_COLUMNS: list[Any] = ["toy", "table"]


class DecoyCell(Cell):
    """Where inputs come from, and how all networks are trained."""

    law: Literal["toy", "digits", "mnist", "table"] = field("toy", description="where inputs come from")
    images: DataFile | None = field(None, description="images in the idx format of MNIST, gzip or not", when={"law": ["mnist"]})
    labels: DataFile | None = field(None, description="their labels, idx too", when={"law": ["mnist"]})
    side: Literal["random", "left"] = field(
        "random", description="half of an image that holds the decoy: one for each image, or the same", when={"law": _IMAGES}
    )
    decoys: int = field(8, description="columns with the decoy's code", unit="columns", when={"law": _COLUMNS}, ge=1, le=64)
    decoy_noise: float = field(0.05, description="standard deviation of noise on the code", when={"law": _COLUMNS}, ge=0, le=10)
    spread: float = field(0.55, description="standard deviation of class means", when={"law": ["toy"]}, gt=0, le=100)
    n_labeled: int = field(2000, description="inputs with true labels", unit="rows", ge=2, le=50_000)
    n_test: int = field(1000, description="test items, each shown with every decoy", unit="rows", ge=10, le=50_000)
    width: int = field(64, description="units in each of two hidden layers", unit="units", ge=1, le=1024)
    epochs: int = field(15, description="passes over the training inputs", ge=1, le=10_000)
    batch: int = field(64, description="inputs of a step", unit="rows", ge=1, le=10_000)
    rate: float = field(2e-3, description="step size of Adam", gt=0, le=1)
    attack_steps: int = field(3, description="steps of the attack in training", ge=1, le=100)
    growth: float = field(0.5, description="share of the training in which the boxes of ibp grow to eps", ge=0, le=1)
    box: float = field(1.0, description="eps of the boxes that networks are measured in", gt=0, le=100)


RULES = (
    Rule(
        ("law", "n_labeled", "n_test"),
        lambda law, labeled, test: (law != "table") | (labeled + test <= 569),
        "the table has 569 rows: n_labeled + n_test must not exceed them",
    ),
    Rule(
        ("law", "n_labeled", "n_test"),
        lambda law, labeled, test: (law != "digits") | (labeled + test <= 1797),
        "there are 1797 digits: n_labeled + n_test must not exceed them",
    ),
)


def check_pool(block: Block, *sizes: str) -> None:
    """Raise FieldError where the samples named by ``sizes`` have more items than there are, or files are missing or wrong."""
    for level in asked_levels(block, "law", "images", "labels", *sizes):
        most, asked = pool_size(level), sum(level[name] for name in sizes)
        if most is not None and asked > most:
            raise FieldError(f"{' + '.join(sizes)} = {asked} must not exceed {most}, the items of law {level['law']!r}")


def recipe(level: Level, role: str, width: int) -> Recipe:
    """Return how networks of two hidden layers are trained in a cell."""
    rates = (float(level["rate"]), int(level["attack_steps"]), float(level["growth"]))
    return Recipe(role, (width, width), int(level["epochs"]), int(level["batch"]), *rates)


def sample(world: Level, seeds: Sequence[int], role: str, n: int, intact: bool) -> tuple[Sample, Whole]:
    """Draw inputs of a role for every seed, with their class's decoy or a random one, and the true classes (S, n)."""
    items = [draw_items(world, role, seed, n) for seed in seeds]
    shown = [
        part.shown(part.classes if intact else random_decoys(part, role, seed)) for part, seed in zip(items, seeds, strict=True)
    ]
    found = Sample(tuple(seeds), np.stack([part.inputs for part in shown]), np.stack([part.masks for part in shown]))
    return found, np.stack([part.classes for part in items])


def tested(world: Level, seeds: Sequence[int]) -> Tested:
    """Draw the test items of every seed."""
    items = [draw_items(world, "test", seed, world["n_test"]) for seed in seeds]
    shown = [part.shown(part.classes) for part in items]
    return Tested(
        np.stack([part.grid() for part in items]),
        np.stack([part.inputs for part in shown]),
        np.stack([part.masks for part in shown]),
        np.stack([part.classes for part in items]),
    )


def network_flops(level: Level, method: str, width: int, n: int) -> float:
    """Count the operations of training a network by a method on n inputs."""
    d, classes = dimensions(level)
    once = 6.0 * n * level["epochs"] * (d * width + width**2 + width * classes)
    more = {"penalty": 1.0, "attack": 2.0 / 3.0 * level["attack_steps"] + 1.0, "bound": 2.0}
    return float(once * (1.0 + sum(more[term] for term in METHODS[method])))


def test_flops(level: Level, width: int) -> float:
    """Count the operations of measuring a network: every decoy forward, six places of the attack, two passes of bounds."""
    d, classes = dimensions(level)
    return float(2.0 * level["n_test"] * (classes + 20.0) * (d * width + width**2 + width * classes))
