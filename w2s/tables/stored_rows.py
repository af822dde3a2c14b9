"""Rows that stay on disk: columns are read when they are asked for, one at a time, or several of them in batches.

A frame of ten million rows with all its columns takes more than ten gigabytes; a column of numbers takes 80 MB, a batch one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from w2s.tables.load import frame_of
from w2s.tables.metadata import TableMetadata

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["StoredRows"]

T = TypeVar("T")
BoolArray = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int16] | npt.NDArray[np.int32]
_MOST_SHORT = 1 << 15
_MOST_OPEN = 256
"""Files that stay open; of a run of more files than that all are opened again for every column."""
_BATCH = 1 << 17
"""Rows of a batch: a megabyte a column, which stays in the processor's cache."""


class StoredRows:
    """Rows on disk, with the part of a frame's interface that summaries use: ``columns``, ``attrs``, a length, ``rows[name]``.

    A column of numbers is the series that `load` gives; one of words or truth values is a categorical series of the same
    values. ``rows[mask]`` are some of the rows, on disk as well. Nothing is kept between two calls but distinct values and
    what :meth:`kept` is asked to keep.
    """

    def __init__(
        self, files: Sequence[Path], footers: Sequence[pq.FileMetaData], schema: pa.Schema, metadata: dict[str, Any]
    ) -> None:
        import pandas as pd

        self.columns = pd.Index(schema.names)
        self.attrs: dict[str, Any] = {"w2s": TableMetadata(metadata)}
        self._files, self._schema = files, schema
        self._lengths = [footer.num_rows for footer in footers]
        self._ranges = {name: _range(footers, place) for place, name in enumerate(schema.names)}
        self._words_of = [field.name for field in schema if field.name != "cell_id" and not _is_number(field.type)]
        self._open = [self._opened(file) for file in files] if len(files) <= _MOST_OPEN else []
        self._mask: BoolArray | None = None
        self._kept: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return sum(self._lengths) if self._mask is None else int(np.count_nonzero(self._mask))

    @overload
    def __getitem__(self, key: str) -> pd.Series[Any]: ...
    @overload
    def __getitem__(self, key: BoolArray) -> StoredRows: ...

    def __getitem__(self, key: str | BoolArray) -> pd.Series[Any] | StoredRows:
        """Read a column, or take the rows that an array (rows,) marks."""
        import pandas as pd
        import pyarrow as pa

        if not isinstance(key, str):
            return self._some(np.asarray(key, dtype=np.bool_))
        kind = self._schema.field(key).type
        if not _is_number(kind):
            return pd.Series(self._words(key), name=key)
        _, _, nulls = self._ranges[key] or (None, None, 1)
        if (same := self._same(key)) is not None:
            dtype = np.float64 if nulls or pa.types.is_floating(kind) else np.int64
            return pd.Series(np.full(len(self), same, dtype=dtype), name=key)
        values = np.empty(len(self), dtype=np.float64 if nulls else kind.to_pandas_dtype())
        self.each(key, lambda place, column: values.__setitem__(place, column.to_numpy(zero_copy_only=False)))
        if values.dtype != kind.to_pandas_dtype() and not np.isnan(values).any():
            values = values.astype(kind.to_pandas_dtype())
        return pd.Series(values, name=key, copy=False)

    def _some(self, mask: BoolArray) -> StoredRows:
        found = object.__new__(StoredRows)
        found.__dict__ |= self.__dict__
        whole = mask
        if self._mask is not None:
            whole = self._mask.copy()
            whole[self._mask] = mask
        found._mask, found._kept, found.attrs, found._ranges = whole, {}, dict(self.attrs), dict(self._ranges)
        return found

    def is_number(self, name: str) -> bool:
        """Tell whether a column holds numbers, not words or truth values."""
        return _is_number(self._schema.field(name).type)

    def varies(self, name: str) -> bool:
        """Tell whether a column takes more than one value, null being one. Of most columns the footers tell."""
        if self._same(name) is not None:
            return False
        low, high, nulls = self._ranges[name] or (None, None, None)
        if self._mask is None and nulls is not None and low is not None and (nulls or low != high):
            return True
        if self.is_number(name) and ("numbered", name) not in self._kept:
            return self.kept(("varies", name), lambda: self._values_differ(name))
        self.numbered(name)  # notes a column of one value, so that it is read once
        return len(self) > 0 and self._same(name) is None

    def has_value(self, name: str) -> bool:
        """Tell whether a column has a value that is not null."""
        found = self._ranges[name]
        if found is not None and (found[2] == 0 or found[0] is None or self._mask is None):
            return len(self) > 0 and found[0] is not None
        return bool(self[name].notna().any())

    def has_null(self, name: str) -> bool:
        """Tell whether a column has a null."""
        found = self._ranges[name]
        if found is not None and (found[2] == 0 or self._mask is None):
            return found[2] > 0
        return bool(self[name].isna().any())

    def numbered(self, name: str) -> tuple[Codes, list[Any]]:
        """Number the values of a column in the order in which they appear, null being -1, and list them; kept.

        Codes have 16 bits where that is enough.
        """
        import pandas as pd

        def coded(array: pa.Array) -> tuple[npt.NDArray[Any], list[Any]]:
            own, values = pd.factorize(array.to_numpy(zero_copy_only=False))
            return own, values.tolist()

        if ("numbered", name) not in self._kept and self._same(name) is None:
            codes = np.zeros(len(self), dtype=np.int32)
            numbers, nulls = self._number(name, codes, coded if self.is_number(name) else _coded_words)
            if len(codes) and len(numbers) + nulls == 1:  # footers do not tell it of words
                self._ranges[name] = (numbers[0], numbers[0], 0) if numbers else (None, None, sum(self._lengths))
            else:
                self._kept["numbered", name] = codes if len(numbers) > _MOST_SHORT else codes.astype(np.int16), numbers
        if (same := self._same(name)) is not None:
            values = [same] if same == same else []
            return np.full(len(self), len(values) - 1, dtype=np.int16), values
        found: tuple[Codes, list[Any]] = self._kept["numbered", name]
        return found

    def distinct(self, name: str) -> list[Any]:
        """List the values of a column in the order in which they appear, without null."""
        same = self._same(name)
        return self.numbered(name)[1] if same is None else [same] if same == same else []

    def batches(self, names: Sequence[str]) -> Iterator[tuple[slice, list[npt.NDArray[np.float64]]]]:
        """Yield numbers of some columns, float64, null being NaN, batch by batch with the place of their rows."""
        same = {name: self._same(name) for name in names}
        read = [name for name in names if same[name] is None]
        start = 0
        for mask, batch in self._batches(read):
            columns = [
                np.full(batch.num_rows, same[name])
                if same[name] is not None
                else batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
                for name in names
            ]
            columns = columns if mask is None else [column[mask] for column in columns]
            size = batch.num_rows if mask is None else int(np.count_nonzero(mask))
            yield slice(start, start + size), columns
            start += size

    def at(self, places: npt.NDArray[np.integer[Any]], names: Sequence[str]) -> pd.DataFrame:
        """Read some rows of some columns, as `load` gives them; files without any of the rows are not read."""
        import pandas as pd
        import pyarrow as pa

        if not names:
            return pd.DataFrame(index=range(len(places)))
        if self._mask is not None:
            places = np.flatnonzero(self._mask)[places]
        ends = np.cumsum(self._lengths)
        files = np.searchsorted(ends, places, side="right")
        order = np.argsort(files, kind="stable")
        tables = [self._schema.empty_table().select(list(names))]
        for number in np.unique(files):
            own = places[order][files[order] == number] - (ends[number] - self._lengths[number])
            with self._file(int(number)) as opened:
                found = opened.read(list(names), use_threads=False).select(list(names)).take(pa.array(own))
            tables.append(found.cast(pa.schema([self._schema.field(name) for name in names])))
        frame = frame_of(tables).iloc[np.argsort(order, kind="stable")].reset_index(drop=True)
        for name in names:
            if self.is_number(name) and (self._ranges[name] or (0, 0, 1))[2] and frame[name].dtype.kind in "iu":
                frame[name] = frame[name].astype(np.float64)  # nulls elsewhere make it a column of these
        return pd.DataFrame(frame)

    def frame(self) -> pd.DataFrame:
        """Read all columns, as `load` gives them; a column of one value takes no memory, however many rows there are."""
        import pandas as pd

        found = pd.DataFrame({name: self._column(name) for name in self.columns}, copy=False)
        found.attrs["w2s"] = self.attrs["w2s"]
        return found

    def _column(self, name: str) -> Any:
        import pandas as pd
        import pyarrow as pa

        kind = self._schema.field(name).type
        if name in self._words_of:
            self.distinct(name)
        same = self._same(name)
        if same is not None and not pa.types.is_string(kind) and (same == same or self.is_number(name)):
            dtype = np.bool_ if pa.types.is_boolean(kind) else np.float64 if same != same else kind.to_pandas_dtype()
            return pd.Series(np.broadcast_to(np.asarray(same, dtype=dtype), len(self)), copy=False)
        if self.is_number(name):
            return self[name]
        chunks: list[pa.Array] = []
        if pa.types.is_string(kind) and same is not None:
            one = pa.array([None if same != same else same], pa.large_string()).take(pa.array(np.zeros(_BATCH, dtype=np.int8)))
            chunks = [one[: len(self) - start] for start in range(0, len(self), _BATCH)]
        else:
            wide = pa.large_string() if pa.types.is_string(kind) else kind
            self.each(name, lambda _place, column: chunks.extend(column.cast(kind).cast(wide).chunks))
        column = pa.chunked_array(chunks)
        return _text().__from_arrow__(column) if pa.types.is_string(kind) else column.to_pandas()

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make()`` returns, made once for this key: a report asks twice for the same summaries."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found

    def first_seeds(self, most: int) -> tuple[pd.DataFrame, int]:
        """Read whole seeds from the lowest on, at most ``most`` rows but one seed at least, and say how many seeds that is."""
        codes, values = self.numbered("seed")
        order = np.argsort(values)
        counts = np.bincount(codes, minlength=len(values))[order].cumsum()
        seeds = max(1, int((counts <= most).sum()))
        chosen = np.zeros(len(values), dtype=np.bool_)
        chosen[order[:seeds]] = True
        frame = self.at(np.flatnonzero(chosen[codes]), list(self.columns))
        frame.attrs["w2s"] = self.attrs["w2s"]
        return frame, seeds

    def each(self, name: str, put: Callable[[slice, pa.ChunkedArray], None]) -> None:
        """Read one column of every file and give it away with the place of its rows."""
        import pyarrow as pa

        start = at = 0
        for number, length in enumerate(self._lengths):
            mask = None if self._mask is None else self._mask[at : at + length]
            at += length
            if mask is not None and not mask.any():
                continue
            with self._file(number) as opened:
                column = opened.read([name], use_threads=False).column(0)
            column = column if mask is None else column.filter(pa.array(mask))
            put(slice(start, start + len(column)), column)
            start += len(column)

    def _same(self, name: str) -> Any:
        """Return the one value that a column holds, NaN where all are null; None where footers do not tell of one."""
        if (found := self._ranges[name]) is None:
            return None
        low, high, nulls = found
        if nulls and nulls == sum(self._lengths):
            return np.nan
        return low if not nulls and low is not None and low == high else None

    def _values_differ(self, name: str) -> bool:
        import pyarrow.compute as pc

        found: set[Any] = set()

        def look(_place: slice, column: pa.ChunkedArray) -> None:
            for chunk in column.chunks if len(found) < 2 else ():
                found.update(pc.unique(chunk).to_pylist())

        self.each(name, look)
        return len(found) > 1

    def _words(self, name: str) -> pd.Categorical:
        import pandas as pd
        import pyarrow as pa

        codes, values = self.numbered(name)
        kind = self._schema.field(name).type
        return pd.Categorical.from_codes(codes, categories=pa.array(values, kind).to_pandas())

    def _number(
        self, name: str, codes: npt.NDArray[np.int32], coded: Callable[[pa.Array], tuple[Any, Any]]
    ) -> tuple[list[Any], bool]:
        """Put the numbers of a column's values into ``codes``, zeros, from the codes of every piece.

        Returns the values, and whether there are nulls. Zeros that stay are not written: a column of one word takes no memory.
        """
        numbers: dict[Any, int] = {}
        nulls = False

        def put(place: slice, column: pa.ChunkedArray) -> None:
            nonlocal nulls
            at = place.start
            for chunk in column.chunks:
                own, values = coded(chunk)
                if own is None:
                    if number := numbers.setdefault(values[0], len(numbers)):
                        codes[at : at + len(chunk)] = number
                else:
                    some = np.bincount(own + 1, minlength=len(values) + 1) > 0
                    nulls |= bool(some[0])
                    used = np.flatnonzero(some[1:])
                    table = np.full(len(values) + 1, -1, dtype=np.int32)
                    for code in used.tolist():
                        table[code] = numbers.setdefault(values[code], len(numbers))
                    codes[at : at + len(chunk)] = table[own]
                at += len(chunk)

        self.each(name, put)
        return list(numbers), nulls

    def _batches(self, names: Sequence[str]) -> Iterator[tuple[BoolArray | None, pa.RecordBatch]]:
        at = 0
        for number, length in enumerate(self._lengths):
            if self._mask is not None and not self._mask[at : at + length].any():
                at += length
                continue
            with self._file(number) as opened:
                for batch in opened.iter_batches(batch_size=_BATCH, columns=list(names), use_threads=False):
                    yield (None if self._mask is None else self._mask[at : at + batch.num_rows]), batch
                    at += batch.num_rows

    @contextlib.contextmanager
    def _file(self, number: int) -> Iterator[pq.ParquetFile]:
        """Give a file to read, one that stays open or one that is closed afterwards."""
        if self._open:
            yield self._open[number]
        else:
            with self._opened(self._files[number]) as opened:
                yield opened

    def _opened(self, file: Path) -> pq.ParquetFile:
        import pyarrow.parquet as pq

        return pq.ParquetFile(file, read_dictionary=self._words_of, pre_buffer=False)


def _text() -> Any:
    """Return pandas' type of a column of words, which `load` gives."""
    import pandas as pd

    return pd.Series(["a"]).dtype


def _coded_words(array: pa.Array) -> tuple[npt.NDArray[Any] | None, list[Any]]:
    """Number words, null being -1, and list them; None in place of the numbers where all are the one word."""
    import pyarrow as pa

    array = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    if len(array.dictionary) == 1 and not array.null_count:
        return None, array.dictionary.to_pylist()
    return array.indices.fill_null(-1).to_numpy(zero_copy_only=False), array.dictionary.to_pylist()


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _range(footers: Sequence[pq.FileMetaData], place: int) -> tuple[Any, Any, int] | None:
    """Return least and greatest value and the number of nulls of a column; None where a footer lacks them."""
    low, high, nulls = None, None, 0
    for footer in footers:
        for group in range(footer.num_row_groups):
            if not footer.row_group(group).num_rows:
                continue
            found = footer.row_group(group).column(place).statistics
            if found is None or not found.has_null_count or isinstance(found.min, bytes):
                return None
            nulls += found.null_count
            if found.has_min_max:
                low = found.min if low is None else min(low, found.min)
                high = found.max if high is None else max(high, found.max)
            elif found.null_count < found.num_values + found.null_count:
                return None
    return low, high, nulls
