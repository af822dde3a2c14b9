"""Shifts between the data that supervisors learn from and those that a student meets: features, classes, groups, images.

Every law has a size: at 0 nothing changes. Shifts of texts choose items instead: :mod:`w2s.finetune.data.sides`. All of these
are choices of ours; the images follow the kinds of corruption that D. Hendrycks and T. Dietterich (arXiv 1903.12261) list.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError, nearest

__all__ = ["CORRUPTIONS", "classes_drawn", "corrupt_group", "corrupt_images", "displaced_means", "tilted_prior"]

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

CORRUPTIONS = ("noise", "blur", "contrast", "rotation")
"""Corruptions of images by name."""
_FULL_TURN = 60.0
"""Degrees of a rotation of size 1."""


def displaced_means(means: Matrix, size: float) -> Matrix:
    """Move the mean (K, d) of each class towards that of the next: (1 - size) mu_k + size mu_(k+1), the last towards the first.

    At size 1 these features say another class than before, as clearly as before: a feature shift. O(K d).
    """
    return np.asarray((1.0 - size) * means + size * np.roll(means, -1, axis=0))


def tilted_prior(classes: int, size: float) -> Matrix:
    """Compute class probabilities (K,) proportional to exp(-size k): a label shift; uniform at size 0."""
    powers = np.exp(-size * np.arange(classes))
    return np.asarray(powers / powers.sum())


def classes_drawn(draws: Matrix, prior: Matrix) -> Whole:
    """Turn uniform draws (n,) in (0, 1) into classes 0 .. K - 1 (n,) of probabilities ``prior`` (K,); monotone in the draw."""
    return np.minimum(np.searchsorted(np.cumsum(prior), draws, side="right"), len(prior) - 1).astype(np.int64)


def corrupt_group(
    x: Matrix, members: Matrix, noise: Matrix, share: float, scale: float = 3.0
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """Replace the features (n, d) of a group by ``scale`` times standard normal noise (n, d).

    The group are the rows whose uniform draw in ``members`` (n,) is below ``share``: nested in it. Returns the features and the
    group (n,). O(n d).
    """
    group = members < share
    return np.where(group[:, None], scale * noise, x), group


def corrupt_images(images: Matrix, kind: str, size: float, noise: Matrix) -> Matrix:
    """Change images (n, h, w) of any unit as a corruption does; size in [0, 1], 0 leaves them as they are.

    ``noise`` adds size times standard normal noise (n, h, w), in units of the largest pixel; ``blur`` averages each pixel with
    the mean of its 3 x 3 neighbourhood (edges repeated) with weight size, twice; ``contrast`` shrinks the distance to the
    image's mean by 1 - size; ``rotation`` turns by 60 size degrees about the centre, bilinear, zero outside.

    Raises :class:`FieldError` for an unknown kind. O(n h w).
    """
    if kind not in CORRUPTIONS:
        raise FieldError(f"corruption {kind!r} is not one of: {', '.join(CORRUPTIONS)}{nearest(kind, CORRUPTIONS)}")
    if size == 0.0:
        return images
    if kind == "noise":
        return np.asarray(images + size * float(np.abs(images).max()) * noise)
    if kind == "contrast":
        mean = images.mean(axis=(1, 2), keepdims=True)
        return np.asarray(mean + (1.0 - size) * (images - mean))
    if kind == "blur":
        return _blurred(_blurred(images, size), size)
    return _rotated(images, np.deg2rad(_FULL_TURN * size))


def _blurred(images: Matrix, size: float) -> Matrix:
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    height, width = images.shape[1:]
    near = np.mean([padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)], axis=0)
    return np.asarray((1.0 - size) * images + size * near)


def _rotated(images: Matrix, angle: float) -> Matrix:
    height, width = images.shape[1:]
    middle = ((height - 1) / 2.0, (width - 1) / 2.0)
    i, j = np.meshgrid(np.arange(height) - middle[0], np.arange(width) - middle[1], indexing="ij")
    rows = np.cos(angle) * i + np.sin(angle) * j + middle[0]
    columns = -np.sin(angle) * i + np.cos(angle) * j + middle[1]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    found = np.zeros_like(images)
    for a in (0, 1):
        for b in (0, 1):
            weight = np.abs(1 - a - (rows - top)) * np.abs(1 - b - (columns - left))
            at = (np.clip(top + a + 1, 0, height + 1), np.clip(left + b + 1, 0, width + 1))
            found += weight * padded[:, at[0], at[1]]
    return found
