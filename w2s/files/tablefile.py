"""Tables in files: CSV and JSON lines (gzip too), Parquet, Arrow IPC. Nothing is ever unpickled."""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from w2s.errors import FieldError

__all__ = ["TABLE_ENDINGS", "named_errors", "read_arrow", "read_table_file"]

TABLE_ENDINGS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet", ".pq", ".arrow", ".feather")
_FILE_MAGIC = b"ARROW1"
_LINE_BYTES = 1 << 26  # a line of JSON must fit into one block, and a text can be long


def read_table_file(name: str, path: Path, *, also: tuple[str, ...] = ()) -> pa.Table:
    """Read a table by the ending of its file name; cached per path, time and size.

    ``name`` is what the user wrote, and ``also`` are endings that the caller reads by itself: both for messages. Raises
    :class:`w2s.errors.FieldError` for an unknown ending, a file that cannot be read, has no rows, or names a column twice.
    """
    if not path.name.endswith(TABLE_ENDINGS):
        raise FieldError(f"{name}: unknown kind of file; known: {', '.join(TABLE_ENDINGS + also)}")
    with named_errors(name):
        stat = path.stat()
        table = _read(path, stat.st_mtime_ns, stat.st_size)
    if table.num_rows == 0:
        raise FieldError(f"{name}: the file has no rows")
    if twice := sorted({column for column in table.column_names if table.column_names.count(column) > 1}):
        raise FieldError(f"{name}: the column {twice[0]!r} is listed twice")
    return table


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Turn what reading a file may raise into a :class:`FieldError` of one line that names the file."""
    try:
        yield
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, pa.ArrowException) as error:
        raise FieldError(f"{name}: cannot be read: {(str(error).splitlines() or ['it is damaged'])[0]}") from None


def read_arrow(path: Path) -> pa.Table:
    """Read an Arrow IPC file or stream, whichever it is."""
    with pa.memory_map(str(path)) as source:
        is_file = source.read(len(_FILE_MAGIC)) == _FILE_MAGIC
        source.seek(0)
        reader = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
        return reader.read_all()


@functools.lru_cache(maxsize=4)
def _read(path: Path, _mtime: int, _size: int) -> pa.Table:
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet as pq

    if path.suffix in (".parquet", ".pq"):
        return pq.read_table(path)
    if path.suffix in (".arrow", ".feather"):
        return read_arrow(path)
    if path.name.endswith((".csv", ".csv.gz")):
        table = pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True))
        if wrong := [column.name for column in table.schema if pa.types.is_binary(column.type)]:
            raise ValueError(f"column {wrong[0]!r} is not UTF-8")
        return table
    with pa.input_stream(str(path), compression="detect") as stream:
        return pyarrow.json.read_json(
            stream,
            read_options=pyarrow.json.ReadOptions(block_size=_LINE_BYTES),
            parse_options=pyarrow.json.ParseOptions(newlines_in_values=False),
        )
