"""Several tables of one study as one, with what they say about themselves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from w2s.summary.columns import CODE
from w2s.tables.file_names import names_apart, with_files_renamed, with_names_apart
from w2s.tables.metadata import TableMetadata, merge_metadata

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["concat"]


def concat(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put the rows of several tables together, each cell once, and merge their metadata, which ``pd.concat`` would lose.

    Of the rows of one cell the first that is not ``failed`` stays, of a cell that different code has solved one for each. Rows
    keep their order and get a new index. The content of a file has one name in all rows, and two contents have two, as
    :func:`w2s.load` says.

    Raises ValueError for no table at all, for one that has lost its metadata, and for tables of different studies or versions.
    Cost O(rows).
    """
    import pandas as pd

    given = list(tables)
    if not given:
        raise ValueError("there is no table to put together")
    for k, table in enumerate(given):
        if not table.attrs.get("w2s"):
            raise ValueError(
                f"table {k + 1} of {len(given)} has lost its metadata, df.attrs['w2s']; give tables as w2s.load(run) returns "
                "them, or rows picked from those"
            )
    apart = names_apart([table.attrs["w2s"].get("files", {}) for table in given])
    contents = [with_files_renamed(table.attrs["w2s"], new) for table, new in zip(given, apart, strict=True)]
    metadata = merge_metadata(contents, [Path(f"table {k + 1}") for k in range(len(given))])
    bare = [with_names_apart(_bare(table), new) for table, new in zip(given, apart, strict=True)]
    rows: pd.DataFrame = pd.concat(bare, ignore_index=True)
    if {"cell_id", "status"} <= set(rows.columns):
        failed = rows["status"] == "failed"
        rows = rows[~(failed & rows["cell_id"].isin(rows["cell_id"][~failed]))]
        rows = rows.drop_duplicates([name for name in ("cell_id", CODE) if name in rows.columns], ignore_index=True)
    rows.attrs["w2s"] = TableMetadata(metadata)
    return rows


def _bare(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without metadata: pandas compares them, which says nothing here."""
    bare = table.copy(deep=False)
    bare.attrs = {}
    return bare
