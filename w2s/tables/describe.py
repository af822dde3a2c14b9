"""What the columns of a run mean, as a frame."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from w2s.contract.cells import Cell
from w2s.places.known import place_of, source_of
from w2s.places.url import Url, where_of
from w2s.tables.load import load

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["describe"]

_FIRST = "part-0000-schema.parquet"


def describe(run: str | os.PathLike[str] | Url, *, cell: type[Cell] | None = None) -> pd.DataFrame:
    """Return what each column of a run is: role, unit, description, and what is in it: values, nulls, least and greatest.

    One row for each column, indexed by its name, in the order of the table. ``role`` is identity, field, result or provenance.
    Notes are those that were written with the run; runs of earlier releases have none, and the glossary of this release speaks
    for them where it knows a column. `run` and `cell` are as in :func:`w2s.load`, and it raises as that does.
    """
    import pandas as pd

    from w2s.glossary import meaning_of

    rows, notes = load(run, cell=cell), _notes(run)
    fields = set(rows.attrs["w2s"].get("fields", ()))
    lines = []
    for name in rows.columns:
        note, column = notes.get(name, {}), rows[name]
        known = meaning_of(name) or ("", "")
        number = column.dtype.kind in "iuf"
        lines.append(
            {
                "column": name,
                "role": note.get("role", "field" if name in fields else "result"),
                "unit": note.get("unit", "" if note else known[1]),
                "description": note.get("description", known[0]),
                "values": column.nunique(),
                "nulls": int(column.isna().sum()),
                "least": column.min() if number else None,
                "greatest": column.max() if number else None,
            }
        )
    return pd.DataFrame(lines).set_index("column")


def _notes(run: str | os.PathLike[str] | Url) -> dict[str, dict[str, str]]:
    """Read what the part without rows says of its columns; nothing where there is none, or one of an earlier release."""
    import pyarrow.parquet as pq

    where = where_of(run if isinstance(run, Url) else os.fspath(run))
    place = place_of(where)
    for part in (where / "results" / _FIRST, where / _FIRST) if place.is_folder(where) else (where,):
        if place.exists(part):
            return {field.name: _texts(field) for field in pq.read_schema(source_of(part)) if _texts(field)}
    return {}


def _texts(field: pa.Field) -> dict[str, str]:
    wanted = (b"description", b"unit", b"role")
    return {key.decode(): text.decode("utf-8", "replace") for key, text in (field.metadata or {}).items() if key in wanted}
