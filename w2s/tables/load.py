"""Read the rows of a run into one pandas frame."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s.studies.registry import StudyError, find_study, study_names
from w2s.tables.added_fields import added_fields, with_added_fields
from w2s.tables.complete_looks import complete_looks
from w2s.tables.metadata import merge_metadata, read_metadata

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from w2s.contract.cells import Cell

__all__ = ["load"]


def load(run: str | os.PathLike[str], *, cell: type[Cell] | None = None) -> pd.DataFrame:
    """Read the rows of a run into a frame; the table's metadata (cell fields, axes, metrics, study) in ``df.attrs["w2s"]``.

    `run` is a run folder (with ``results/*.parquet``), the results folder itself, or one Parquet file. Files whose name
    starts with "." are parts still being written and are skipped, so an unfinished run can be read. Nulls of numeric
    columns become NaN. Rows come in the order of the file names.

    Where the seeds of a run end at a rule (``seeds: {until: ...}``), seeds beyond the last look that a setting has whole are
    left out: no look has judged them yet. A run that has ended has none.

    Rows written before a field of the study existed (declared with ``since=``) get its default, in the cells where it matters.
    `cell`, the study's cell type, says which fields there are; without it the study is looked up by the name in the metadata,
    and a study that is not registered (one in a file) leaves such rows null.

    Raises FileNotFoundError when there is nothing to read, saying what was expected, and ValueError when a part is not
    a Parquet file or when parts of different studies or study versions are mixed.
    """
    parts = _parts(Path(run))
    with ThreadPoolExecutor(max_workers=min(8, len(parts))) as pool:
        tables = list(pool.map(_read, parts))
    metadata = merge_metadata([read_metadata(table.schema, part) for table, part in zip(tables, parts, strict=True)], parts)
    cell = cell or _registered(metadata.get("study"))
    if cell is not None:
        tables = [with_added_fields(table, cell) for table in tables]
        metadata["fields"] = list(dict.fromkeys([*metadata.get("fields", []), *added_fields(cell)]))
    frame = complete_looks(_to_frame(tables), metadata)
    frame.attrs["w2s"] = metadata
    return frame


def _registered(name: Any) -> type[Cell] | None:
    """Return the cell type of the registered study of that name; None where it is not registered or cannot be imported."""
    try:
        return find_study(name).Cell if name in study_names() else None
    except (ImportError, StudyError):
        return None


def _parts(path: Path) -> list[Path]:
    """List the Parquet files of a run folder, a results folder or one file, sorted by name."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(
            f"{path} does not exist. Expected a run folder (with results/*.parquet), a results folder or a .parquet file"
        )
    results = path / "results"
    folder = results if results.is_dir() else path
    parts = sorted(part for part in folder.glob("*.parquet") if not part.name.startswith("."))
    if not parts:
        raise FileNotFoundError(f"{path} is no run folder: expected {results}/*.parquet, found no finished part")
    return parts


def _read(part: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # One thread per file: the pool above already works on several.
        return pq.ParquetFile(part).read(use_threads=False)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{part} is not a Parquet file: {error}") from error


def _to_frame(tables: list[pa.Table]) -> pd.DataFrame:
    import pyarrow as pa

    # An all-null column of one part must not decide the type of the others.
    table = pa.concat_tables([item.replace_schema_metadata(None) for item in tables], promote_options="permissive")
    frame: pd.DataFrame = table.to_pandas()
    for name, field in zip(table.column_names, table.schema, strict=True):
        if pa.types.is_nested(field.type):  # arrays cannot be group keys, tuples can
            frame[name] = [None if value is None else _frozen(value) for value in frame[name]]
    return frame


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, _frozen(item)) for key, item in value.items())
    if hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
