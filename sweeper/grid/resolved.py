"""The resolved grid of a run: how it is stored, and how a new grid compares with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.grid.conditions import show
from sweeper.grid.model import Grid, common_cells, pairs_to_compare
from sweeper.grid.read import load_grid
from w2s.contract.study import Study
from w2s.files.datafile import Content
from w2s.files.paths import user_path
from w2s.user_files import is_file_reference

__all__ = ["differences", "extends", "read_resolved", "resolved_grid"]


def resolved_grid(grid: Grid, run: Path) -> dict[str, Any]:
    """Write a grid out in full; the result is itself a grid that can be launched from ``run``."""
    reference = grid.study_reference
    if is_file_reference(reference):
        name, _, attribute = reference.rpartition(":")
        reference = f"{_relative(user_path(name, grid.folder), run)}:{attribute}"
    return {"study": reference, "grids": [_plain(part.written, run) for part in grid.parts], "out": "."}


def read_resolved(stored: Mapping[str, Any], run: Path, *, check_files: bool = False, study: type[Study] | None = None) -> Grid:
    """Read a resolved grid back. ``check_files`` looks for its data files and compares their content.

    With ``study``, which is then taken for the stored one, nothing that the run folder names is run.
    """
    return load_grid(stored, run, stored=not check_files, study=study)


def extends(new: Grid, old: Grid) -> bool:
    """Tell whether every cell of ``old`` is in ``new``. Cost: O(axis values), or the size of the overlap of cut sub-grids."""
    if (new.study.name, new.study.version) != (old.study.name, old.study.version):
        return False
    return _shared_cells(new, old) == old.cells


def differences(new: Grid, old: Grid) -> list[str]:
    """Return one line per field whose values differ between two grids."""
    if new.study.name != old.study.name:
        return [f"study: {old.study.name} -> {new.study.name}"]
    lines = []
    for name in dict.fromkeys(n for grid in (old, new) for part in grid.parts for n in part.block.names):
        before, after = _values(old, name), _values(new, name)
        gone = [v for v in before if v not in after]
        come = [v for v in after if v not in before]
        if len(before) == len(after) == 1 and gone:
            lines.append(f"{name}: {_show(gone[0])} -> {_show(come[0])}")
        elif gone or come:
            changes = [f"{sign} {_list(values)}" for sign, values in (("-", gone), ("+", come)) if values]
            lines.append(f"{name}: {' '.join(changes)}")
    if not lines:
        lines.append(f"the combinations differ: {old.cells - _shared_cells(new, old)} stored cells are not in this grid")
    return lines


def _shared_cells(new: Grid, old: Grid) -> int:
    return sum(common_cells(old.parts[k], new.parts[j]) for k, j in pairs_to_compare(old.parts, new.parts))


def _values(grid: Grid, name: str) -> dict[Any, None]:
    return dict.fromkeys(v for part in grid.parts for v in part.block.values(name) if v is not None)


def _show(value: Any) -> str:
    return f"{value.name} ({value.sha256[:8]})" if isinstance(value, Content) else show(value)


def _list(values: list[Any]) -> str:
    shown = ", ".join(_show(v) for v in values[:8])
    return f"[{shown}{', ...' if len(values) > 8 else ''}]"


def _plain(value: Any, run: Path) -> Any:
    if isinstance(value, Content):
        return {"path": value.seen_from(run), "sha256": value.sha256}
    if isinstance(value, Mapping):
        return {key: _plain(item, run) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, run) for item in value]
    return value


def _relative(path: Path, run: Path) -> str:
    return os.path.relpath(path.resolve(), run.resolve())
