"""One stored cell solved again, beside its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from sweeper.errors import RunError
from sweeper.folder.looks import asked
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.model import Grid
from sweeper.review.stored import stored_grid
from sweeper.worker.solve import block_code, solve_rows
from sweeper.worker.threads import one_thread
from w2s.artifacts import Store, open_store
from w2s.contract.block import Block
from w2s.contract.cells import Cell
from w2s.contract.identity import cell_ids, hex_ids
from w2s.places.url import Where, where_of
from w2s.tables.added_fields import with_names_of_today
from w2s_kernels import choose

__all__ = ["Comparison", "rerun_cell"]


@dataclass
class Comparison:
    """One cell solved again, beside its stored row."""

    cell_id: str
    fields: dict[str, Any]
    stored: dict[str, Any]
    again: dict[str, Any]
    tolerance: float
    store: Where | None = None

    def verdict(self, name: str) -> str:
        """Return ``same bits``, ``within tolerance`` or ``differs``."""
        a, b = self.stored.get(name), self.again[name]
        if a == b:
            return "same bits"
        if isinstance(a, float) and isinstance(b, float) and abs(a - b) <= self.tolerance:
            return "within tolerance"
        return "differs"


def rerun_cell(run: Where | str, cell: str, backend: str, *, trust_code: bool = False) -> Comparison:
    """Solve one stored cell in this process. ``cell`` is a cell_id or its first digits.

    The tolerance is max(1e-9, 50 eps condition) times the larger of the errors: alone, a cell need not have the same bits as
    in its block. Raises :class:`RunError` when no row, or more than one, fits.
    """
    folder = RunFolder.existing(run)
    grid = stored_grid(folder, trust_code=trust_code, check_files=True)
    stored = _find_row(folder, cell, grid.study.Cell)
    block = _cell_block(grid, folder, stored["cell_id"])
    store = _store(folder)
    with one_thread():
        code = block_code(grid.study(store), block)
        again = solve_rows(grid.study, block, choose(backend), store, code=code).to_pylist()[0]
    fields = {name: stored[name] for name in block.names if stored.get(name) is not None}
    names = ("weak_error", "student_error")
    scale = max([abs(again[name]) for name in names if again[name] is not None] or [1.0])
    condition = again["condition"] or 1.0
    tolerance = max(1e-9, 50 * np.finfo(float).eps * condition) * scale
    return Comparison(stored["cell_id"], fields, stored, again, tolerance, None if store is None else store.where)


def _store(folder: RunFolder) -> Store | None:
    """Return the artifact store that the last launch used, or None if it used none."""
    places = [event["store"] for event in folder.events() if event.get("event") == "launch" and "store" in event]
    return open_store(where_of(places[-1])) if places else None


def _find_row(folder: RunFolder, cell: str, kind: type[Cell]) -> dict[str, Any]:
    if not cell or not set(cell) <= set("0123456789abcdef"):
        raise RunError(f"{cell!r} is not a cell_id (hex digits)")
    found: list[dict[str, Any]] = []
    for part in folder.parts():
        table = with_names_of_today(folder.read(part), kind)
        found += table.filter(pc.starts_with(table["cell_id"], cell)).to_pylist()
    if not found:
        raise RunError(f"no row of {folder.path} has a cell_id that starts with {cell}")
    if len(found) > 1:
        raise RunError(f"{len(found)} rows have a cell_id that starts with {cell}; give more digits")
    return found[0]


def _cell_block(grid: Grid, folder: RunFolder, cell_id: str) -> Block:
    """Return the block of one cell, found by its identity in the planned blocks."""
    for block in asked(grid, folder).plan.blocks():
        hit = np.flatnonzero(hex_ids(cell_ids(grid.study, block)) == cell_id.encode())
        if hit.size:
            index = np.unravel_index(int(hit[0]), block.shape)
            axes = tuple(axis[int(k) : int(k) + 1] for axis, k in zip(block.axes, index, strict=True))
            return Block(block.fixed, axes)
    raise RunError(f"cell {cell_id} is not in the grid stored in the run folder")
