"""Small files of digits in the idx format, for tests that must not need MNIST."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

SIDE = 8


def idx(values: npt.NDArray[np.uint8]) -> bytes:
    """An array of bytes as an idx file."""
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def drawn_digits(each: int = 200) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Ten digits, each a pattern of its own with noise: (10 each, 8, 8) and (10 each,)."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(30, 226, (10, SIDE // 2, SIDE // 2)).repeat(2, axis=1).repeat(2, axis=2)
    labels = rng.permutation(np.repeat(np.arange(10), each)).astype(np.uint8)
    noisy = patterns[labels] + rng.integers(-30, 30, (len(labels), SIDE, SIDE))
    return np.clip(noisy, 0, 255).astype(np.uint8), labels


def digit_files(folder: Path, each: int = 200) -> dict[str, str]:
    """Write both files, images with gzip and labels without; return the fields of a cell that name them."""
    images, labels = drawn_digits(each)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "images.gz").write_bytes(gzip.compress(idx(images), mtime=0))
    (folder / "labels").write_bytes(idx(labels))
    return {"images": str(folder / "images.gz"), "labels": str(folder / "labels")}
