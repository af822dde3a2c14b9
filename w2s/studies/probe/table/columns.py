"""What the probe study takes from a file, in words for ``plan``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from w2s.laws.feature_maps import input_remarks, used_columns
from w2s.laws.table import Table, load_table

__all__ = ["lines_of"]

_SHOWN = 12


def lines_of(levels: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name target and classes of one table, the columns of each feature map, and all others with the reason.

    ``levels`` are the cells' fields for that table: they may differ in features and in the published split.
    """
    first = levels[0]
    table = load_table(first["data"], first["target"], first["task"], first["encoders"])
    target = first["target"] or ("digit" if first["data"].name == "digits" else "y")
    classes = f", {len(table.classes)} classes: {_listed(table.classes)}" if table.classes else ""
    yield f"{table.name}: {len(table):,} rows; target {target!r}{classes}"
    maps = dict.fromkeys((role, level[f"{role}_features"]) for role in ("weak", "strong") for level in levels)
    seen = {level["split"] for level in levels}
    for role, name in maps:
        columns = used_columns(name, table)
        seen |= set(columns)
        yield f"  {role} features {name}{_counted(columns)}"
    if unused := list(_unused(table, seen)):
        yield f"  left out: {_listed(unused, '')}"
    for remark in input_remarks((name for _, name in maps), table):
        yield f"  ! {remark}"


def _counted(columns: Sequence[str]) -> str:
    return f": {len(columns)} column{'s' if len(columns) > 1 else ''}, {_listed(columns)}" if columns else ""


def _unused(table: Table, seen: set[str | None]) -> Iterator[str]:
    """Yield the columns that no model sees, with the reason."""
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
