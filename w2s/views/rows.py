"""The rows behind a picture or a table: of a frame, or of a run folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from w2s.places.url import Url
from w2s.summary import columns
from w2s.summary.stored import Rows, Stored
from w2s.tables.load import load

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["in_memory", "rows_of"]


def rows_of(run: Rows | str | os.PathLike[str] | Url) -> Rows:
    """Return a frame, and rows on disk, as they are, and load a run folder.

    Raises ValueError for a frame that has lost its metadata, which say what columns are fields (the message says what to do),
    and for one without rows.
    """
    frame: Rows = load(run) if isinstance(run, str | os.PathLike | Url) else run
    columns.cell_fields(frame)
    if not len(frame):
        raise ValueError("the table has no rows, so there is nothing to show")
    return frame


def in_memory(rows: Rows, names: Sequence[str]) -> DataFrame:
    """Return a frame as it is; of rows on disk read the columns that choose and summarise some axes and metrics."""
    import pandas as pd

    if not isinstance(rows, Stored):
        return rows
    ratios = [name for name in names if columns.is_ratio(rows, name)]
    parts = [part for name in ratios for side in columns.ratio_columns(rows, name) for part in side]
    means = [name for name in names if name not in ratios]
    wanted = [columns.SEED, "status", *columns.varying(rows, columns.cell_fields(rows)), *means, *parts]
    frame = pd.DataFrame({name: rows[name] for name in dict.fromkeys(wanted) if name in rows.columns}, copy=False)
    frame.attrs = {"w2s": rows.attrs["w2s"]}
    return frame
