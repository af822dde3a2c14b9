"""Arrow's arrays from NumPy's and from words, without pandas.

`pyarrow.array` imports pandas the first time that it sees anything, to know its kinds: 0.3 s of processor time, a third of a
launch of a few cells. These functions lay the buffers down themselves. They are for whoever writes rows; whoever reads a
table into a frame needs pandas anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["empty_table", "number_array", "value_array", "word_array"]


def number_array(values: npt.ArrayLike, kind: pa.DataType) -> pa.Array:
    """Make a column of float64, int64, int32 or bool from numbers (n,); NaN is a null.

    Raises ValueError where an integer is asked for and a number has a fraction.
    """
    given = np.asarray(values)
    missing = np.isnan(given) if given.dtype.kind == "f" else None
    if missing is not None and not missing.any():
        missing = None
    if pa.types.is_boolean(kind):
        filled = given if missing is None else np.where(missing, 0, given)
        data = np.packbits(filled.astype(bool), bitorder="little")
    else:
        filled = given if missing is None or pa.types.is_floating(kind) else np.where(missing, 0, given)
        data = np.ascontiguousarray(filled, dtype=kind.to_pandas_dtype())
        if given.dtype.kind == "f" and pa.types.is_integer(kind) and (data != filled).any():
            raise ValueError(f"{filled[data != filled][0]!r} is no whole number")
    valid = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(kind, len(given), [valid, pa.py_buffer(data)])


class _Codes(dict[Any, int]):
    """Number values in the order in which they are first seen."""

    def __missing__(self, value: Any) -> int:
        self[value] = code = len(self)
        return code


def word_array(values: npt.NDArray[Any] | Sequence[Any]) -> pa.Array:
    """Make a column of text from words (n,), most of which repeat; None and NaN are nulls, anything else a TypeError."""
    codes = _Codes()
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    places = np.fromiter(map(codes.__getitem__, listed), dtype=np.int32, count=len(listed))
    words = _texts(list(codes))
    return words if len(words) == len(listed) else words.take(number_array(places, pa.int32()))


def _texts(values: Sequence[Any]) -> pa.Array:
    texts = [None if value is None or value != value else value for value in values]
    if odd := [text for text in texts if not isinstance(text, str | None)]:
        raise TypeError(f"{odd[0]!r} is no text")
    encoded = [b"" if text is None else text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    valid = pa.py_buffer(np.packbits([text is not None for text in texts], bitorder="little")) if None in texts else None
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)), valid)


def value_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Make a column of plain values, None for a null, of one of the types that rows have: numbers, truth values, text."""
    if kind == pa.string():
        return word_array(values)
    if None in values:
        return number_array(np.array([np.nan if value is None else value for value in values], dtype=np.float64), kind)
    return number_array(np.array(values), kind)


def empty_table(schema: pa.Schema) -> pa.Table:
    """Make the table of a schema that has no rows."""
    return pa.Table.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)
