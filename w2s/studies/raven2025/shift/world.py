"""What a seed draws: labelled items of one distribution, items of another for the student, and tests of both."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError
from w2s.laws.shifts import classes_drawn, corrupt_group, corrupt_images, displaced_means, tilted_prior
from w2s.studies.raven2025.shift import supervisors
from w2s_kernels import NUMPY, Backend, normals, permutation, stream, uniforms

__all__ = ["CLASSES_OF_DIGITS", "IMAGES", "WORLD", "World", "check_digits"]

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Level = Mapping[str, Any]
Sample = tuple[Matrix, Whole]

WORLD = (
    *("source", "data", "n_labeled", "n_transfer", "n_test", "d", "classes", "spread", "best", "bad", "bad_high", "bad_low"),
    *("sharing", "gap", "errors", "shift", "corruption", "size", "epochs", "batch", "learning_rate"),
)
"""Fields that the items, the supervisors and the minibatches of a cell depend on."""
CLASSES_OF_DIGITS, IMAGES = 10, (8, 8)
_NAME = "raven2025"


@dataclass(frozen=True, eq=False)
class World:
    """Samples of one seed and the supervisors' labels of them.

    Attributes
    ----------
    samples : features (n, d) and classes (n,) by name: ``transfer`` and ``test`` as the student meets them, ``inside`` as the
        supervisors did (there only where both differ).
    labels : soft labels (n, M, K) of the supervisors, by the same names.

    """

    samples: Mapping[str, Sample]
    labels: Mapping[str, Matrix]

    @classmethod
    def of(cls, level: Level, seed: int, backend: Backend) -> World:
        """Draw the samples, and draw or train the supervisors."""
        if level["source"] == "drawn":
            samples = {part: _gaussian(level, seed, part, level[size], "none") for part, size in _SIZES.items()}
            return cls(samples, supervisors.drawn_labels(level, seed, samples))
        draw = _gaussian_parts if level["source"] == "trained" else _digit_parts
        given, samples = draw(level, seed)
        return cls(samples, supervisors.linear_labels(level, seed, given, samples, backend))


_SIZES = {"transfer": "n_transfer", "test": "n_test"}


def _gaussian_parts(level: Level, seed: int) -> tuple[Sample, dict[str, Sample]]:
    shifted = {part: _gaussian(level, seed, part, level[size], level["shift"]) for part, size in _SIZES.items()}
    inside = _gaussian(level, seed, "inside", level["n_test"], "none")
    return _gaussian(level, seed, "labeled", level["n_labeled"], "none"), {**shifted, "inside": inside}


def _gaussian(level: Level, seed: int, part: str, count: int, shift: str) -> Sample:
    """Draw features of Gaussian classes; a shift of features or groups touches their second half alone."""
    d, classes, half = level["d"], level["classes"], level["d"] // 2
    means = level["spread"] * np.asarray(normals(stream(_NAME, "means", seed=seed), classes, d, NUMPY))
    noise = np.asarray(normals(stream(_NAME, "features", part, seed=seed), count, d, NUMPY))
    draws = np.asarray(uniforms(stream(_NAME, "classes", part, seed=seed), count, 2, NUMPY))
    size = level["size"] if shift != "none" else 0.0
    truth = classes_drawn(draws[:, 0], tilted_prior(classes, size if shift == "labels" else 0.0))
    if shift == "features":
        means[:, half:] = displaced_means(means[:, half:], size)
    x = means[truth] + noise
    if shift == "groups":
        other = np.asarray(normals(stream(_NAME, "corruption", part, seed=seed), count, d - half, NUMPY))
        x[:, half:], _ = corrupt_group(x[:, half:], draws[:, 1], other, size)
    return x, truth


def _digit_parts(level: Level, seed: int) -> tuple[Sample, dict[str, Sample]]:
    images, truth = _digits(str(level["data"].path))
    order = np.asarray(permutation(stream(_NAME, "digits", seed=seed), len(truth), NUMPY))
    ends = np.cumsum([level[name] for name in ("n_labeled", "n_transfer", "n_test")])
    labeled, transfer, test = np.split(order[: ends[-1]], ends[:-1])

    def shifted(part: str, rows: Whole) -> Sample:
        noise = np.asarray(normals(stream(_NAME, "corruption", part, seed=seed), len(rows), images[0].size, NUMPY))
        changed = images[rows]
        changed = corrupt_images(changed, level["corruption"], level["size"], noise.reshape(-1, *images.shape[1:]))
        return _flat(changed), truth[rows]

    samples = {"transfer": shifted("transfer", transfer), "test": shifted("test", test)}
    return (_flat(images[labeled]), truth[labeled]), {**samples, "inside": (_flat(images[test]), truth[test])}


def _flat(images: Matrix) -> Matrix:
    """Bring pixels to zero at half the largest and to 1 at the largest."""
    return np.asarray((images.reshape(len(images), -1) - 0.5) * 2.0)


@functools.lru_cache(maxsize=2)
def _digits(path: str) -> tuple[Matrix, Whole]:
    raw = np.loadtxt(Path(path), delimiter=",")
    return raw[:, :64].reshape(-1, *IMAGES) / 16.0, raw[:, 64].astype(np.int64)


def check_digits(path: Path, wanted: int) -> None:
    """Refuse samples of ``wanted`` images together where the file has fewer; FieldError."""
    held = len(_digits(str(path))[1])
    if wanted > held:
        raise FieldError(f"n_labeled + n_transfer + n_test = {wanted} images are asked for, the file has {held}")
