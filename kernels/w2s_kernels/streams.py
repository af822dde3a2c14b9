"""Counter-based random streams: element (i, j) depends on the stream, i and j, and on nothing else.

Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011). A stream is 128
hashed bits: 64 are the Philox key, 64 the upper half of the counter; the lower half is (column block, row). Any slice
of any stream can be made anywhere, and a narrower or shorter array is a prefix of a wider or longer one.

`words`, `uniforms` and `normals` read the same bits: give each role a stream of its own.

Normals use Box-Muller with logarithm, sine and cosine made of + - * / and sqrt only, each correctly rounded by IEEE
754, in one written order. So they have the same bits on every backend and every processor.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, SupportsIndex, TypeAlias

import numpy as np

from .backend import Array, Backend
from .elementary import box_muller

Span: TypeAlias = SupportsIndex | tuple[SupportsIndex, SupportsIndex]

LIMIT = 2**32
_ROW_CHUNK_ELEMENTS = 1 << 16  # reference temporaries stay in cache; elementwise, so no bit depends on it
_U64 = np.uint64
_MASK = _U64(0xFFFFFFFF)
_MULTIPLIERS = (_U64(0xD2511F53), _U64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)


@dataclass(frozen=True)
class Stream:
    """Identity of a stream: Philox `key` words (k0, k1) and `upper` counter words (c2, c3), each in [0, 2**32)."""

    key: tuple[int, int]
    upper: tuple[int, int]


def stream(*names: str, seed: int) -> Stream:
    """Stream of a role: blake2b-128 of the length-prefixed names and the seed.

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
    digest = hashlib.blake2b(digest_size=16, person=b"w2s-stream")
    for part in (*names, str(operator.index(seed))):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    word = [int.from_bytes(digest.digest()[4 * i : 4 * i + 4], "little") for i in range(4)]
    return Stream((word[0], word[1]), (word[2], word[3]))


def words(stream: Stream, rows: Span, cols: Span, backend: Backend) -> Array:
    """Random bits, uint32 (rows, cols), uniform on [0, 2**32). Column j is lane j % 4 of block j // 4.

    Parameters
    ----------
    stream :
        identity from `stream`.
    rows, cols :
        int n for (0, n), or (start, stop) with 0 <= start <= stop <= 2**32.
    backend :
        "numba" runs in parallel over chunks of rows; all backends give the same bits.
    """
    return _generate(stream, rows, cols, backend, "words", _words_of_blocks, 4)


def uniforms(stream: Stream, rows: Span, cols: Span, backend: Backend) -> Array:
    """Uniform float64 (rows, cols) in the open (0, 1): max(m, 1/2) / 2**53 with 53 random bits m; see `words`."""
    return _generate(stream, rows, cols, backend, "uniforms", _uniforms_of_blocks, 2)


def normals(stream: Stream, rows: Span, cols: Span, backend: Backend) -> Array:
    """Standard normal float64 (rows, cols), |z| < 8.66, identical bits on all backends; see `words` for the spans."""
    return _generate(stream, rows, cols, backend, "normals", _normals_of_blocks, 2)


def permutation(stream: Stream, n: int, backend: Backend) -> Array:
    """Random permutation of range(n), int64 (n,): stable argsort of 64-bit words; n <= 2**31, O(n log n)."""
    size = operator.index(n)
    pair = backend.asarray(words(stream, 1, 2 * size, backend), np.uint64).reshape(size, 2)
    keys = (pair[:, 0] << _U64(32)) | pair[:, 1]
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


def philox(counter: tuple[Array, Array, Any, Any], key: tuple[int, int]) -> tuple[Array, Array, Array, Array]:
    """Philox4x32-10 on uint64 arrays holding 32-bit words; counter words broadcast. Four words of output each."""
    c0, c1, c2, c3 = counter
    for step in range(10):
        k0, k1 = (_U64((k + step * weyl) % LIMIT) for k, weyl in zip(key, _WEYL, strict=True))
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1 = (product1 >> _U64(32)) ^ c1 ^ k0, product1 & _MASK
        c2, c3 = (product0 >> _U64(32)) ^ c3 ^ k1, product0 & _MASK
    return c0, c1, c2, c3


def _generate(
    stream: Stream, rows: Span, cols: Span, backend: Backend, kind: str, of_blocks: Callable[..., Array], lanes: int
) -> Array:
    (row0, row1), (col0, col1) = span(rows, "rows"), span(cols, "cols")
    shape, dtype = (row1 - row0, col1 - col0), np.uint32 if kind == "words" else np.float64
    out = backend.xp.empty(shape, dtype=dtype)
    if out.size == 0:
        return out
    if backend.name == "numba":
        from . import streams_numba

        getattr(streams_numba, kind)(out, row0, col0, np.array(stream.key + stream.upper, dtype=np.uint32))
        return out
    first, last = col0 // lanes, (col1 + lanes - 1) // lanes
    shift = col0 - first * lanes
    chunk = max(1, _ROW_CHUNK_ELEMENTS // shape[1])
    for start in range(row0, row1, chunk):
        stop = min(start + chunk, row1)
        block = of_blocks(_blocks(stream, (start, stop), (first, last), backend.xp), backend.xp)
        out[start - row0 : stop - row0] = block.reshape(stop - start, -1)[:, shift : shift + shape[1]]
    return out


def _blocks(stream: Stream, rows: tuple[int, int], blocks: tuple[int, int], xp: Any) -> tuple[Array, ...]:
    """Four word arrays of shape (rows, column blocks)."""
    column = xp.arange(*blocks, dtype=np.uint64)[None, :]
    row = xp.arange(*rows, dtype=np.uint64)[:, None]
    return philox((column, row, _U64(stream.upper[0]), _U64(stream.upper[1])), stream.key)


def _words_of_blocks(lanes: tuple[Array, ...], xp: Any) -> Array:
    return xp.stack(lanes, axis=-1).astype(np.uint32)


def _uniforms_of_blocks(lanes: tuple[Array, ...], xp: Any) -> Array:
    return xp.stack(_uniform_pair(lanes, xp), axis=-1)


def _normals_of_blocks(lanes: tuple[Array, ...], xp: Any) -> Array:
    return xp.stack(box_muller(*_uniform_pair(lanes, xp), xp), axis=-1)


def _uniform_pair(lanes: tuple[Array, ...], xp: Any) -> tuple[Array, Array]:
    first, second = (
        xp.maximum(((high >> _U64(5)) << _U64(26) | (low >> _U64(6))).astype(np.float64), 0.5) * 2.0**-53
        for high, low in (lanes[:2], lanes[2:])
    )
    return first, second
