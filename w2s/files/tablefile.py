"""Tables in files: CSV and JSON lines (gzip too), Parquet, Arrow IPC. Nothing is ever unpickled.

A file is read as it is written. No type is guessed: the cells of a CSV file, and the numbers of JSON lines, stay the text that
stands there, in columns that :class:`w2s.files.columns.Column` calls untyped. Who uses a column says whether its cells are
names, texts or numbers. Parquet and Arrow files have types of their own.
"""

from __future__ import annotations

import codecs
import csv
import functools
import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from w2s.errors import FieldError
from w2s.files.columns import untyped
from w2s.files.jsonlines import read_json_lines

__all__ = [
    "TABLE_ENDINGS",
    "ending_hint",
    "named_errors",
    "other_separator",
    "read_arrow",
    "read_table_file",
    "read_typed_file",
]

TABLE_ENDINGS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet", ".pq", ".arrow", ".feather")
_FILE_MAGIC = b"ARROW1"
_LINE_BYTES = 1 << 26  # a row of CSV or JSON must fit into one block, and a text can be long
_OTHER_BOMS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
_LONGEST_CELL = 1 << 30


def read_table_file(name: str, path: Path, *, also: tuple[str, ...] = ()) -> pa.Table:
    """Read a table by the ending of its file name; cached per path, time and size.

    Cells of CSV and JSON lines are text as written, see :mod:`w2s.files.columns`. White space around a column's name is no part
    of it. ``name`` is what the user wrote, and ``also`` are endings that the caller reads by itself: both for messages. Raises
    :class:`w2s.errors.FieldError` for an unknown ending, a file that cannot be read, is not UTF-8, has no rows, or names a
    column twice.
    """
    if not path.name.endswith(TABLE_ENDINGS):
        raise FieldError(f"{name}: {ending_hint(path.name, also)}")
    with named_errors(name):
        stat = path.stat()
        table = _read(path, stat.st_mtime_ns, stat.st_size)
    if table.num_rows == 0:
        raise FieldError(f"{name}: the file has no rows")
    if twice := sorted({column for column in table.column_names if table.column_names.count(column) > 1}):
        raise FieldError(f"{name}: {f'the column {twice[0]!r} is listed twice' if twice[0] else 'two columns have no name'}")
    return table


def ending_hint(file: str, also: tuple[str, ...] = ()) -> str:
    """Say which endings of table files are known; for a JSON file, how to make JSON lines of it."""
    remedy = "; a JSON array becomes JSON lines by: jq -c '.[]' FILE.json > FILE.jsonl" if file.endswith(".json") else ""
    return f"unknown kind of file; known: {', '.join(TABLE_ENDINGS + also)}{remedy}"


def other_separator(columns: Sequence[str]) -> str:
    """Say which sign separates the columns of a CSV file that seems to have one; nothing where commas do."""
    signs = [sign for sign in (";", "\t", "|") if len(columns) == 1 and sign in columns[0]]
    return f"columns seem to be separated by {signs[0]!r}; a CSV file separates them by ','" if signs else ""


def read_typed_file(path: Path) -> pa.Table:
    """Read a table with types guessed from its cells: for a known data set, whose reader knows what its columns hold.

    The identities of items are hashes of such rows. Raises :class:`w2s.errors.FieldError` as :func:`read_table_file` does.
    """
    with named_errors(path.name):
        return _read_typed(path)


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Turn errors of reading a file into a :class:`FieldError` of one line that names the file."""
    try:
        yield
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, csv.Error, RecursionError, pa.ArrowException) as error:
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
    table = _read_stored(path)
    renamed = table.rename_columns([column.strip() for column in table.column_names])
    return renamed.replace_schema_metadata(table.schema.metadata)


def _read_stored(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    if path.suffix in (".parquet", ".pq"):
        names = pq.read_schema(path).names
        if len(set(names)) < len(names):
            return _names_alone(names)
        table = pq.read_table(path, page_checksum_verification=True)
        table.validate(full=True)
        return table
    if path.suffix in (".arrow", ".feather"):
        table = read_arrow(path)
        table.validate(full=True)
        return table
    with pa.input_stream(str(path), compression="detect") as stream:
        data = stream.read()
    text = _decoded(data)
    return _read_csv(data, text) if path.name.endswith((".csv", ".csv.gz")) else read_json_lines(text)


def _decoded(data: bytes) -> str:
    """Return the text of a file; raise ValueError where it is not UTF-8, with the line."""
    if encoding := next((word for mark, word in _OTHER_BOMS.items() if data.startswith(mark)), None):
        raise ValueError(f"it is {encoding}, not UTF-8; save it as UTF-8")
    if (place := data.find(b"\0")) >= 0:
        raise ValueError(f"line {_line(data, place)} holds a NUL byte: it is no text, or UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ValueError(f"line {_line(data, error.start)} is not UTF-8 (byte 0x{byte:02x}); save it as UTF-8") from None


def _line(data: bytes, place: int) -> int:
    return data.count(b"\n", 0, place) + 1


def _read_csv(data: bytes, text: str) -> pa.Table:
    """Read every cell as text. Quotes are checked first: a stray one would join rows without a word."""
    import pyarrow.csv

    if '"' in text:
        _check_quotes(text)
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    few = len(data) < _LINE_BYTES  # on one thread, where errors have row numbers
    reading = pyarrow.csv.ReadOptions(use_threads=not few, block_size=min(len(data) + 1, _LINE_BYTES))
    names = pyarrow.csv.open_csv(pa.BufferReader(data), reading, options).schema.names
    if len(set(names)) < len(names):
        return _names_alone(names)
    convert = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    table = pyarrow.csv.read_csv(pa.BufferReader(data), reading, options, convert)
    return pa.table(table.columns, schema=pa.schema([untyped(name) for name in names]))


def _names_alone(names: list[str]) -> pa.Table:
    """Make a table of these names, for the complaint about one that is there twice."""
    return pa.table([pa.array([""])] * len(names), names=names)


def _check_quotes(text: str) -> None:
    """Raise for a quote that is not closed, or closed before the end of its cell."""
    before = csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for _ in rows:
            pass
    except csv.Error as error:
        problem = "a quote is opened and not closed" if "unexpected end" in str(error) else str(error)
        raise ValueError(f"line {rows.line_num}: {problem}; a quote within a quoted cell is written twice") from None
    finally:
        csv.field_size_limit(before)


def _read_typed(path: Path) -> pa.Table:
    import pyarrow.csv
    import pyarrow.json

    if path.name.endswith((".csv", ".csv.gz")):
        table = pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True))
        if wrong := [column.name for column in table.schema if pa.types.is_binary(column.type)]:
            raise ValueError(f"column {wrong[0]!r} is not UTF-8")
        return table
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        return _read_stored(path)
    with pa.input_stream(str(path), compression="detect") as stream:
        return pyarrow.json.read_json(
            stream,
            read_options=pyarrow.json.ReadOptions(block_size=_LINE_BYTES),
            parse_options=pyarrow.json.ParseOptions(newlines_in_values=False),
        )
