"""Oh, Song and Yun 2025 on modified MNIST: patches that are images, digits that are easy and hard for a linear teacher.

The paper says that it has such an experiment, and not which digits and sizes it takes. Here the easy digits are 0 and 1, the
hard ones 2 and 3 with a random contrast (:mod:`w2s.laws.digit_patches`). Errors are 0-1 errors on images that nothing was
trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Rule
from w2s.errors import FieldError
from w2s.files.datafile import DataFile
from w2s.laws.digit_patches import load_digits
from w2s.studies.fields import asked_levels
from w2s.studies.oh2025.mnist.claims import CLAIMS
from w2s.studies.oh2025.mnist.world import DigitWorld
from w2s.studies.oh2025.patches.figures import FIGURES
from w2s.studies.oh2025.patches.networks import FIELDS
from w2s.studies.oh2025.patches.solve import World
from w2s.studies.oh2025.patches.study import COLUMNS, Patches, StudentCell
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend

__all__ = ["Mnist", "MnistCell"]

_FILES = ("images", "labels")
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
    columns: ClassVar[Mapping[str, str]] = {name: kind for name, kind in COLUMNS.items() if name not in _CLOSED}
    rules = (
        Patches.rules[0],
        Rule(
            ("n_labeled", "n_transfer"),
            lambda labeled, transfer: (labeled <= 500) & (transfer <= 1500),
            "n_labeled must not exceed 500 and n_transfer 1500: there are about 1000 images of a digit",
        ),
    )
    figures = (FIGURES[0],)
    claims = CLAIMS
    fields: ClassVar[tuple[str, ...]] = (*_FILES, *(name for name in FIELDS if name != "d"))
    example: ClassVar[Mapping[str, Any]] = {
        "images": "data:mnist_t10k/t10k-images-idx3-ubyte.gz",
        "labels": "data:mnist_t10k/t10k-labels-idx1-ubyte.gz",
        "mu": 3,
        "nu": 5,
        "sigma": 0.03,
        "n_labeled": 400,
        "teacher_rate": 0.05,
        "n_transfer": 1000,
        "rate": 1,
        "step": [5, 20, 80, 320],
    }

    def check(self, block: Block) -> None:
        """Read the files; FieldError where they are not what they are said to be."""
        if any(len(block.values(name)) > 1 for name in _FILES):
            raise FieldError("a grid has one file of images and one of labels: write a grid for each")
        load_digits(block.one("images").path, block.one("labels").path)

    def levels(self, block: Block) -> list[Mapping[str, Any]]:
        """List what the cells are, with the number of pixels as dimension."""
        found = asked_levels(block, *self.fields)
        digits = load_digits(found[0]["images"].path, found[0]["labels"].path)
        return [{**level, "d": digits.pixels} for level in found]

    def world(self, level: Mapping[str, Any], seed: int, backend: Backend) -> World:
        """Return the images of a seed."""
        return DigitWorld(load_digits(level["images"].path, level["labels"].path), seed, backend)

    def indices(self, block: Block) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002
        """Return nothing: the regimes are those of Gaussian noise."""
        return {}
