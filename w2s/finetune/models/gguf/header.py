"""What the header of a model file in GGUF tells: settings, and the shapes of its tensors. Reads no weights.

The format: the letters GGUF, version, counts; then settings (key, type, value); then tensors (name, shape, type, offset); then,
aligned, the weights. Source: the specification of GGUF, versions 2 and 3, in the ggml repository.
"""

from __future__ import annotations

import functools
import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s.errors import FieldError

__all__ = ["GGUFHeader", "gguf_header"]

_SCALARS = ("B", "b", "H", "h", "I", "i", "f", "?", None, None, "Q", "q", "d")
"""How scalar values are packed, by type number; 8 is a string, 9 an array."""
_STRING, _ARRAY = 8, 9
_BLOCKS: Mapping[int, tuple[int, int]] = {
    0: (1, 4),  # F32
    1: (1, 2),  # F16
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    10: (256, 84),  # Q2_K
    11: (256, 110),  # Q3_K
    12: (256, 144),  # Q4_K
    13: (256, 176),  # Q5_K
    14: (256, 210),  # Q6_K
    30: (1, 2),  # BF16
}
"""Weights in a block and its bytes, by the type number of a tensor."""


@dataclass(frozen=True)
class GGUFHeader:
    """Settings of a GGUF file (an array as its number of entries), and the number of weights in all tensors."""

    settings: Mapping[str, Any]
    weights: float

    @property
    def config(self) -> dict[str, Any]:
        """The settings that planning asks for, by the names they have in the ``config.json`` of transformers."""
        kind = str(self.settings.get("general.architecture"))
        named = {
            "num_hidden_layers": f"{kind}.block_count",
            "hidden_size": f"{kind}.embedding_length",
            "max_position_embeddings": f"{kind}.context_length",
            "vocab_size": "tokenizer.ggml.tokens",
        }
        known = {name: int(self.settings[key]) for name, key in named.items() if key in self.settings}
        return {"model_type": kind, **known}


def gguf_header(path: Path) -> GGUFHeader:
    """Read the header; raise :class:`FieldError` for a file that is no GGUF, damaged or cut short.

    Reading takes about 0.1 s; the result is kept.
    """
    found = path.stat()
    return _read(path, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=16)
def _read(path: Path, _changed: int, size: int) -> GGUFHeader:
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            reader = _Reader(content)
            settings, weights, end = reader.whole()
    except (struct.error, ValueError, IndexError, KeyError, OverflowError, MemoryError):
        raise FieldError(f"model {path.name}: {path} is no GGUF file, or is damaged") from None
    if size < end:
        raise FieldError(f"model {path.name}: {path} is cut short: {size:,} of {end:,} bytes")
    return GGUFHeader(settings, weights)


class _Reader:
    def __init__(self, content: mmap.mmap) -> None:
        self.content, self.place = content, 0

    def whole(self) -> tuple[dict[str, Any], float, int]:
        """Return the settings, the number of weights, and the place in the file where the last tensor ends."""
        if self.content[:4] != b"GGUF":
            raise ValueError("no GGUF")
        self.place = 4
        version, tensors, count = self._take("<IQQ")
        if version not in (2, 3):
            raise ValueError(f"version {version}")
        settings = {}
        for _ in range(count):
            name = self._text()
            settings[name] = self._value(self._take("<I")[0])
        weights, ends = 0.0, [0]
        for _ in range(tensors):
            self._text()
            (dimensions,) = self._take("<I")
            number = math.prod(self._take(f"<{dimensions}Q"))
            kind, offset = self._take("<IQ")
            per_block, size = _BLOCKS.get(kind, (number, 0))
            weights += number
            ends.append(offset + number // per_block * size)
        alignment = int(settings.get("general.alignment", 32))
        return settings, weights, -(-self.place // alignment) * alignment + max(ends)

    def _take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(form, self.content, self.place)
        self.place += struct.calcsize(form)
        return values

    def _text(self) -> str:
        (length,) = self._take("<Q")
        start = self.place
        if start + length > len(self.content):
            raise ValueError("a string is cut short")
        self.place += length
        return self.content[start : self.place].decode("utf-8", "replace")

    def _value(self, kind: int) -> Any:
        """Return a value of a type; of an array, the number of its entries."""
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._take(f"<{_SCALARS[kind]}")[0]
        inner, count = self._take("<IQ")
        if inner in (_STRING, _ARRAY):
            for _ in range(count):
                self._value(inner)
        else:
            self.place += count * struct.calcsize(f"<{_SCALARS[inner]}")
        return count
