"""Inputs with a decoy: a part that says the class where the decoy is intact, and nothing where it is broken.

A sample's items have a content, which is what should decide, and a place for a decoy; :meth:`Items.shown` puts one there and
marks the place in a mask. A decoy is one of as many values as there are classes.

``toy``      content: `CORE` Gaussian coordinates around a mean per class; decoy: further coordinates with the code of a class
``digits``   images of 8 x 8 pixels, packaged with scikit-learn: the digit is squeezed into one half, the other one is a
             constant patch of brightness 25 k / 255, on a random side or always on the left
``mnist``    the same from files in the idx format, averaged over squares of 2 x 2 pixels
``table``    the breast cancer table of scikit-learn, standardised by column, with further columns that hold the code

Codes of classes lie evenly on [-1, 1]. Source of the images: Heo et al. 2023 as released; the toy and the table are ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError
from w2s.laws.digit_patches import read_idx
from w2s_kernels import NUMPY, normals, permutation, stream, uniforms

__all__ = ["CORE", "Items", "Shown", "dimensions", "draw_items", "pool_size", "random_decoys"]

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Level = Mapping[str, Any]
CORE = 20
"""Coordinates of the toy's content."""
_TOY_CLASSES = 4
_BRIGHTNESS = 25.0 / 255.0
_NAME = "heo2023"


@dataclass(frozen=True, eq=False)
class Shown:
    """Inputs (n, d) and masks (n, d), 1 where the decoy is."""

    inputs: Matrix
    masks: Matrix


@dataclass(frozen=True, eq=False)
class Items:
    """Items of one role: their classes (n,) in 0 .. count - 1, and ``put``, which shows them with decoys (n,)."""

    classes: Whole
    count: int
    put: Callable[[Whole], Shown]

    def shown(self, decoys: Whole) -> Shown:
        """Show every item with a decoy of its own, (n,)."""
        return self.put(decoys)

    def grid(self) -> Matrix:
        """Show every item with every decoy: inputs (count n, d), all items with decoy 0 first."""
        ways = (self.shown(np.full(len(self.classes), k)).inputs for k in range(self.count))
        return np.concatenate(list(ways))


def random_decoys(items: Items, role: str, seed: int) -> Whole:
    """Draw a decoy for every item, (n,), independent of its class."""
    drawn = uniforms(stream(_NAME, role, "decoys", seed=seed), len(items.classes), 1, NUMPY)[:, 0]
    return np.asarray((drawn * items.count).astype(np.int64))


def draw_items(level: Level, role: str, seed: int, n: int) -> Items:
    """Draw the items of a role (``labeled``, ``transfer``, ``test``).

    Items of different roles are different ones, and samples of a role are nested in n. A level holds ``law`` and the fields of
    it: ``images`` and ``labels``, ``side``, ``decoys``,
    ``decoy_noise``, ``spread``.
    """
    if level["law"] == "toy":
        return _toy(level, role, seed, n)
    contents, classes, count = _pool(level)
    order = permutation(stream(_NAME, "pool", level["law"], seed=seed), len(classes), NUMPY)
    if role == "test":
        order = order[::-1]
    first = level["n_labeled"] if role == "transfer" else 0
    chosen = order[first : first + n]
    if contents.ndim == 3:
        return _images(contents[chosen], classes[chosen], count, level["side"], role, seed)
    return Items(classes[chosen], count, _columns(contents[chosen], count, level, role, seed))


def pool_size(level: Level) -> int | None:
    """Count the items that all roles share; None for the toy, which has any number."""
    return None if level["law"] == "toy" else len(_pool(level)[1])


def dimensions(level: Level) -> tuple[int, int]:
    """Return the inputs of a network and its classes, without reading files of images."""
    fixed = {"toy": (CORE + (level["decoys"] or 0), _TOY_CLASSES), "digits": (64, 10), "mnist": (196, 10)}
    return fixed[level["law"]] if level["law"] in fixed else (30 + level["decoys"], 2)


def _toy(level: Level, role: str, seed: int, n: int) -> Items:
    means = level["spread"] * normals(stream(_NAME, "toy", "means", seed=seed), _TOY_CLASSES, CORE, NUMPY)
    drawn = uniforms(stream(_NAME, "toy", role, "classes", seed=seed), n, 1, NUMPY)[:, 0]
    classes = np.asarray((drawn * _TOY_CLASSES).astype(np.int64))
    content = means[classes] + normals(stream(_NAME, "toy", role, "content", seed=seed), n, CORE, NUMPY)
    return Items(classes, _TOY_CLASSES, _columns(content, _TOY_CLASSES, level, role, seed))


def _columns(content: Matrix, count: int, level: Level, role: str, seed: int) -> Callable[[Whole], Shown]:
    """Return what puts the code of a decoy, with noise of an item's own, into further columns."""
    n, width = len(content), level["decoys"]
    noise = level["decoy_noise"] * normals(stream(_NAME, role, "decoy noise", seed=seed), n, width, NUMPY)
    masks = np.zeros((n, content.shape[1] + width))
    masks[:, content.shape[1] :] = 1.0
    codes = np.linspace(-1.0, 1.0, count)
    return lambda decoys: Shown(np.concatenate([content, codes[decoys][:, None] + noise], axis=1), masks)


def _images(pixels: Matrix, classes: Whole, count: int, side: str, role: str, seed: int) -> Items:
    n, height, width = pixels.shape
    half = width // 2
    squeezed = pixels.reshape(n, height, half, 2).mean(axis=3)
    right = (uniforms(stream(_NAME, role, "side", seed=seed), n, 1, NUMPY)[:, 0] < 0.5) & (side == "random")
    masks = np.zeros((n, height, width))
    masks[right, :, half:], masks[~right, :, :half] = 1.0, 1.0
    digit = np.concatenate([squeezed, squeezed], axis=2) * (1.0 - masks)

    def put(decoys: Whole) -> Shown:
        patch = _BRIGHTNESS * decoys[:, None, None] * masks
        return Shown((digit + patch).reshape(n, -1), masks.reshape(n, -1))

    return Items(classes, count, put)


def _pool(level: Level) -> tuple[Matrix, Whole, int]:
    if level["law"] == "mnist":
        files = level["images"], level["labels"]
        if any(file is None for file in files):
            raise FieldError("law: mnist needs images and labels, files in the idx format")
        return _mnist(*(str(file.path) for file in files), *(file.path.stat().st_mtime_ns for file in files))
    return _packaged(level["law"])


@functools.lru_cache(maxsize=2)
def _packaged(law: str) -> tuple[Matrix, Whole, int]:
    from sklearn.datasets import load_breast_cancer, load_digits

    if law == "digits":
        found = load_digits()
        return np.asarray(found.images / 16.0), np.asarray(found.target, dtype=np.int64), 10
    values, classes = load_breast_cancer(return_X_y=True)
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0)), np.asarray(classes, dtype=np.int64), 2


@functools.lru_cache(maxsize=1)
def _mnist(images: str, labels: str, *_when: int) -> tuple[Matrix, Whole, int]:
    pixels, classes = read_idx(Path(images), 3), read_idx(Path(labels), 1)
    if len(pixels) != len(classes) or pixels.shape[1] % 2 or pixels.shape[2] % 4:
        raise FieldError(f"{images} and {labels} must have one length, and images sides of multiples of 2 and 4 pixels")
    if int(classes.max(initial=0)) > 9:
        raise FieldError(f"{labels} has labels above 9")
    count, height, width = pixels.shape
    small = pixels.reshape(count, height // 2, 2, width // 2, 2).mean(axis=(2, 4)) / 255.0
    return np.asarray(small), classes.astype(np.int64), 10
