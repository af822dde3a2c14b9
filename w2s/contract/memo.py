"""Values that blocks solved one after another have in common, kept while they fit.

A worker that solves several blocks gives each of them the same memo. A value is a function of its key alone, so a block has the
same bits with a memo, with another one, or with none: what was dropped is computed again.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Container, Hashable, Mapping
from types import ModuleType
from typing import Any

__all__ = ["MEMO_BYTES", "Memo", "size_of"]

MEMO_BYTES = 2**29
"""Bytes that a memo holds unless told otherwise: half of what one block may take."""


class Memo:
    """Keep the values of some keys, up to a number of bytes; the one that was used least recently goes first.

    Parameters
    ----------
    wanted : keys that more than one block needs; the values of others are not kept.
    limit : bytes of arrays that are held at most.

    """

    def __init__(self, wanted: Container[Hashable], limit: float = MEMO_BYTES) -> None:
        self.wanted, self.limit, self.held = wanted, limit, 0.0
        self._values: OrderedDict[Hashable, tuple[Any, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the value of a key, computed by ``make`` where it is not held; a value above the limit is not kept."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key][0]
        value = make()
        if key not in self.wanted:
            return value
        size = size_of(value)
        if size <= self.limit:
            self._values[key] = value, size
            self.held += size
        while self.held > self.limit:
            self.held -= self._values.popitem(last=False)[1][1]
        return value


def size_of(value: Any) -> float:
    """Count the bytes of the arrays in a value: in its attributes, fields, items and entries, each array counted once."""
    seen: set[int] = set()

    def walk(part: Any) -> float:
        if id(part) in seen or isinstance(part, (str, bytes, int, float, type(None), type, ModuleType)):
            return 0.0
        seen.add(id(part))
        if isinstance(getattr(part, "nbytes", None), int):
            return float(part.nbytes)
        if isinstance(part, Mapping):
            return sum(map(walk, part.values()))
        if isinstance(part, (tuple, list)):
            return sum(map(walk, part))
        if dataclasses.is_dataclass(part):
            return sum(walk(getattr(part, entry.name)) for entry in dataclasses.fields(part))
        return sum(map(walk, vars(part).values())) if hasattr(part, "__dict__") else 0.0

    return walk(value)
