"""What a table says of its columns: description, unit and role of each, as metadata of its Arrow fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from w2s.contract.cells import FieldSpec, cell_fields
from w2s.contract.columns import PROVENANCE
from w2s.contract.rows import table_schema
from w2s.contract.study import Study
from w2s.glossary import meaning_of

__all__ = ["ColumnNote", "Role", "column_notes", "described_schema"]

Role = Literal["identity", "field", "result", "provenance"]
"""What a column is for: which cell it is, its place in the grid, what came out, how it was made."""
_IDENTITY = ("cell_id", "study", "version")
_ALL_DIFFERENT = ("cell_id", "message", "traceback")


@dataclass(frozen=True)
class ColumnNote:
    """What one column holds; description and unit are empty where nothing is known."""

    name: str
    type: str
    role: Role
    description: str
    unit: str


def column_notes(study: type[Study]) -> tuple[ColumnNote, ...]:
    """Describe every column of a study's table, in its order.

    Fields say what they are, results of a built-in study are in the glossary, those of another in ``Study.explains``.
    """
    fields = cell_fields(study.Cell)
    return tuple(_note(study, column, fields.get(column.name)) for column in table_schema(study))


def described_schema(study: type[Study]) -> pa.Schema:
    """Return the schema of a study's table with notes: metadata ``description``, ``unit``, ``role`` of each field.

    Columns of words that repeat are dictionaries (indices int32), so that a reader of the whole run holds each word once.
    """
    notes = {note.name: note for note in column_notes(study)}
    return pa.schema([_described(column, notes[column.name]) for column in table_schema(study)])


def _note(study: type[Study], column: pa.Field, spec: FieldSpec | None) -> ColumnNote:
    if spec is not None:
        when = "; ".join(f"only when {name} is {' or '.join(map(str, values))}" for name, values in spec.when.items())
        text = f"{spec.description}; {when}" if when else spec.description
        return ColumnNote(column.name, str(column.type), "field", text, spec.unit)
    role: Role = "identity" if column.name in _IDENTITY else "provenance" if column.name in PROVENANCE else "result"
    own = study.explains.get(column.name)
    description, unit = (own, "") if own is not None else meaning_of(column.name) or ("", "")
    return ColumnNote(column.name, str(column.type), role, description, unit)


def _described(column: pa.Field, note: ColumnNote) -> pa.Field:
    words = column.type == pa.string() and column.name not in _ALL_DIFFERENT
    kind = pa.dictionary(pa.int32(), pa.string()) if words else column.type
    said = {"description": note.description, "unit": note.unit, "role": note.role}
    return pa.field(column.name, kind, metadata={key: text for key, text in said.items() if text})
