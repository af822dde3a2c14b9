"""What the probe study takes from a file, in words for ``plan``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from w2s.laws.feature_maps import input_remarks, used_columns
from w2s.laws.table import Table, load_table

__all__ = ["lines_of"]

_SHOWN = 12


def lines_of(level: Mapping[str, Any]) -> Iterator[str]:
    """Name the rows, the target with its classes, the columns that each model sees, and all others with the reason."""
    table = load_table(level["data"], level["target"], level["task"])
    target = level["target"] or ("digit" if level["data"].name == "digits" else "y")
    classes = f", {len(table.classes)} classes: {_listed(table.classes)}" if table.classes else ""
    yield f"{table.name}: {len(table):,} rows; target {target!r}{classes}"
    features = {role: level[f"{role}_features"] for role in ("weak", "strong")}
    seen = {role: used_columns(name, table) for role, name in features.items()}
    for role, columns in seen.items():
        yield f"  {role} features {features[role]}{f': {len(columns)} columns, {_listed(columns)}' if columns else ''}"
    unused = list(_unused(table, {column for columns in seen.values() for column in columns} | {level["split"]}))
    if unused:
        yield f"  left out: {_listed(unused, '')}"
    for remark in input_remarks(features.values(), table):
        yield f"  ! {remark}"


def _unused(table: Table, seen: set[str]) -> Iterator[str]:
    """Columns that no model sees, with the reason."""
    for column in table.columns:
        if column not in seen:
            yield f"{column!r} (not named)"
    for column, reason in table.left_out.items():
        if column not in seen:
            yield f"{column!r} ({reason})"
    for column in table.odd:
        if column not in table.left_out:
            yield f"{column!r} (cells without a number)"


def _listed(names: Sequence[str], quote: str = "'") -> str:
    shown = ", ".join(f"{quote}{name}{quote}" for name in names[:_SHOWN])
    return f"{shown}, ... ({len(names)} of them)" if len(names) > _SHOWN else shown
