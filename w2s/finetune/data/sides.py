"""Two sides of a text task, so that a student meets other texts than its supervisors: short or long ones, or of two topics.

Supervisors learn on the inner side; the student's items and the test items come from the outer one.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError, nearest

__all__ = ["SIDES", "outer_side"]

SIDES = ("none", "length", "topic")
_WIDTH = 256
_WORD = re.compile(r"[^\W\d_]+")


def outer_side(texts: Sequence[str], kind: str) -> Callable[[str], bool]:
    """Return a test of whether a text lies on the outer side; about half of the given ``texts`` do.

    ``length``: texts of more words than the median. ``topic``: texts beyond the median along the main direction of their words;
    words are hashed into 256 places, counts become logarithms, texts are scaled to norm 1 and centred, and the direction is the
    first principal one, signed so that its largest entry is positive. No label is used.

    Raises :class:`FieldError` for another kind. Cost O(words), and one eigendecomposition of 256 x 256.
    """
    if kind == "length":
        limit = float(np.median([len(text.split()) for text in texts]))
        return lambda text: len(text.split()) > limit
    if kind != "topic":
        raise FieldError(f"shift {kind!r} is not one of: {', '.join(SIDES)}{nearest(kind, SIDES)}", "shift")
    rows = np.stack([_hashed(text) for text in texts])
    centre = rows.mean(axis=0)
    _, vectors = np.linalg.eigh((rows - centre).T @ (rows - centre))
    direction = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])
    limit = float(np.median(rows @ direction))
    return lambda text: bool(_hashed(text) @ direction > limit)


def _hashed(text: str) -> npt.NDArray[np.float64]:
    """Count the words of a text in hashed places: (256,), logarithms, of norm 1; zeros without a word."""
    found = np.zeros(_WIDTH)
    for word in _WORD.findall(text.lower()):
        found[_place(word)] += 1.0
    found = np.log1p(found)
    norm = float(np.linalg.norm(found))
    return found / norm if norm else found


@functools.lru_cache(maxsize=2**17)
def _place(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=2).digest(), "big") % _WIDTH
