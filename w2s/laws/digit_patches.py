"""Inputs whose patches are images of handwritten digits: an easy digit, a hard one of random contrast, and noise.

An input of label +1 may hold a 0 (easy) and a 2 (hard), one of label -1 a 1 and a 3. Images lose their mean over all digits and
get a mean squared norm of 1. A hard digit is multiplied with s = +1 or -1, so a linear reader sees nothing of it on average. In
this metric the mean images of 2 and 3 are nearly orthogonal to each other and to those of 0 and 1.

Which digits are easy and hard, and the random contrast, are a choice of ours. Files are in the idx format of MNIST, gzip or
not.
"""

from __future__ import annotations

import functools
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError
from w2s.laws.signal_noise import TYPES, Examples
from w2s_kernels import NUMPY, Backend, normals, permutation, stream, uniforms

__all__ = ["DIGITS", "ROLES", "DigitExamples", "Digits", "balanced_digits", "draw_digits", "load_digits"]

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
DIGITS = (0, 1, 2, 3)
"""The easy digits of the labels +1 and -1, then the hard ones."""
ROLES = {"labeled": (0.0, 0.2), "transfer": (0.2, 0.75), "test": (0.75, 0.9), "validation": (0.9, 1.0)}
"""Part of every digit's images, shuffled by seed, that a role takes its images from."""


@dataclass(frozen=True, eq=False)
class Digits:
    """Images of the four digits, centred, of mean squared norm 1: one (images, pixels) matrix each."""

    images: tuple[Matrix, ...]

    @property
    def pixels(self) -> int:
        """Count the pixels of an image."""
        return int(self.images[0].shape[1])


@dataclass(frozen=True, eq=False)
class DigitExamples(Examples):
    """Examples of which every patch is a row of its own; ``kinds`` (rows,): 0 an easy digit, 1 a hard one, 2 noise."""

    kinds: npt.NDArray[np.int64]


def load_digits(images: Path, labels: Path) -> Digits:
    """Read images and labels; FieldError for files that are not of the format, differ in length or lack a digit."""
    return _loaded(str(images), str(labels), images.stat().st_mtime_ns, labels.stat().st_mtime_ns)


def draw_digits(digits: Digits, role: str, seed: int, n: int, p_hard: float, p_both: float, backend: Backend) -> DigitExamples:
    """Draw n examples from the images of a role, nested in n; images are used again where a digit has too few.

    Noise patches are Gaussian of unit variance on every pixel. Cost: 2 n normals a pixel.
    """
    names = ("oh2025", "digits", role)
    kinds, y, s = uniforms(stream(*names, "kinds", seed=seed), n, 3, NUMPY).T
    types = np.where(kinds < p_hard, 1, np.where(kinds < p_hard + p_both, 2, 0))
    label, sign = (y < 0.5).astype(np.int64), np.where(s < 0.5, -1.0, 1.0)
    return _examples(digits, role, seed, types, label, sign, backend)


def balanced_digits(digits: Digits, role: str, seed: int, n: int, backend: Backend) -> DigitExamples:
    """Draw n inputs of each type, in the order of the types, with labels and contrasts balanced in each."""
    place = np.tile(np.arange(n), len(TYPES))
    types = np.repeat([TYPES.index(name) for name in TYPES], n)
    return _examples(digits, role, seed, types, place % 2, 1.0 - 2.0 * (place // 2 % 2), backend)


def _examples(
    digits: Digits,
    role: str,
    seed: int,
    types: npt.NDArray[np.int64],
    label: npt.NDArray[np.int64],
    sign: Matrix,
    backend: Backend,
) -> DigitExamples:
    n = len(types)
    noise = backend.to_numpy(normals(stream("oh2025", "digits", role, "noise", seed=seed), 2 * n, digits.pixels, backend))
    rows = np.empty((n, 3, digits.pixels))
    rows[:, 1:] = noise.reshape(n, 2, -1)
    kinds = np.full((n, 3), 2)
    for digit in range(len(DIGITS)):
        kind, side = divmod(digit, 2)
        chosen = np.flatnonzero((types != 1 - kind) & (label == side))
        pool = _pool(digits, digit, role, seed)
        shown = digits.images[digit][pool[np.arange(len(chosen)) % len(pool)]]
        slot = np.where(types[chosen] == 2, kind, 0)
        rows[chosen, slot] = shown * (sign[chosen, None] if kind else 1.0)
        kinds[chosen, slot] = kind
    flat = backend.asarray(rows.reshape(3 * n, -1))
    return DigitExamples(flat, np.arange(3 * n).reshape(n, 3), 1.0 - 2.0 * label, types, kinds.reshape(-1))


def _pool(digits: Digits, digit: int, role: str, seed: int) -> npt.NDArray[np.int64]:
    count = len(digits.images[digit])
    low, high = (int(count * end) for end in ROLES[role])
    shuffled = permutation(stream("oh2025", "digits", "pool", str(digit), seed=seed), count, NUMPY)
    return np.asarray(shuffled[low:high])


@functools.lru_cache(maxsize=2)
def _loaded(images: str, labels: str, *_when: int) -> Digits:
    pixels, names = _idx(Path(images), 3), _idx(Path(labels), 1)
    if len(pixels) != len(names):
        raise FieldError(f"{images} has {len(pixels)} images, {labels} has {len(names)} labels")
    flat = pixels.reshape(len(pixels), -1).astype(np.float64)
    flat -= flat.mean(axis=0)
    flat /= np.sqrt(np.mean(np.sum(flat**2, axis=1)))
    found = tuple(flat[names == digit] for digit in DIGITS)
    if any(len(part) < 40 for part in found):
        raise FieldError(f"{labels} needs 40 images or more of each of the digits {', '.join(map(str, DIGITS))}")
    return Digits(found)


def _idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    if raw[:4] != bytes([0, 0, 8, dimensions]):
        raise FieldError(f"{path} is no idx file of bytes with {dimensions} dimensions")
    shape = tuple(np.frombuffer(raw, ">u4", dimensions, 4).astype(int))
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions)
    if values.size != np.prod(shape):
        raise FieldError(f"{path} says {' x '.join(map(str, shape))} and holds {values.size} bytes")
    return values.reshape(shape)
