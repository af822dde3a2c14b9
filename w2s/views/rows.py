"""The rows behind a picture or a table: of a frame, or of a run folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from w2s.places.url import Url
from w2s.summary import columns
from w2s.tables.load import load

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["rows_of"]


def rows_of(run: DataFrame | str | os.PathLike[str] | Url) -> DataFrame:
    """Return a frame as it is, and load a run folder; a frame must still say which of its columns are fields.

    Raises ValueError for a frame that has lost its metadata (it says what to do), and for one without rows.
    """
    frame: DataFrame = load(run) if isinstance(run, str | os.PathLike | Url) else run
    columns.cell_fields(frame)
    if not len(frame):
        raise ValueError("the table has no rows, so there is nothing to show")
    return frame
