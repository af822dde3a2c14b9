"""Results of a block, filled in group by group and spread over its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block, Group

__all__ = ["Results"]

Column = npt.NDArray[Any]


class Results:
    """One table (one dimension for each group of fields) for every column.

    What is never put is NaN for numbers, 0 for whole numbers, None for anything else. ``numbers`` and ``whole`` name columns
    that are there in any case; others begin with the first values that are put.
    """

    def __init__(self, block: Block, groups: Sequence[Group], numbers: Sequence[str] = (), whole: Sequence[str] = ()) -> None:
        self.block, self.groups, self.shape = block, tuple(groups), tuple(len(group) for group in groups)
        self._tables: dict[str, Column] = {name: np.full(self.shape, np.nan) for name in numbers}
        self._tables |= {name: np.zeros(self.shape, dtype=np.int64) for name in whole}

    def put(self, at: Any, columns: Mapping[str, Any]) -> None:
        """Store columns at an index of the tables; as in NumPy, they broadcast to what it selects."""
        for name, values in columns.items():
            if name not in self._tables:
                kind = np.asarray(values).dtype.kind
                empty: Any = np.nan if kind == "f" else 0 if kind in "biu" else None
                dtype: Any = {"f": np.float64, "b": np.int64, "i": np.int64, "u": np.int64}.get(kind, object)
                self._tables[name] = np.full(self.shape, empty, dtype=dtype)
            self._tables[name][at] = values

    def columns(self) -> dict[str, Column]:
        """Return every column, spread over the block's cells."""
        return {name: self.block.gather(table, *self.groups) for name, table in self._tables.items()}
