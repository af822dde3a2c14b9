"""Files that other programs open: CSV, a workbook, a data set folder as the Hugging Face hub has them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweeper.errors import UserError
from w2s.files.durable import whole

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["missing_library", "plain_value", "write_csv", "write_hf", "write_xlsx"]

_MOST_XLSX = 1_048_575
"""Rows below the heading that a sheet can have."""


def missing_library(name: str) -> UserError:
    """Return an error for a library that is not installed, with the extra of its form that brings it."""
    extra = {"openpyxl": "xlsx"}.get(name, name)
    return UserError(f"{name} is not installed: pip install 'w2s-sweep[{extra}]'")


def plain_value(value: Any) -> Any:
    """Return a value of a frame as a plain number, text or None."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or value != value:
        return None
    return value if isinstance(value, bool | int | float | str) else json.dumps(value, default=str)


def write_csv(rows: DataFrame, notes: DataFrame, out: Path, about: Mapping[str, Any]) -> None:  # noqa: ARG001
    """Write a folder with ``rows.csv`` and ``columns.csv``, what each column means. Numbers have all their digits."""
    out.mkdir(parents=True)
    for name, frame in (("rows.csv", rows), ("columns.csv", notes.reset_index())):
        with whole(out / name) as temporary:
            frame.to_csv(temporary, index=False)


def write_xlsx(rows: DataFrame, notes: DataFrame, out: Path, about: Mapping[str, Any]) -> None:
    """Write a workbook: sheets ``rows``, ``summary`` (means over seeds) and ``columns``.

    Words are never formulas; a workbook keeps 16 digits of a number. Raises :class:`UserError` for more rows than a sheet has.
    """
    import w2s

    try:
        import openpyxl
    except ImportError:
        raise missing_library("openpyxl") from None
    if len(rows) > _MOST_XLSX:
        raise UserError(f"a sheet has at most {_MOST_XLSX:,} rows, here are {len(rows):,}; export --to csv")
    book = openpyxl.Workbook(write_only=True)
    book.properties.title, book.properties.creator = about["name"], "w2s-sweep"
    for title, frame in (("rows", rows), ("summary", w2s.summarize(rows)), ("columns", notes.reset_index())):
        sheet = book.create_sheet(title)
        sheet.freeze_panes = "A2"
        sheet.append([str(name) for name in frame.columns])
        for values in frame.itertuples(index=False, name=None):
            sheet.append([_cell(sheet, value) for value in values])
    with whole(out) as temporary:
        book.save(temporary)


def _cell(sheet: Any, value: Any) -> Any:
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, WriteOnlyCell

    plain = plain_value(value)
    if not isinstance(plain, str):
        return plain
    clean = ILLEGAL_CHARACTERS_RE.sub("", plain)[:32_000]
    cell = WriteOnlyCell(sheet, clean)
    cell.data_type = "s"  # a text that begins with = is a text
    return cell


def write_hf(rows: DataFrame, notes: DataFrame, out: Path, about: Mapping[str, Any]) -> None:
    """Write a data set folder: ``data/train.parquet`` and ``README.md``, a card with the meaning of every column.

    ``datasets.load_dataset(folder)`` reads it, and it can be uploaded as it is.
    """
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    described = [
        field.with_metadata(
            {"description": str(notes.loc[field.name, "description"]), "unit": str(notes.loc[field.name, "unit"])}
        )
        for field in table.schema
    ]
    buffer = io.BytesIO()
    pq.write_table(table.cast(pa.schema(described)), buffer, compression="zstd")
    (out / "data").mkdir(parents=True)
    with whole(out / "data" / "train.parquet") as temporary:
        temporary.write_bytes(buffer.getvalue())
    with whole(out / "README.md") as temporary:
        temporary.write_text(_card(notes, about, len(rows)), encoding="utf-8")


def _card(notes: DataFrame, about: Mapping[str, Any], rows: int) -> str:
    front = {
        "pretty_name": about["name"],
        "tags": ["weak-to-strong generalization"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/*.parquet"}]}],
    }
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in front.items()), "---", "", f"# {about['name']}", ""]
    lines += [f"{rows:,} rows of the study {about['study']}, version {about['version']}: {about['summary']}", ""]
    lines += [f"Made by w2s-sweep {about['package'] or 'of unknown version'}.", ""]
    lines += ["| column | role | unit | meaning |", "|---|---|---|---|"]
    for name, note in notes.iterrows():
        text = str(note["description"]).replace("|", "\\|").replace("\n", " ")
        lines.append(f"| `{name}` | {note['role']} | {note['unit']} | {text} |")
    return "\n".join(lines) + "\n"
