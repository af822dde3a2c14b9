"""Inputs whose patches are images of handwritten digits: an easy digit, a hard one of random contrast, and noise.

An input of label +1 may hold a 0 (easy) and a 1 (hard), one of label -1 a 9 and a 7. A hard digit is multiplied with s = +1 or
-1, so half of all hard digits have the answer of any linear reader that the other half have not.

Images are averaged over squares of 2 x 2 pixels, lose their mean over all digits and are scaled to norm 1. Before that, hard
images lose what they have along the mean images of the two easy digits: in the paper's law, too, hard signals are orthogonal to
easy ones.

Source: Oh, Song and Yun 2025, arXiv 2510.24812, have such an experiment; all of the construction is a choice of ours. A rule
about mean images of centred images of norm 1 chose the digits. The hard ones are, of all pairs with a cosine below 0.1, the one
whose weaker mean is strongest; the easy ones are those two of the others that are farthest apart. Files are in the idx format
of MNIST, gzip or not.
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

__all__ = ["DIGITS", "ROLES", "DigitExamples", "Digits", "balanced_digits", "draw_digits", "load_digits", "read_idx"]

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
DIGITS = (0, 9, 1, 7)
"""The easy digits of the labels +1 and -1, then the hard ones."""
ROLES = {"labeled": (0.0, 0.25), "transfer": (0.25, 0.8), "test": (0.8, 0.92), "validation": (0.92, 1.0)}
"""Part of every digit's images, shuffled by seed, that a role takes its images from."""
_FEWEST = 40  # images of a digit, so that every role has some


@dataclass(frozen=True, eq=False)
class Digits:
    """Images of the four digits, centred, of norm 1: one (images, pixels) matrix each."""

    images: tuple[Matrix, ...]

    @property
    def pixels(self) -> int:
        """Count the pixels of an image."""
        return int(self.images[0].shape[1])

    def most(self, role: str) -> int:
        """Return how many examples of a role can be drawn so that no image comes twice, in all but one draw of 30,000.

        An example has an image of a digit with probability 1/2 at most; four standard deviations are left.
        """
        low, high = ROLES[role]
        images = min(int(high * len(part)) - int(low * len(part)) for part in self.images)
        return int((-2.0 + np.sqrt(4.0 + 2.0 * images)) ** 2)


@dataclass(frozen=True, eq=False)
class DigitExamples(Examples):
    """Examples of which every patch is a row of its own; ``kinds`` (rows,): 0 an easy digit, 1 a hard one, 2 noise."""

    kinds: Whole


def load_digits(images: Path, labels: Path) -> Digits:
    """Read images and labels; FieldError for files that are not of the format, differ in length or lack a digit."""
    return _loaded(str(images), str(labels), images.stat().st_mtime_ns, labels.stat().st_mtime_ns)


def draw_digits(digits: Digits, role: str, seed: int, n: int, p_hard: float, p_both: float, backend: Backend) -> DigitExamples:
    """Draw n examples from the images of a role, nested in n.

    Noise patches are Gaussian of unit variance on every pixel. Cost: 2 n normals a pixel.
    """
    kinds, y, s = uniforms(stream("oh2025", "digits", role, "kinds", seed=seed), n, 3, NUMPY).T
    types = np.where(kinds < p_hard, 1, np.where(kinds < p_hard + p_both, 2, 0))
    label, sign = (y >= 0.5).astype(np.int64), np.where(s < 0.5, -1.0, 1.0)
    return _examples(digits, role, seed, types, label, sign, backend)


def balanced_digits(digits: Digits, role: str, seed: int, n: int, backend: Backend) -> DigitExamples:
    """Draw n inputs of each type, in the order of the types, with labels and contrasts balanced in each.

    Where a digit has fewer images than are asked for, they come again beside other noise.
    """
    place = np.tile(np.arange(n), len(TYPES))
    types = np.repeat([TYPES.index(name) for name in TYPES], n)
    return _examples(digits, role, seed, types, place % 2, np.where(place // 2 % 2, -1.0, 1.0), backend)


def _examples(
    digits: Digits, role: str, seed: int, types: Whole, label: Whole, sign: Matrix, backend: Backend
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
    return DigitExamples(flat, np.arange(3 * n).reshape(n, 3), np.where(label, -1.0, 1.0), types, kinds.reshape(-1))


def _pool(digits: Digits, digit: int, role: str, seed: int) -> Whole:
    count = len(digits.images[digit])
    low, high = (int(count * end) for end in ROLES[role])
    shuffled = permutation(stream("oh2025", "digits", "pool", str(DIGITS[digit]), seed=seed), count, NUMPY)
    return np.asarray(shuffled[low:high])


@functools.lru_cache(maxsize=2)
def _loaded(images: str, labels: str, *_when: int) -> Digits:
    pixels, names = read_idx(Path(images), 3), read_idx(Path(labels), 1)
    if len(pixels) != len(names):
        raise FieldError(f"{images} has {len(pixels)} images, {labels} has {len(names)} labels")
    if any(side % 2 or not side for side in pixels.shape[1:]):
        raise FieldError(f"{images} needs sides of an even number of pixels, not {pixels.shape[1]} x {pixels.shape[2]}")
    found = [names == digit for digit in DIGITS]
    if any(part.sum() < _FEWEST for part in found):
        raise FieldError(f"{labels} needs {_FEWEST} images or more of each of the digits {', '.join(map(str, DIGITS))}")
    count, height, width = pixels.shape
    flat = pixels.reshape(count, height // 2, 2, width // 2, 2).mean(axis=(2, 4)).reshape(count, -1)
    flat -= flat.mean(axis=0)
    parts = [flat[part] for part in found]
    easy, _ = np.linalg.qr(np.stack([part.mean(axis=0) for part in parts[:2]], axis=1))
    parts[2:] = [part - (part @ easy) @ easy.T for part in parts[2:]]
    norms = [np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
    if any((norm == 0).any() for norm in norms):
        raise FieldError(f"{images} has images that are no different from the mean of all")
    return Digits(tuple(part / norm for part, norm in zip(parts, norms, strict=True)))


def read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read bytes of some dimensions in the idx format, gzip or not; FieldError for a file that is not of the format."""
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError) as error:
        raise FieldError(f"{path} cannot be read: {error}") from error
    if raw[:4] != bytes([0, 0, 8, dimensions]) or len(raw) < 4 + 4 * dimensions:
        raise FieldError(f"{path} is no idx file of bytes with {dimensions} dimension{'s' if dimensions > 1 else ''}")
    shape = tuple(np.frombuffer(raw, ">u4", dimensions, 4).astype(int).tolist())
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions)
    if values.size != np.prod(shape):
        raise FieldError(f"{path} says {' x '.join(map(str, shape))} and holds {values.size} bytes")
    return values.reshape(shape)
