"""Open the rows of a run that are too many for memory; a run that needs a look at all of them together is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.contract.cells import cell_fields, former_names
from w2s.places.url import Url, Where, where_of
from w2s.tables.added_fields import added_fields
from w2s.tables.complete_looks import has_rule
from w2s.tables.file_names import names_apart
from w2s.tables.load import is_stranger, load, parts_of, plain_schema, registered_cell
from w2s.tables.metadata import merge_metadata, read_metadata
from w2s.tables.stored_rows import StoredRows

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from w2s.contract.cells import Cell

__all__ = ["StoredRows", "scan"]


def scan(run: str | os.PathLike[str] | Url, *, cell: type[Cell] | None = None) -> StoredRows | pd.DataFrame:
    """Open the rows of a run without reading them; :func:`w2s.summarize` takes the result in the place of a frame.

    The rows, their order, the metadata and the errors are those of :func:`w2s.load`; the numbers of a summary differ by
    rounding at most. Every file is read once, to compare it with its digest. Memory: the columns that are asked for, one at a
    time.

    A run that needs a look at all its rows together comes back as the frame of `load`: one in a bucket or of files without a
    digest, one whose files have different columns,
    lack fields that are younger or have fields under earlier names, one with cells that are there twice, one that names a file
    in several ways, and one whose seeds end at a rule.
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
    if any(names_apart([content.get("files", {}) for content in documents])):
        return None
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
    return None if _repeats(rows, schemas[0]) else rows


def _repeats(rows: StoredRows, schema: pa.Schema) -> bool:
    """Tell whether a cell may be there twice: whether two identities have the same 64 bits of hash."""
    if "cell_id" not in schema.names or schema.field("cell_id").type != "string":
        return True
    found = np.empty(len(rows), dtype=np.uint64)
    try:
        rows.each("cell_id", lambda place, column: found.__setitem__(place, _hashes(column)))
    except ValueError:
        return True
    found.sort()
    return bool((found[1:] == found[:-1]).any())


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
