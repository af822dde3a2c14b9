"""Oh, Song and Yun 2025 on modified MNIST: patches that are images, digits that are easy and hard for a linear teacher.

The paper says that it has such an experiment, and not which digits and sizes it takes. Here the easy digits are 0 and 9, the
hard ones 1 and 7 with a random contrast (:mod:`w2s.laws.digit_patches`). Errors are 0-1 errors on images that nothing was
trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Rule
from w2s.errors import FieldError
from w2s.files.datafile import DataFile
from w2s.laws.digit_patches import load_digits
from w2s.laws.signal_noise import TYPES
from w2s.studies.fields import asked_levels
from w2s.studies.oh2025.mnist.claims import CLAIMS
from w2s.studies.oh2025.mnist.figures import FIGURES
from w2s.studies.oh2025.mnist.world import DigitWorld
from w2s.studies.oh2025.patches.networks import FIELDS, filters_of
from w2s.studies.oh2025.patches.solve import World
from w2s.studies.oh2025.patches.study import COLUMNS, READ, Patches, StudentCell
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend

__all__ = ["Mnist", "MnistCell"]

Level = Mapping[str, Any]
_FILES = ("images", "labels")
_SAMPLES = {"n_labeled": "labeled", "n_transfer": "transfer"}
_PIXELS = 14 * 14
_CLOSED = {"aligned_easy", "aligned_hard", "weak_tilt", "regime_theory", "benign_theory", "weak_error_theory"}
"""Columns of a law that images do not have."""


class MnistCell(StudentCell):
    """A student of images of digits."""

    images: DataFile = field(description="images in the idx format of MNIST, gzip or not")
    labels: DataFile = field(description="their labels, idx too")


class Mnist(Patches):
    """A linear teacher and a ReLU student on images of digits."""

    name = "oh2025.mnist"
    version = 1
    seeds_draw: ClassVar[SeedsDraw] = "pool"
    Cell: ClassVar[type[Cell]] = MnistCell
    summary = "Oh et al. 2025 on images of digits: a hard digit of random contrast beside an easy one (0-1 errors)"
    columns: ClassVar[Mapping[str, str]] = {
        **{name: kind for name, kind in COLUMNS.items() if name not in _CLOSED},
        "weak_rule": "double",
    }
    rules: ClassVar[tuple[Rule, ...]] = Patches.rules[:1]
    figures = FIGURES
    claims = CLAIMS
    fields: ClassVar[tuple[str, ...]] = (*_FILES, *(name for name in FIELDS if name != "d"))
    example: ClassVar[Mapping[str, Any]] = {
        "images": "data:mnist_t10k/t10k-images-idx3-ubyte.gz",
        "labels": "data:mnist_t10k/t10k-labels-idx1-ubyte.gz",
        "p_both": 0.6,
        "mu": 3,
        "nu": 5,
        "sigma": 0.05,
        "n_labeled": 400,
        "teacher_rate": 0.05,
        "n_transfer": 800,
        "rate": 2,
        "step": [5, 10, 40, 160],
    }

    def check(self, block: Block) -> None:
        """Read the files; FieldError where they are not what they are said to be, or have too few images for a sample."""
        if any(len(block.values(name)) > 1 for name in _FILES):
            raise FieldError("a grid has one file of images and one of labels: write a grid for each")
        digits = load_digits(block.one("images").path, block.one("labels").path)
        for name, role in _SAMPLES.items():
            asked, most = max(block.values(name)), digits.most(role)
            if asked > most:
                raise FieldError(f"{name}={asked} must not exceed {most}: no image of these files may come twice in a sample")

    def levels(self, block: Block) -> list[Level]:
        """List what the cells are, with the number of pixels as dimension."""
        found = asked_levels(block, *self.fields)
        digits = load_digits(found[0]["images"].path, found[0]["labels"].path)
        return [{**level, "d": digits.pixels} for level in found]

    def accounted(self, block: Block) -> list[Level]:
        """List the levels with MNIST's number of pixels, whatever the files have: a finished run may have lost them."""
        return [{**level, "d": _PIXELS, "own_patches": True} for level in asked_levels(block, *self.fields)]

    def world(self, level: Level, seed: int, backend: Backend) -> World:
        """Return the images of a seed."""
        return DigitWorld(load_digits(level["images"].path, level["labels"].path), seed, backend)

    def cost(self, block: Block) -> Cost:
        """Add the test inputs to what students of patches hold."""
        found = super().cost(block)
        held = max(_tested(level) * (2.0 * level["d"] + 4.0 * (filters_of(level) + 1.0)) for level in self.accounted(block))
        return Cost(found.flops, found.bytes + 8.0 * held)

    def test_flops(self, level: Level) -> float:
        """Count the operations of reading every patch of the test inputs."""
        student = _tested(level) + 3.0 * len(TYPES) * level["n_test"]  # the ceiling reads the test inputs too
        return float(student * (filters_of(level) + 1.0) * (2.0 * float(level["d"]) + READ))

    def indices(self, block: Block) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002
        """Return nothing: the regimes are those of Gaussian noise."""
        return {}


def _tested(level: Level) -> float:
    return 3.0 * len(TYPES) * float(level["n_test"] + level["n_validation"])
