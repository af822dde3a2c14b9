"""A launch against what its run folder holds: grid, and code that made the rows. Nothing that the folder names is run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sweeper.errors import GridError, RunError
from sweeper.folder.code import code_state
from sweeper.folder.part import Part
from sweeper.folder.provenance import stored_study
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.model import Grid
from sweeper.grid.resolved import differences, extends, read_resolved
from w2s.places.url import Where

__all__ = ["compare_code", "compare_grids", "fresh_folder", "grid_changes"]


def compare_grids(grid: Grid, folder: RunFolder, keep: bool) -> None:
    """Refuse a grid that shrank or changed against the one the folder was made with. Raises :class:`RunError`."""
    if folder.read_grid() is None:
        if folder.has_rows():
            raise RunError(f"{folder.path} holds results but no grid.yaml; name another folder with --out")
        return
    changes = grid_changes(grid, folder)
    if changes and not keep:
        raise RunError(
            f"the grid differs from the one {folder.path} was made with:\n  {_lines(changes)}\n"
            "--keep computes what is new and leaves the other rows there; --fresh starts a folder of its own"
        )


def grid_changes(grid: Grid, folder: RunFolder) -> list[str]:
    """Say what keeps a grid from being that of a run folder, or an extension of it; one line each.

    The stored grid is read with the study of the new one. Raises :class:`RunError` for the run of another study, and for a
    stored grid that cannot be read.
    """
    stored = folder.read_grid()
    if stored is None:
        return []
    before = _read_stored(grid, stored, folder)
    return [] if extends(grid, before) else differences(grid, before)


def compare_code(grid: Grid, folder: RunFolder, parts: Sequence[Part], keep: bool, note: Callable[[str], None]) -> None:
    """Refuse to add rows to those that other code made, unless they may stay; say what is kept, and what is not known.

    Raises :class:`RunError`. Built-in studies carry a version for this; only code of the user's or of another package is looked
    at.
    """
    state = code_state(grid.study, parts)
    if state.changed and not keep:
        raise RunError(
            f"the code is not the one that made the rows in {folder.path}:\n  {_lines(state.changed)}\n"
            f"{_remedy(grid, state.now)}"
        )
    for line in state.remarks:
        note(line)
    if state.changed:
        note("--keep-code: these rows stay, and missing cells are computed with the code as it is now")


def fresh_folder(grid: Grid, run: Where) -> Where:
    """Return the first of ``run``, ``run-2``, ``run-3``, ... that is unused, or that this grid extends with the same code."""
    number = 1
    while True:
        folder = RunFolder(run if number == 1 else run.with_name(f"{run.name}-{number}"))
        if folder.read_grid() is None:
            return folder.path
        with contextlib.suppress(RunError):
            if not grid_changes(grid, folder) and not code_state(grid.study, folder.contents().parts).changed:
                return folder.path
        number += 1


def _read_stored(grid: Grid, stored: Mapping[str, Any], folder: RunFolder) -> Grid:
    name = stored_study(folder)
    if name is not None and name != grid.study.name:
        raise RunError(f"{folder.path} holds a run of {name}, not of {grid.study.name}; name another with --out")
    try:
        return read_resolved(stored, folder.base, study=grid.study)
    except GridError as error:
        raise RunError(f"the grid stored in {folder.path} cannot be read by this version: {error}") from None


def _remedy(grid: Grid, now: Mapping[str, str]) -> str:
    """Say what the user can do: a study of one's own has a version to raise."""
    own = grid.study.version + 1 if any(name.endswith(".py") for name in now) else None
    raised = f"if its numbers change, write version = {own} in the study, and all cells are computed anew; " if own else ""
    return (
        f"{raised}--keep-code keeps these rows and computes what is missing with the code as it is now; "
        "--fresh starts a folder of its own"
    )


def _lines(changes: list[str]) -> str:
    return "\n  ".join(changes)
