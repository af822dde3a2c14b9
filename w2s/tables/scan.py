"""The rows of a run that are too many for memory: columns are read when they are asked for, one at a time.

A frame of ten million rows with all its columns takes more than ten gigabytes; a column of numbers takes 80 MB.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from w2s.contract.cells import cell_fields, former_names
from w2s.places.url import Url, Where, where_of
from w2s.tables.added_fields import added_fields
from w2s.tables.complete_looks import has_rule
from w2s.tables.load import frame_of, is_stranger, load, parts_of, plain_schema, registered_cell
from w2s.tables.metadata import TableMetadata, merge_metadata, read_metadata

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from w2s.contract.cells import Cell

__all__ = ["StoredRows", "scan"]

T = TypeVar("T")
_MOST_OPEN = 256
"""Files that stay open; of a run of more files than that all are opened again for every column."""


def scan(run: str | os.PathLike[str] | Url, *, cell: type[Cell] | None = None) -> StoredRows | pd.DataFrame:
    """Open the rows of a run without reading them; :func:`w2s.summarize` takes the result in the place of a frame.

    The rows, their order, the metadata and the errors are those of :func:`w2s.load`; the numbers of a summary differ by
    rounding at most. Every file is read once, to compare it with its digest. Memory: the columns that are asked for, one at a
    time.

    A run that needs a look at all its rows together comes back as the frame of `load`: one in a bucket or of files without a
    digest, one whose files have different columns,
    lack fields that are younger or have fields under earlier names, one with cells that are there twice, and
    one whose seeds end at a rule.
    """
    where = where_of(run if isinstance(run, Url) else os.fspath(run))
    found = _opened(where, cell) if isinstance(where, Path) else None
    return load(run, cell=cell) if found is None else found


def _opened(run: Path, cell: type[Cell] | None) -> StoredRows | None:
    """Look at the files of a run; None where `load` has to."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from w2s.files.sealed import seal_fault

    try:
        parts: list[Where] = parts_of(run)
        footers, schemas, documents = [], [], []
        for part in parts:
            content = Path(str(part)).read_bytes()
            file = pq.ParquetFile(pa.BufferReader(content))
            if file.metadata.num_rows and seal_fault(content) != "":  # the part without rows has notes in place of a seal
                return None
            footers.append(file.metadata)
            schemas.append(plain_schema(file.schema_arrow).remove_metadata())
            documents.append(read_metadata(file.schema_arrow, part))
            if is_stranger(file.schema_arrow, part):
                return None
    except (pa.ArrowException, OSError, OverflowError, MemoryError):
        return None  # `load` says what is wrong
    metadata = merge_metadata(documents, parts)
    cell = cell or registered_cell(metadata.get("study"))
    later = [] if cell is None else added_fields(cell)
    alike = all(schema == schemas[0] for schema in schemas) and len(set(schemas[0].names)) == len(schemas[0])
    flat = not any(pa.types.is_nested(kind) for kind in schemas[0].types)
    renamed = set() if cell is None else former_names(cell_fields(cell)).keys() & set(schemas[0].names)
    if renamed or not (alike and flat and set(later) <= set(schemas[0].names)) or has_rule(metadata):
        return None
    metadata["fields"] = list(dict.fromkeys([*metadata.get("fields", []), *later]))
    rows = StoredRows([Path(str(part)) for part in parts], footers, schemas[0], metadata)
    return None if rows.repeats() else rows


class StoredRows:
    """Rows on disk, with the part of a frame's interface that summaries use: ``columns``, ``attrs``, a length, ``rows[name]``.

    A column of numbers is the series that `load` gives; one of words or truth values is a categorical series of the same
    values. Nothing is kept between two calls but what :meth:`kept` is asked to keep.
    """

    def __init__(
        self, files: Sequence[Path], footers: Sequence[pq.FileMetaData], schema: pa.Schema, metadata: dict[str, Any]
    ) -> None:
        import pandas as pd

        self.columns = pd.Index(schema.names)
        self.attrs = {"w2s": TableMetadata(metadata)}
        self._files, self._schema = files, schema
        self._lengths = [footer.num_rows for footer in footers]
        self._ranges = {name: _range(footers, place) for place, name in enumerate(schema.names)}
        self._words_of = [field.name for field in schema if field.name != "cell_id" and not _is_number(field.type)]
        self._open = [self._opened(file) for file in files] if len(files) <= _MOST_OPEN else []
        self._kept: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return sum(self._lengths)

    def __getitem__(self, name: str) -> pd.Series[Any]:
        """Read a column."""
        import pandas as pd
        import pyarrow as pa

        kind = self._schema.field(name).type
        if not _is_number(kind):
            return pd.Series(self._words(name), name=name)
        low, high, nulls = self._ranges[name] or (None, None, 1)
        if nulls == len(self) or (not nulls and low == high):
            dtype = np.float64 if nulls or pa.types.is_floating(kind) else np.int64
            return pd.Series(np.full(len(self), np.nan if nulls else low, dtype=dtype), name=name)
        values = np.empty(len(self), dtype=np.float64 if nulls else kind.to_pandas_dtype())
        self._each(name, lambda place, column: values.__setitem__(place, column.to_numpy(zero_copy_only=False)))
        if values.dtype != kind.to_pandas_dtype() and not np.isnan(values).any():
            values = values.astype(kind.to_pandas_dtype())
        return pd.Series(values, name=name, copy=False)

    def varies(self, name: str) -> bool:
        """Tell whether a column takes more than one value, null being one. Of most columns of numbers the footers tell."""
        low, high, nulls = self._ranges[name] or (None, None, None)
        if nulls is not None and (nulls == len(self) or (low is not None and low == high)):
            return 0 < nulls < len(self)
        return nulls == 0 or self.kept(("varies", name), lambda: self._values_differ(name))

    def has_value(self, name: str) -> bool:
        """Tell whether a column has a value that is not null."""
        found = self._ranges[name]
        return bool(self[name].notna().any()) if found is None else found[2] < len(self)

    def at(self, places: npt.NDArray[np.int64], names: Sequence[str]) -> pd.DataFrame:
        """Read some rows of some columns, as `load` gives them."""
        import pandas as pd

        found = {}
        for name in names:
            column = self[name].iloc[places].reset_index(drop=True)
            words = isinstance(column.dtype, pd.CategoricalDtype)
            found[name] = column.astype(column.cat.categories.dtype) if words else column
        return pd.DataFrame(found, index=range(len(places)))

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make()`` returns, made once for this key: a report asks twice for the same summaries."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found

    def first_seeds(self, most: int) -> tuple[pd.DataFrame, int]:
        """Read whole seeds from the lowest on, at most ``most`` rows but one seed at least, and say how many seeds that is."""
        import pyarrow.compute as pc
        import pyarrow.dataset as ds

        counts = self["seed"].value_counts().sort_index()
        seeds = max(1, int((counts.cumsum() <= most).sum()))
        chosen = pc.field("seed") <= int(counts.index[seeds - 1])
        table = ds.dataset([str(file) for file in self._files], schema=self._schema, format="parquet").to_table(filter=chosen)
        frame = frame_of([table])
        frame.attrs["w2s"] = self.attrs["w2s"]
        return frame, seeds

    def repeats(self) -> bool:
        """Tell whether a cell may be there twice: whether two identities have the same 64 bits of hash."""
        if "cell_id" not in self.columns or self._schema.field("cell_id").type != "string":
            return True
        found = np.empty(len(self), dtype=np.uint64)
        try:
            self._each("cell_id", lambda place, column: found.__setitem__(place, _hashes(column)))
        except ValueError:
            return True
        found.sort()
        return bool((found[1:] == found[:-1]).any())

    def _values_differ(self, name: str) -> bool:
        import pyarrow.compute as pc

        found: set[Any] = set()

        def look(_place: slice, column: pa.ChunkedArray) -> None:
            for chunk in column.chunks if len(found) < 2 else ():
                coded = hasattr(chunk, "dictionary")
                found.update((chunk.dictionary if coded else pc.unique(chunk)).to_pylist(), [None] * bool(chunk.null_count))

        self._each(name, look)
        return len(found) > 1

    def _words(self, name: str) -> pd.Categorical:
        import pandas as pd
        import pyarrow as pa

        codes = np.empty(len(self), dtype=np.int32)
        numbers: dict[Any, int] = {}

        def put(place: slice, column: pa.ChunkedArray) -> None:
            at = place.start
            for chunk in (column if pa.types.is_dictionary(column.type) else column.dictionary_encode()).chunks:
                own = [numbers.setdefault(value, len(numbers)) for value in chunk.dictionary.to_pylist()]
                table = np.array([*own, -1], dtype=np.int32)
                codes[at : at + len(chunk)] = table[chunk.indices.fill_null(len(own)).to_numpy(zero_copy_only=False)]
                at += len(chunk)

        self._each(name, put)
        kind = self._schema.field(name).type
        return pd.Categorical.from_codes(codes, categories=pa.array(list(numbers), kind).to_pandas())

    def _opened(self, file: Path) -> pq.ParquetFile:
        import pyarrow.parquet as pq

        return pq.ParquetFile(file, read_dictionary=self._words_of, pre_buffer=False)

    def _each(self, name: str, put: Callable[[slice, pa.ChunkedArray], None]) -> None:
        """Read one column of every file and give it away with the place of its rows."""
        start = 0
        for place, (file, length) in enumerate(zip(self._files, self._lengths, strict=True)):
            with contextlib.ExitStack() as stack:
                opened = self._open[place] if self._open else stack.enter_context(self._opened(file))
                put(slice(start, start + length), opened.read([name], use_threads=False).column(0))
            start += length


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _range(footers: Sequence[pq.FileMetaData], place: int) -> tuple[Any, Any, int] | None:
    """Return least and greatest value and the number of nulls of a column of numbers; None where a footer lacks them."""
    low, high, nulls = None, None, 0
    for footer in footers:
        for group in range(footer.num_row_groups):
            if not footer.row_group(group).num_rows:
                continue
            found = footer.row_group(group).column(place).statistics
            if found is None or not found.has_null_count or isinstance(found.min, str | bytes | bool):
                return None
            nulls += found.null_count
            if found.has_min_max:
                low = found.min if low is None else min(low, found.min)
                high = found.max if high is None else max(high, found.max)
            elif found.null_count < found.num_values + found.null_count:
                return None
    return low, high, nulls


def _hashes(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Mix the 32 digits of identities to 64 bits. Raises ValueError for identities of another length."""
    mixed = []
    for chunk in column.chunks:
        offsets = np.frombuffer(chunk.buffers()[1], dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        if chunk.null_count or (len(chunk) and (np.diff(offsets) != 32).any()):
            raise ValueError("identities have 32 digits")
        letters = np.empty(0, dtype=np.uint8)
        if len(chunk):
            letters = np.frombuffer(chunk.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]]
        total = np.zeros(len(chunk), dtype=np.uint64)
        for word in letters.view(np.uint64).reshape(-1, 4).T:
            total = (total ^ word) * np.uint64(0x9E3779B97F4A7C15)
            total ^= total >> np.uint64(29)
        mixed.append(total)
    return np.concatenate(mixed) if mixed else np.empty(0, dtype=np.uint64)
