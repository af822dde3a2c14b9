"""What a launch would find in the run folder of a grid that is planned."""

from __future__ import annotations

from pathlib import Path

from sweeper.console import console, short
from sweeper.errors import RunError
from sweeper.grid.model import Grid

__all__ = ["print_existing"]


def print_existing(grid: Grid) -> None:
    """Say what a launch would find in the grid's run folder: rows, or another grid, which it would refuse."""
    if isinstance(grid.out, Path) and not grid.out.exists():
        return  # what reads tables need not be imported
    from sweeper.folder.run_folder import RunFolder
    from sweeper.launching.compare import grid_changes
    from sweeper.review.status import run_status

    folder = RunFolder(grid.out)
    if folder.read_grid() is None:
        return
    out, place = console(), short(grid.out)
    try:
        changes = grid_changes(grid, folder)
    except RunError as error:
        out.print(f"a launch would refuse this grid: {error}")
        return
    if changes:
        out.print(f"{place} holds another grid, and a launch would refuse this one: {'; '.join(changes)}")
        return
    status = run_status(grid.out, study=grid.study)
    out.print(f"{status.done:,} of these cells have a row in {place}")
    for line in status.code.remarks:
        out.print(line)
    if status.code.changed:
        out.print("a launch would refuse to add rows of other code to them: see --keep-code and --fresh")
