"""The three networks of a cell: the truth, and a weak and a strong representation that come from it.

Many cells of a grid differ in one network only (a ladder of weak models has one strong one), so each is described by a recipe
and made once per block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from w2s.laws.mlp import Network, perturbed, pretrained, random_network
from w2s.sharing.nominal import TURN
from w2s_kernels import Backend, flops

__all__ = ["NETWORKS", "Networks", "Recipe", "Representations", "recipes"]

Level = Mapping[str, Any]

SHAPE = ("depth_truth", "width", "inputs")
PRETRAINING = ("epochs", "learning_rate", "batch", "input_scale")
NETWORKS = (
    *("representation", *SHAPE, "depth_weak", "depth_strong", "sigma_weak", "sigma_strong"),
    *("pretrain_tasks", "pretrain_samples", *PRETRAINING),
)
"""Cell fields that decide the networks (``input_scale`` the inputs as well)."""


@dataclass(frozen=True)
class Recipe:
    """How one network of a seed is made: the truth itself, the truth with noise, or a network trained on the truth's tasks.

    ``settings`` holds what else the making needs, by name; ``shape`` is that of the truth.
    """

    role: str
    shape: tuple[int, int, int]
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def depth(self) -> int:
        """Layers of the network."""
        return int(dict(self.settings).get("depth", self.shape[0]))

    @property
    def truth(self) -> Recipe:
        """The recipe of the network that this one comes from."""
        return Recipe("truth", self.shape)

    def step(self, rows: float) -> float:
        """Count the nominal operations of one pass of Adam over rows: forward, backward and weight products, one head."""
        _, width, inputs = self.shape
        return 3.0 * (flops.gemm(rows, inputs + 1.0, width) + flops.gemm(rows, width, width, self.depth - 1.0)) + TURN * rows

    @property
    def flops(self) -> float:
        """Nominal operations of one seed's training; none where nothing is trained."""
        return self.step(self.rows) * float(dict(self.settings).get("epochs", 0))

    @property
    def rows(self) -> float:
        """Rows that one seed's network is trained on; none where nothing is trained."""
        given = dict(self.settings)
        return float(given["tasks"] * given["samples"]) if "tasks" in given else 0.0


def recipes(level: Level) -> tuple[Recipe, Recipe, Recipe]:
    """Read the recipes of truth, weak and strong representation from a cell's fields."""
    shape = (level["depth_truth"], level["width"], level["inputs"])
    truth = Recipe("truth", shape)
    if level["representation"] == "perturbed":
        weak, strong = (Recipe(role, shape, (("sigma", level[f"sigma_{role}"]),)) for role in ("weak", "strong"))
        return truth, weak, strong
    settings = {name: level[name] for name in PRETRAINING}
    settings |= {"width": level["width"], "tasks": level["pretrain_tasks"], "samples": level["pretrain_samples"]}
    weak = Recipe("weak", shape, tuple({**settings, "depth": level["depth_weak"]}.items()))
    if level["representation"] == "realizable":
        return truth, weak, truth
    return truth, weak, Recipe("strong", shape, tuple({**settings, "depth": level["depth_strong"]}.items()))


@dataclass(frozen=True)
class Networks:
    """Truth h*, weak h_w and strong h_s, each a batch over seeds."""

    truth: Network
    weak: Network
    strong: Network

    def take(self, index: int) -> Networks:
        """Take the networks of one seed."""
        return Networks(self.truth.take(index), self.weak.take(index), self.strong.take(index))


class Representations:
    """Networks of some seeds, each made when first asked for and kept."""

    def __init__(self, seeds: Sequence[int], backend: Backend) -> None:
        self.seeds, self.backend = list(seeds), backend
        self._made: dict[Recipe, Network] = {}

    def of(self, level: Level) -> Networks:
        """Return the three networks of a cell, for all seeds."""
        return Networks(*(self._network(recipe) for recipe in recipes(level)))

    def _network(self, recipe: Recipe) -> Network:
        if recipe not in self._made:
            self._made[recipe] = self._make(recipe)
        return self._made[recipe]

    def _make(self, recipe: Recipe) -> Network:
        depth, width, inputs = recipe.shape
        if recipe.role == "truth":
            return random_network("truth", self.seeds, depth=depth, width=width, inputs=inputs, backend=self.backend)
        truth, settings = self._network(recipe.truth), dict(recipe.settings)
        if "sigma" in settings:
            return perturbed(truth, recipe.role, self.seeds, settings["sigma"], self.backend)
        return pretrained(recipe.role, truth, self.seeds, backend=self.backend, **settings)
