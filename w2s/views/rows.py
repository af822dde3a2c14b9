"""The rows behind a picture or a table: of a frame, or of a run folder."""

from __future__ import annotations

import os

from w2s.places.url import Url
from w2s.summary import columns
from w2s.summary.stored import Rows
from w2s.tables.load import load

__all__ = ["rows_of"]


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
