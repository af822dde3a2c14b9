"""Counter-based random streams: element (i, j) depends on the stream, i and j, and on nothing else.

A stream is a key of 256 hashed bits for Threefry-4x64-20. Element (i, j) is made from word j % 4 of the block with the
counter (j // 4, i, 0, 0). Any slice of any stream can be made anywhere, and a narrower or shorter array is a prefix of a
wider or longer one.

`words`, `uniforms` and `normals` read the same bits: give each role a stream of its own.

Normals use Box-Muller on the words of columns 2 j and 2 j + 1, in arithmetic that has the same bits on every backend and
every processor (see `elementary`). The radius has 52 random bits and the angle 54. The largest |z| is 8.57: a true normal
passes it once in 1e17 draws.
"""

from __future__ import annotations

import hashlib
import operator
from dataclasses import dataclass
from typing import SupportsIndex, TypeAlias

import numpy as np

from ..backend import Array, Backend
from ..dispatch import operation
from .plain import NORMALS, UNIFORMS, WORDS
from .threefry import LANES

__all__ = ["LANES", "LIMIT", "Span", "Stream", "normals", "permutation", "span", "stream", "uniforms", "words"]

Span: TypeAlias = SupportsIndex | tuple[SupportsIndex, SupportsIndex]

LIMIT = 2**32
DRAWS = operation("streams", "draws", "numba", "cupy", "kept", twin="plain")


@dataclass(frozen=True)
class Stream:
    """Identify a stream by the four words of a Threefry key, each in [0, 2**64)."""

    key: tuple[int, int, int, int]


def stream(*names: str, seed: int) -> Stream:
    """Return the stream of a role: the blake2b-256 hash of the length-prefixed names and the seed.

    Parameters
    ----------
    names :
        the role, most general first, e.g. ("dong2025", "strong", "design"); ("a", "bc") and ("ab", "c") differ.
    seed :
        any integer, negative ones included.

    Raises
    ------
    TypeError : a name that is not a string, a seed that is not an integer.
    """
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"stream names are strings, got {name!r}")
    if isinstance(seed, bool):
        raise TypeError("seed is an integer, got a bool")
    digest = hashlib.blake2b(digest_size=32, person=b"w2s-stream")
    for part in (*names, str(operator.index(seed))):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    k0, k1, k2, k3 = (int.from_bytes(digest.digest()[8 * i : 8 * i + 8], "little") for i in range(LANES))
    return Stream((k0, k1, k2, k3))


def words(stream: Stream, rows: Span, cols: Span, backend: Backend) -> Array:
    """Draw random bits, uint64 (rows, cols), uniform on [0, 2**64).

    Parameters
    ----------
    stream :
        identity from `stream`.
    rows, cols :
        int n for (0, n), or (start, stop) with 0 <= start <= stop <= 2**32.
    backend :
        "numba" runs in parallel over chunks of rows; all backends give the same bits.
    """
    return _generate(WORDS, stream, rows, cols, backend, np.uint64)


def uniforms(stream: Stream, rows: Span, cols: Span, backend: Backend) -> Array:
    """Draw uniform float64 (rows, cols) in the open (0, 1): (m + 1/2) / 2**52 with 52 random bits m; see `words`."""
    return _generate(UNIFORMS, stream, rows, cols, backend)


def normals(stream: Stream, rows: Span, cols: Span, backend: Backend) -> Array:
    """Draw standard normal float64 (rows, cols), |z| < 8.58, identical bits on all backends; see `words` for the spans."""
    return _generate(NORMALS, stream, rows, cols, backend)


def permutation(stream: Stream, n: int, backend: Backend) -> Array:
    """Draw a permutation of range(n), int64 (n,), by a stable argsort of 64-bit words; n <= 2**32, O(n log n)."""
    keys = words(stream, 1, operator.index(n), backend)[0]
    return backend.asarray(backend.xp.argsort(keys, kind="stable"), np.int64)


def span(value: Span, name: str) -> tuple[int, int]:
    """Resolve an int n or a (start, stop) pair to (start, stop); ValueError outside 0 <= start <= stop <= 2**32."""
    pair = value if isinstance(value, tuple) else (0, value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be an int or a (start, stop) pair, got {value!r}")
    start, stop = operator.index(pair[0]), operator.index(pair[1])
    if not 0 <= start <= stop <= LIMIT:
        raise ValueError(f"{name} must satisfy 0 <= start <= stop <= 2**32, got ({start}, {stop})")
    return start, stop


def _generate(kind: int, stream: Stream, rows: Span, cols: Span, backend: Backend, dtype: type = np.float64) -> Array:
    (row0, row1), (col0, col1) = span(rows, "rows"), span(cols, "cols")
    out = backend.xp.empty((row1 - row0, col1 - col0), dtype=dtype)
    if out.size:
        DRAWS.on(backend)(out, row0, col0, np.array(stream.key, dtype=np.uint64), kind)
    return out
