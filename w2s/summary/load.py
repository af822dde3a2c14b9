"""Read the rows of a run into one pandas frame."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

METADATA_KEY = b"w2s"
_LISTS = ("fields", "axes", "metrics")


def load(run: str | os.PathLike[str]) -> pd.DataFrame:
    """Rows of a run as a frame; the table's metadata (cell fields, axes, metrics, study) in ``df.attrs["w2s"]``.

    `run` is a run folder (with ``results/*.parquet``), the results folder itself, or one Parquet file. Files whose name
    starts with "." are parts still being written and are skipped, so a run can be read while it works. Nulls of numeric
    columns become NaN. Rows come in the order of the file names.

    Raises FileNotFoundError when there is nothing to read, saying what was expected, and ValueError when a part is not
    a Parquet file or when parts of different studies or study versions are mixed.
    """
    parts = _parts(Path(run))
    with ThreadPoolExecutor(max_workers=min(8, len(parts))) as pool:
        tables = list(pool.map(_read, parts))
    metadata = _merge([_metadata(table, part) for table, part in zip(tables, parts, strict=True)], parts)
    frame = _to_frame(tables)
    frame.attrs["w2s"] = metadata
    return frame


def _parts(path: Path) -> list[Path]:
    """Parquet files behind a run folder, a results folder or one file, sorted by name."""
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


def _metadata(table: pa.Table, part: Path) -> dict[str, Any]:
    raw = (table.schema.metadata or {}).get(METADATA_KEY)
    if raw is None:
        return {}
    content = json.loads(raw)
    if not isinstance(content, dict):
        raise ValueError(f"{part}: schema metadata {METADATA_KEY.decode()!r} must be a JSON object, got {raw[:60]!r}")
    return content


def _merge(contents: list[dict[str, Any]], parts: list[Path]) -> dict[str, Any]:
    """One description of all parts: lists are united in order, other keys are those of the first part that has them."""
    merged: dict[str, Any] = {}
    origin: dict[str, Path] = {}
    for content, part in zip(contents, parts, strict=True):
        for key in ("study", "version"):
            if key in merged and key in content and merged[key] != content[key]:
                raise ValueError(
                    f"mixed tables: {key} is {merged[key]!r} in {origin[key]} and {content[key]!r} in {part}; load them "
                    "one by one"
                )
        for key, value in content.items():
            origin.setdefault(key, part)
            if key in _LISTS:
                merged[key] = list(dict.fromkeys([*merged.get(key, []), *value]))
            else:
                merged.setdefault(key, value)
    return merged


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
