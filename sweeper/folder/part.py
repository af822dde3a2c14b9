"""One part as a file: how rows are laid down, how the file is made durable, and what its footer tells."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sweeper.errors import RunError
from w2s.places.known import source_of
from w2s.places.url import Where
from w2s.user_files import short_digest

__all__ = ["BLOCK", "CODE", "Code", "DamagedPartError", "Part", "read_part", "rows_file", "status_counts", "unreadable"]

BLOCK = b"w2s.block"
"""Metadata key under which a part says which block it holds."""
CODE = b"w2s.code"
"""Metadata key under which a part says what code outside this package made its rows; parts of earlier releases lack it."""
_LOOK = 512


class DamagedPartError(RunError):
    """A part that cannot be read; the next launch sets it aside and computes its cells again."""

    def __init__(self, path: Where, why: object) -> None:
        super().__init__(f"{path} is damaged ({why}); launch the grid again to set it aside and recompute its cells")
        self.path = path


@dataclass(frozen=True)
class Code:
    """Code outside this package on which rows depend: names and digests, as :func:`w2s.user_files.code_files` gives them.

    ``study`` are the files of the study, ``parts`` the modules of what it uses beside: losses, methods.
    """

    study: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def together(self) -> dict[str, str]:
        """Everything by name."""
        return {**self.parts, **self.study}

    @property
    def digest(self) -> str | None:
        """What a row carries: one digest of everything; None where this package is all."""
        return short_digest(self.together) if self.together else None

    def metadata(self) -> dict[bytes, bytes]:
        """Return what a part carries."""
        return {CODE: json.dumps({"study": dict(self.study), "parts": dict(self.parts)}).encode()}


@dataclass(frozen=True)
class Part:
    """One part file, as its footer tells it; ``code`` is None for a part of an earlier release, which does not say."""

    path: Where
    key: str
    study: str
    version: int
    rows: int
    statuses: Mapping[str, int]
    seconds: float
    code: Code | None = None

    @property
    def failed(self) -> int:
        """Rows with status ``failed``: they are tried again by the next launch."""
        return int(self.statuses.get("failed", 0))


def unreadable(path: Where, error: Exception) -> RunError:
    """Return an error for a part whose reading gave ``error``: it is damaged, unless the system refused to read it."""
    if isinstance(error, OSError) and error.errno is not None:
        return RunError(f"{path} cannot be read: {error.strerror or os.strerror(error.errno)}")
    return DamagedPartError(path, str(error).splitlines()[0])


def read_part(path: Where) -> Part:
    """Read one part's footer. Raises :class:`DamagedPartError`, and :class:`RunError` for a file that is no part."""
    try:
        metadata = pq.read_schema(source_of(path)).metadata
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from None
    try:
        footer = json.loads(metadata[BLOCK])
        return Part(
            path=path,
            key=footer["key"],
            study=footer["study"],
            version=footer["version"],
            rows=sum(footer["statuses"].values()),
            statuses=footer["statuses"],
            seconds=footer["seconds"],
            code=Code(**json.loads(metadata[CODE])) if CODE in metadata else None,
        )
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{path} is not a part of a run; move it away and launch again") from None


def status_counts(table: pa.Table) -> dict[str, int]:
    """Count the rows of a table by status."""
    return {str(item["values"]): int(item["counts"]) for item in table["status"].value_counts().to_pylist()}


def rows_file(table: pa.Table) -> memoryview:
    """Return a table as the content of a Parquet file, for one write: its columns would be a hundred.

    Arrow's own schema is left out: every type of a table is one of Parquet's, and the metadata would be stored twice.
    """
    buffer = pa.BufferOutputStream()
    bare = table.replace_schema_metadata()
    with pq.ParquetWriter(buffer, bare.schema, store_schema=False, **_layout(table)) as writer:
        writer.write_table(bare)
        writer.add_key_value_metadata(table.schema.metadata or {})
    return memoryview(buffer.getvalue())


def _layout(table: pa.Table) -> dict[str, Any]:
    """Return options of the Parquet writer: dictionaries where values repeat, compression elsewhere, ranges of numbers only.

    A dictionary of numbers that all differ costs more than the numbers. Where values repeat, the dictionary leaves a few bytes,
    and compressing them takes longer than writing them.
    """
    columns = zip(table.column_names, table.schema.types, table.columns, strict=True)
    repeats = {name: _repeats(name, kind, column) for name, kind, column in columns}
    return {
        "use_dictionary": [name for name, repeated in repeats.items() if repeated],
        "compression": {name: "none" if repeated else "zstd" for name, repeated in repeats.items()},
        "write_statistics": [field.name for field in table.schema if field.type in (pa.int64(), pa.float64())],
    }


def _repeats(name: str, kind: pa.DataType, column: pa.ChunkedArray) -> bool:
    if name == "cell_id" or kind != pa.float64():
        return name != "cell_id"
    head = column.slice(0, _LOOK).to_numpy()
    return 2 * len(np.unique(head)) <= len(head)
