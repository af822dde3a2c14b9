"""Read the rows of a run into one pandas frame."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from w2s.contract.cells import cell_fields, former_names
from w2s.errors import first_line
from w2s.places.known import place_of
from w2s.places.url import Url, Where, where_of
from w2s.studies.registry import StudyError, find_study, study_names
from w2s.tables.added_fields import added_fields, with_added_fields, with_names_of_today
from w2s.tables.complete_looks import complete_looks
from w2s.tables.file_names import names_apart, with_files_renamed, with_names_apart
from w2s.tables.metadata import TableMetadata, merge_metadata, read_metadata

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from w2s.contract.cells import Cell

__all__ = ["frame_of", "is_stranger", "load", "parts_of", "plain_schema", "registered_cell"]

_BLOCK_KEY = b"w2s.block"
_LISTS = 5


def load(
    run: str | os.PathLike[str] | Url, *, cell: type[Cell] | None = None, dtypes: Literal["numpy", "nullable"] = "numpy"
) -> pd.DataFrame:
    """Read the rows of a run into a frame; the table's metadata (cell fields, axes, metrics, study) in ``df.attrs["w2s"]``.

    `run` is a run folder (with ``results/*.parquet``), the results folder itself, or one Parquet file. Files whose name
    starts with "." are parts still being written and are skipped, so an unfinished run can be read. Nulls of numeric
    columns become NaN. Rows come in the order of the file names.

    Where the seeds of a run end at a rule (``seeds: {until: ...}``), seeds beyond the last look that a setting has whole are
    left out: no look has judged them yet. A run that has ended has none.

    Rows written before a field of the study existed (declared with ``since=``) get its default, in the cells where it matters;
    a field that was renamed since has its name of today.
    `cell`, the study's cell type, says which fields there are; without it the study is looked up by the name in the metadata,
    and a study that is not registered (one in a file) leaves such rows null.

    `dtypes` "nullable" gives columns pandas' nullable types (Int64, Float64, boolean, string): whole numbers with nulls stay
    whole numbers, and a null is ``pd.NA``, not NaN.

    Raises FileNotFoundError when there is nothing to read, saying what was expected, and ValueError when a part is not
    a Parquet file, when a part is damaged (its bytes are not those that its digest was taken of), or when parts of different
    studies or study versions are mixed.

    A cell counts once, however many files hold it (the "conflicted copy" of a tool that synchronises folders, say): a row that
    is not ``failed`` goes first, then one of a file that has its own name. ``df.attrs["w2s"]["repeated"]`` says how many rows
    were left out for that, where there were any.

    A file that was called otherwise in some parts has one name in all rows, and files of one name but another content have the
    first digits of their digests behind it.
    """
    if dtypes not in ("numpy", "nullable"):
        raise ValueError(f"dtypes: {dtypes!r} is not one of: numpy, nullable")
    parts, tables = _read_all(where_of(run if isinstance(run, Url) else os.fspath(run)))
    strangers = [is_stranger(table.schema, part) for table, part in zip(tables, parts, strict=True)]
    contents = [read_metadata(table.schema, part) for table, part in zip(tables, parts, strict=True)]
    apart = names_apart([content.get("files", {}) for content in contents])
    tables = [with_names_apart(table, new) for table, new in zip(tables, apart, strict=True)]
    metadata = merge_metadata([with_files_renamed(*pair) for pair in zip(contents, apart, strict=True)], parts)
    cell = cell or registered_cell(metadata.get("study"))
    if cell is not None:
        tables = [with_added_fields(with_names_of_today(table, cell), cell) for table in tables]
        former = former_names(cell_fields(cell))
        for key in ("fields", "axes"):
            later = added_fields(cell) if key == "fields" else []
            metadata[key] = list(dict.fromkeys([*(former.get(name, name) for name in metadata.get(key, [])), *later]))
    frame = frame_of(tables, nullable=dtypes == "nullable")
    rows = _each_once(frame, [len(table) for table in tables], strangers)
    if len(rows) < len(frame):
        metadata["repeated"] = len(frame) - len(rows)
    rows = complete_looks(rows, metadata)
    rows.attrs["w2s"] = TableMetadata(metadata)
    return rows


def _read_all(run: Where) -> tuple[list[Where], list[pa.Table]]:
    """Read all parts of a run; where a launch has just merged small parts, the list is made again."""
    for left in reversed(range(_LISTS)):
        parts = parts_of(run)
        try:
            with ThreadPoolExecutor(max_workers=min(8, len(parts))) as pool:
                return parts, list(pool.map(_read, parts))
        except FileNotFoundError:
            if not left:
                raise
    raise AssertionError


def registered_cell(name: Any) -> type[Cell] | None:
    """Return the cell type of the registered study of that name; None where it is not registered or cannot be imported."""
    try:
        return find_study(name).Cell if name in study_names() else None
    except (ImportError, StudyError):
        return None


def parts_of(path: Where) -> list[Where]:
    """List the Parquet files of a run folder, a results folder or one file, sorted by name."""
    place = place_of(path)
    if not place.is_folder(path):
        if place.exists(path):
            return [path]
        raise FileNotFoundError(
            f"{path} does not exist. Expected a run folder (with results/*.parquet), a results folder or a .parquet file"
        )
    results = path / "results"
    parts: list[Where] = place.files(results if place.is_folder(results) else path, suffix=".parquet")
    if not parts:
        raise FileNotFoundError(f"{path} is no run folder: expected {results}/*.parquet, found no finished part")
    return parts


def _read(part: Where) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from w2s.files.regular import NotRegularError
    from w2s.files.sealed import seal_fault

    try:
        content = place_of(part).read(part)
        fault = seal_fault(content)
        if fault:
            raise ValueError(f"{part} is damaged: {fault}")
        # One thread per file: the pool above already works on several.
        table = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True).read(use_threads=False)
        if fault is None:
            table.validate(full=True)
    except (pa.ArrowException, OSError, OverflowError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, NotRegularError):
            raise
        raise ValueError(f"{part} is not a Parquet file, or it is damaged: {first_line(error)}") from error
    return table.cast(plain_schema(table.schema))


def is_stranger(schema: pa.Schema, part: Where) -> bool:
    """Tell whether a part of a run has another name than its own."""
    try:
        return bool(part.stem != f"part-{json.loads((schema.metadata or {})[_BLOCK_KEY])['key']}")
    except (KeyError, TypeError, ValueError, RecursionError):
        return False


def _each_once(frame: pd.DataFrame, lengths: list[int], strangers: list[bool]) -> pd.DataFrame:
    """Leave out rows of cells that are there more than once."""
    import numpy as np

    if not {"cell_id", "status"} <= set(frame.columns) or not frame["cell_id"].duplicated().any():
        return frame
    rank = 2 * (frame["status"] == "failed").to_numpy() + np.repeat(strangers, lengths)
    best = frame.iloc[np.argsort(rank, kind="stable")].drop_duplicates("cell_id")
    return best.sort_index().reset_index(drop=True)


def frame_of(tables: list[pa.Table], *, nullable: bool = False) -> pd.DataFrame:
    """Put tables together as one frame, with pandas' nullable types if asked; ValueError where columns do not fit together."""
    import pyarrow as pa

    # An all-null column of one part must not decide the type of the others.
    try:
        table = pa.concat_tables([item.replace_schema_metadata(None) for item in tables], promote_options="permissive")
    except pa.ArrowException as error:
        raise ValueError(f"parts do not fit together: {first_line(error)}") from None
    if twice := [name for name in table.column_names if table.column_names.count(name) > 1]:
        raise ValueError(f"two columns are called {twice[0]!r}")
    frame: pd.DataFrame = table.to_pandas(types_mapper=_nullable_types().get if nullable else None)
    for name, field in zip(table.column_names, table.schema, strict=True):
        if pa.types.is_nested(field.type):  # arrays cannot be group keys, tuples can
            frame[name] = [None if value is None else _frozen(value) for value in frame[name]]
    return frame


def _nullable_types() -> dict[pa.DataType, Any]:
    import pandas as pd
    import pyarrow as pa

    return {
        pa.int64(): pd.Int64Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(na_value=pd.NA),
    }


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Give dictionaries, which the part without rows declares, the type of the words that they stand for."""
    import pyarrow as pa

    plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
    return pa.schema(plain, metadata=schema.metadata)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, _frozen(item)) for key, item in value.items())
    if hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
