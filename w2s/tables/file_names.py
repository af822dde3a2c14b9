"""Files in rows: one name for one content, whatever a file was called where the rows were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Files", "names_apart", "with_files_renamed", "with_names_apart"]

Files = Mapping[str, Mapping[str, str]]
"""Digest (sha256) by the name in rows, for every field whose values are files."""
_DIGITS = 8


def names_apart(parts: Sequence[Files]) -> list[dict[str, dict[str, str]]]:
    """Return for each part the new names of files by field: of those alone that are called otherwise now.

    A content has the first of its names in all parts. Where two contents have one name, each has the first digits of its digest
    behind it: ``p.csv (1f0c2a9b)``. Otherwise one setting would be two groups of a summary, or two data sets one group.
    """
    first: dict[tuple[str, str], str] = {}
    for files in parts:
        for field, digests in files.items():
            for name, digest in digests.items():
                first.setdefault((field, digest), name)
    shared: dict[tuple[str, str], int] = {}
    for (field, _), name in first.items():
        shared[field, name] = shared.get((field, name), 0) + 1
    found: list[dict[str, dict[str, str]]] = []
    for files in parts:
        changed: dict[str, dict[str, str]] = {}
        for field, digests in files.items():
            for name, digest in digests.items():
                own = first[field, digest]
                new = f"{own} ({digest[:_DIGITS]})" if shared[field, own] > 1 else own
                if new != name:
                    changed.setdefault(field, {})[name] = new
        found.append(changed)
    return found


def with_files_renamed(content: Mapping[str, Any], new: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the metadata of a part with the new names of its files."""
    files = {
        field: {new.get(field, {}).get(name, name): digest for name, digest in digests.items()}
        for field, digests in content.get("files", {}).items()
    }
    return {**content, "files": files} if files else dict(content)


def with_names_apart(table: pa.Table | DataFrame, new: Mapping[str, Mapping[str, str]]) -> Any:
    """Return an Arrow table or a frame with the new names of files."""
    for field, names in new.items():
        if isinstance(table, pa.Table):
            if field in table.column_names:
                place, column = table.column_names.index(field), table[field]
                written = pa.array([names.get(name, name) for name in column.to_pylist()], pa.string())
                table = table.set_column(place, table.schema.field(field), pa.chunked_array([written.cast(column.type)]))
        elif field in table:
            column, kind = table[field].astype(object), table[field].dtype
            kept = column.map(lambda name, names=names: names.get(name, name), na_action="ignore")
            table = table.assign(**{field: kept.astype("category" if kind == "category" else kind)})
    return table
