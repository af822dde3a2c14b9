"""What summaries ask of rows that are not in memory; :mod:`w2s.tables.scan` has them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, Union, overload, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Rows", "Stored"]

T = TypeVar("T")


@runtime_checkable
class Stored(Protocol):
    """Rows whose columns are read when they are asked for: the part of a frame's interface that summaries use, and some more.

    ``varies`` and ``has_value`` answer without reading a column where they can, and ``kept`` keeps what was made for a key.
    """

    columns: pd.Index[Any]
    attrs: dict[str, Any]

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, key: str) -> pd.Series[Any]: ...
    @overload
    def __getitem__(self, key: npt.NDArray[np.bool_]) -> Stored: ...

    def is_number(self, name: str) -> bool:
        """Tell whether a column holds numbers, not words or truth values."""
        ...

    def varies(self, name: str) -> bool:
        """Tell whether a column takes more than one value, null being one."""
        ...

    def has_value(self, name: str) -> bool:
        """Tell whether a column has a value that is not null."""
        ...

    def has_null(self, name: str) -> bool:
        """Tell whether a column has a null."""
        ...

    def numbered(self, name: str) -> tuple[npt.NDArray[np.int16] | npt.NDArray[np.int32], list[Any]]:
        """Number the values of a column, null being -1, and list them."""
        ...

    def distinct(self, name: str) -> list[Any]:
        """List the values of a column, without null."""
        ...

    def batches(self, names: Sequence[str]) -> Iterator[tuple[slice, list[npt.NDArray[np.float64]]]]:
        """Yield numbers of some columns batch by batch, with the place of their rows."""
        ...

    def at(self, places: npt.NDArray[np.integer[Any]], names: Sequence[str]) -> pd.DataFrame:
        """Read some rows of some columns, as a frame."""
        ...

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make()`` returns, made once for this key."""
        ...


Rows: TypeAlias = Union["pd.DataFrame", Stored]
