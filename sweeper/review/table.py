"""The rows of a run that belong to its grid: what is tested, summarised and drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweeper.errors import RunError
from sweeper.folder.looks import asked
from sweeper.folder.provenance import run_origin
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.model import Grid
from sweeper.review.columns import rows_problem
from sweeper.review.status import RunStatus, run_status, wanted_ids
from sweeper.review.stored import stored_grid
from w2s.contract.study import Study
from w2s.places.url import Where
from w2s.summary.stored import Rows
from w2s.tables.metadata import TableMetadata
from w2s.tables.scan import StoredRows

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["IN_MEMORY", "MOST_ROWS", "RunTable", "read_run"]

MOST_ROWS = 2_000_000
"""Rows up to which reports, figures and tables hold all of them in memory, at about a kilobyte a row."""
IN_MEMORY = 200_000
"""Rows of a run that is too large for memory that come into it, in whole seeds."""


@dataclass(frozen=True)
class RunTable:
    """A run as people read it: counts, grid, the rows of the grid's cells (failed ones too), and the oldest rows' metadata.

    Of a run with more rows than its reader wanted in memory, ``rows`` are whole seeds, the first ``seeds`` of them, and
    ``stored`` gives a column of all rows at a time; else ``stored`` is None.
    """

    status: RunStatus
    grid: Grid
    rows: DataFrame
    origin: Mapping[str, Any]
    stored: StoredRows | None = None
    seeds: int = 0

    @property
    def every(self) -> Rows:
        """All rows, in memory or on disk."""
        return self.rows if self.stored is None else self.stored

    @property
    def path(self) -> Where:
        """Return the run folder."""
        return self.status.run

    @property
    def unfinished(self) -> str:
        """What is pending or failed, in words; empty for a finished run."""
        counts = {"pending": self.status.pending, "failed": self.status.failed}
        return " and ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def read_run(
    path: Where | str, *, trust_code: bool = False, study: type[Study] | None = None, most: int | None = None
) -> RunTable:
    """Read a run folder without the rows that ``--keep`` left there, fields younger than a row at their default.

    ``trust_code`` and ``study`` are as in :func:`sweeper.review.stored.stored_grid`. Of a run with more than ``most`` rows only
    the first seeds come into memory, where :func:`w2s.scan` can open it; without ``most`` all do, of a run of more than
    ``MOST_ROWS`` without the memory of columns that have one value.

    Raises :class:`RunError` for a folder that is no run, or whose rows another version of the study made.
    """
    import w2s

    folder = RunFolder.existing(path)
    grid = stored_grid(folder, trust_code=trust_code, study=study)
    study = grid.study
    for part in folder.parts():
        if part.version != study.version:
            raise RunError(
                f"{path} holds rows of version {part.version} of {study.name}, which is at version {study.version} here: "
                "launch its grid again to recompute them"
            )
    status = run_status(folder.path, study=study)
    stored, seeds = None, 0
    try:
        many = status.done + status.failed > (MOST_ROWS if most is None else most) and not status.outside
        found = (w2s.scan if many else w2s.load)(folder.path, cell=study.Cell)
        if isinstance(found, StoredRows) and most is not None:
            stored = found
            rows, seeds = stored.first_seeds(IN_MEMORY)
        elif isinstance(found, StoredRows):
            rows = found.frame()
        else:
            rows = found
    except (OSError, ValueError) as error:
        raise RunError(str(error)) from None
    if problem := rows_problem(rows, study):
        raise RunError(f"the rows in {folder.path} are no table of {study.name}: {problem}")
    if status.outside:
        rows = rows[rows["cell_id"].isin(wanted_ids(asked(grid, folder).plan).astype(str))]
    rows = rows.reset_index(drop=True)
    # A table cannot say of a study in a file what its errors are measured in; whoever shows the rows asks.
    for table in (rows,) if stored is None else (rows, stored):
        table.attrs["w2s"] = TableMetadata({**table.attrs["w2s"], "error_unit": study.error_unit})
    return RunTable(status, grid, rows, run_origin(folder), stored, seeds)
