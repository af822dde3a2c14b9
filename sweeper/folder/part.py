"""One part as a file: how rows are laid down, how damage shows, and what the footer tells.

A footer is data from anywhere: it is checked field by field, and nothing in it decides a path.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweeper.errors import RunError
from w2s.files.regular import NotRegularError
from w2s.files.sealed import MARKS, seal_fault, sealed
from w2s.places.known import place_of, source_of
from w2s.places.url import Where
from w2s.user_files import short_digest

__all__ = [
    "BLOCK",
    "CODE",
    "Code",
    "DamagedPartError",
    "Part",
    "is_whole",
    "read_metadata",
    "read_part",
    "read_rows",
    "rows_file",
    "status_counts",
    "unreadable",
]

BLOCK = b"w2s.block"
"""Metadata key under which a part says which block it holds."""
CODE = b"w2s.code"
"""Metadata key under which a part says what code outside this package made its rows; parts of earlier releases lack it."""
_LOOK = 512
_KEY = re.compile("[0-9a-f]{24}")
_MOST = 2**53
_NEEDED = {"cell_id": pa.string(), "status": pa.string(), "seed": pa.int64()}
"""Columns without which nothing can be done with a part."""
_READING = (OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError, RecursionError, pa.ArrowException)
"""What reading a damaged Parquet file raises."""


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
    """One part file, as its footer tells it; ``code`` is None for a part of an earlier release, which does not say.

    ``origin`` is equal for parts of one launch and code; ``merged`` lists the blocks of a file into which several parts went.
    """

    path: Where
    key: str
    study: str
    version: int
    rows: int
    statuses: Mapping[str, int]
    seconds: float
    code: Code | None = None
    origin: str = ""
    merged: Mapping[str, int] = field(default_factory=dict)

    @property
    def blocks(self) -> Mapping[str, int]:
        """Rows of each block in this file, by its key; one where no parts were merged."""
        return self.merged or {self.key: self.rows}

    @property
    def failed(self) -> int:
        """Rows with status ``failed``: they are tried again by the next launch."""
        return int(self.statuses.get("failed", 0))

    @property
    def has_own_name(self) -> bool:
        """Whether the file has the name that follows from its key."""
        return self.path.name == f"part-{self.key}.parquet"


def unreadable(path: Where, error: BaseException) -> RunError:
    """Return an error for a part whose reading gave ``error``: it is damaged, unless the system refused to read it.

    Raises UnicodeEncodeError for a name that this locale cannot write.
    """
    if isinstance(error, UnicodeEncodeError):
        raise error
    if isinstance(error, NotRegularError | IsADirectoryError):
        return DamagedPartError(path, "it is no regular file")
    if isinstance(error, OSError) and error.errno is not None:
        return RunError(f"{path} cannot be read: {error.strerror or os.strerror(error.errno)}")
    return DamagedPartError(path, (str(error).splitlines() or [type(error).__name__])[0][:200])


def read_part(path: Where, *, whole: bool = False) -> Part:
    """Read one part's footer; with ``whole``, every byte is read and compared with the digest that the part carries.

    Raises :class:`DamagedPartError`, also for a footer that no part has, and :class:`RunError` for a file that is no part. A
    part of an earlier release has no digest: there damage behind the footer shows when rows are read.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(_checked(path)) if whole else source_of(path)) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            metadata = schema.metadata or {}
    except _READING as error:
        raise unreadable(path, error) from None
    if BLOCK not in metadata:
        raise RunError(f"{path} is not a part of a run; move it away and launch again")
    try:
        part = _parsed(path, json.loads(metadata[BLOCK]), json.loads(metadata[CODE]) if CODE in metadata else None)
        origin = hashlib.blake2b(metadata.get(b"w2s", b"") + b"\0" + metadata.get(CODE, b""), digest_size=8).hexdigest()
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedPartError(path, f"its footer is not that of a part: {error}"[:200]) from None
    if odd := [name for name, kind in _NEEDED.items() if schema.field(name).type != kind] if _has(schema) else [*_NEEDED]:
        raise DamagedPartError(path, f"it has no column {odd[0]} of its kind")
    if part.rows != rows:
        raise DamagedPartError(path, f"its footer counts {part.rows} rows, it has {rows}")
    return replace(part, origin=origin)


def read_rows(path: Where, columns: list[str] | None = None) -> pa.Table:
    """Read the rows of a part and compare its bytes with its digest. Raises as :func:`read_part` does."""
    try:
        content = _checked(path)
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            table = file.read(columns=columns, use_threads=False)  # a part is small, and threads take longer to start
        if missing := [name for name in columns or () if name not in table.column_names]:
            raise DamagedPartError(path, f"it has no column {missing[0]}")
        table.validate(full=True)
    except _READING as error:
        raise unreadable(path, error) from None
    return table


def read_metadata(path: Where) -> dict[bytes, bytes]:
    """Read the metadata of a part whose bytes are as they were written. Raises as :func:`read_part` does."""
    try:
        return dict(pq.read_schema(pa.BufferReader(_checked(path))).metadata or {})
    except _READING as error:
        raise unreadable(path, error) from None


def is_whole(path: Where) -> bool:
    """Tell whether a file is a Parquet file with the bytes that it was written with, as far as it carries a digest."""
    try:
        pq.read_schema(pa.BufferReader(_checked(path)))
    except _READING:
        return False
    return True


def _checked(path: Where) -> bytes:
    """Read a file and compare it with its seal, if it has one. Raises OSError and ValueError."""
    content = place_of(path).read(path)
    if fault := seal_fault(content):
        raise ValueError(fault)
    return content


def _parsed(path: Where, footer: Any, code: Any) -> Part:
    """Check what a footer says, field by field. Raises KeyError, TypeError and ValueError."""
    key, study, version, seconds = (footer[name] for name in ("key", "study", "version", "seconds"))
    statuses = footer["statuses"]
    if not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise ValueError(f"key {key!r}"[:80])
    if not _is_text(study):
        raise ValueError(f"study {study!r}"[:80])
    if not _is_count(version):
        raise ValueError(f"version {version!r}"[:80])
    if not isinstance(statuses, dict) or not all(_is_text(word) and _is_count(count) for word, count in statuses.items()):
        raise ValueError(f"statuses {statuses!r}"[:80])
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e12:
        raise ValueError(f"seconds {seconds!r}"[:80])
    rows, merged = sum(statuses.values()), footer.get("blocks", {})
    if not isinstance(merged, dict) or not all(_KEY.fullmatch(key) and _is_count(count) for key, count in merged.items()):
        raise ValueError(f"blocks {merged!r}"[:80])
    if merged and sum(merged.values()) != rows:
        raise ValueError("its blocks have another number of rows")
    return Part(path, key, study, version, rows, statuses, float(seconds), _parsed_code(code), merged=merged)


def _is_text(value: Any) -> bool:
    """Tell whether a value is text that can be printed; JSON can hold halves of letters."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _has(schema: pa.Schema) -> bool:
    return all(schema.names.count(name) == 1 for name in _NEEDED)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _parsed_code(code: Any) -> Code | None:
    if code is None:
        return None
    for kind in (code["study"], code["parts"]):
        if not isinstance(kind, dict) or not all(_is_text(word) for item in kind.items() for word in item):
            raise ValueError(f"code {kind!r}"[:80])
    return Code(code["study"], code["parts"])


def status_counts(table: pa.Table) -> dict[str, int]:
    """Count the rows of a table by status."""
    return {str(item["values"]): int(item["counts"]) for item in table["status"].value_counts().to_pylist()}


def rows_file(table: pa.Table, *, notes: bool = False) -> memoryview:
    """Return a table as the content of a Parquet file, for one write: its columns would be a hundred.

    Arrow's own schema, with what it says of columns, is stored with ``notes`` only: every type of a row is one of Parquet's,
    and the notes of a run are needed once. Pages carry checksums for readers of Parquet, and the file a digest of all its bytes
    (:mod:`w2s.files.sealed`).
    """
    buffer = pa.BufferOutputStream()
    # A reader of a stored schema takes the metadata from there alone.
    bare = table if notes else table.replace_schema_metadata()
    with pq.ParquetWriter(buffer, bare.schema, store_schema=notes, write_page_checksum=True, **_layout(table)) as writer:
        if table.num_rows:  # `datasets` cannot read a group of no rows, but a file without groups
            writer.write_table(bare)
        writer.add_key_value_metadata({**(table.schema.metadata or {}), **MARKS})
    return memoryview(sealed(buffer.getvalue().to_pybytes()))


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
    head = column.slice(0, _LOOK)
    return 2 * int(pc.count_distinct(head, mode="all").as_py()) <= len(head)
