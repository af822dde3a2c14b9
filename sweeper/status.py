"""How far a run is, and one of its cells solved again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweeper.artifacts import has_artifacts
from sweeper.errors import GridError, RunError
from sweeper.forecast import make_forecast
from sweeper.grid import Grid
from sweeper.plan import Plan, block_key, make_plan
from sweeper.resolve import differences, extends, read_resolved
from sweeper.store import RunFolder
from sweeper.work import one_thread, solve_rows
from w2s.artifacts import Store
from w2s.block import Block
from w2s.identity import cell_ids, hex_ids
from w2s.rows import PROVENANCE
from w2s.study import Study
from w2s_kernels import choose

__all__ = [
    "Comparison",
    "RunStatus",
    "is_predicted",
    "print_existing",
    "print_rerun",
    "print_status",
    "rerun_cell",
    "run_status",
]


@dataclass
class RunStatus:
    """Counts of a run; done + failed + pending is the number of cells of its grid.

    ``seconds`` is the sum over parts of the time in which they were solved; ``predicted`` what this machine's rates say for
    the same share of the grid, None where nothing can be said. Neither holds what ``artifacts`` took, ``artifact_seconds``.
    """

    run: Path
    study: str
    cells: int
    done: int
    failed: int
    outside: int
    statuses: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    predicted: float | None = None
    rates: str = ""
    artifacts: int = 0
    artifact_seconds: float = 0.0
    first_error: str | None = None
    running: bool = False
    damaged: int = 0

    @property
    def pending(self) -> int:
        """Cells without a row."""
        return self.cells - self.done - self.failed


def run_status(run: Path) -> RunStatus:
    """Count what a run folder holds. Reads footers only, unless rows of an earlier cut of the grid are among them."""
    folder = RunFolder.existing(run)
    grid = read_resolved(folder.read_grid() or {}, folder.path)
    sound, damaged = folder.sound_parts()
    parts = [part for part in sound if part.version == grid.study.version]
    plan = make_plan(grid)
    keys = {block_key(grid.study, block) for block in plan.blocks()}
    statuses: Counter[str] = Counter()
    outside = 0
    if all(part.key in keys for part in parts):
        for part in parts:
            statuses.update(part.statuses)
    else:
        statuses, outside = _count_rows(grid, folder)
    failed = statuses["failed"]
    predicted, rates = _predicted(plan, (sum(statuses.values()) + outside) / plan.cells)
    made = [event["seconds"] for event in folder.events() if event.get("event") == "artifact" and "error" not in event]
    return RunStatus(
        run=folder.path,
        study=grid.study.name,
        cells=plan.cells,
        done=sum(statuses.values()) - failed,
        failed=failed,
        outside=outside,
        statuses=dict(statuses),
        seconds=sum(part.seconds for part in parts),
        predicted=predicted,
        rates=rates,
        artifacts=len(made),
        artifact_seconds=sum(made),
        first_error=_first_error(folder) if failed else None,
        running=folder.is_locked(),
        damaged=len(damaged),
    )


def is_predicted(study: type[Study]) -> bool:
    """Whether there are seconds to predict: without pieces, the cost of a study with artifacts stands for these."""
    return study.pieces is not Study.pieces or not has_artifacts(study)


def _predicted(plan: Plan, share: float) -> tuple[float | None, str]:
    """Predicted core seconds of solving a share of a plan, and where the rates come from.

    Made anew from the stored grid: a run needs to remember nothing, and one that was launched before the machine was
    calibrated has a prediction too. A study whose account of its work is broken has none.
    """
    if not is_predicted(plan.grid.study):
        return None, ""
    try:
        forecast = make_forecast(plan)
    except GridError:
        return None, ""
    return share * forecast.solving, forecast.remark


def _count_rows(grid: Grid, folder: RunFolder) -> tuple[Counter[str], int]:
    """Count rows by status, those outside the grid apart."""
    wanted = np.sort(np.concatenate([_wanted_ids(grid, block) for block in make_plan(grid).blocks()]))
    statuses: Counter[str] = Counter()
    outside = 0
    for part in folder.sound_parts()[0]:
        if part.version != grid.study.version:
            continue
        table = pq.read_table(part.path, columns=["cell_id", "status"])
        ids = np.array(table["cell_id"].to_numpy(zero_copy_only=False), dtype="S32")
        place = np.minimum(np.searchsorted(wanted, ids), wanted.size - 1)
        inside = wanted[place] == ids
        outside += int((~inside).sum())
        statuses.update(np.array(table["status"].to_pylist(), dtype=object)[inside].tolist())
    return statuses, outside


def _wanted_ids(grid: Grid, block: Block) -> np.ndarray[Any, Any]:
    ids = hex_ids(cell_ids(grid.study, block))
    return ids if block.mask is None else ids[block.mask.reshape(-1)]


def _first_error(folder: RunFolder) -> str | None:
    for part in folder.sound_parts()[0]:
        if part.failed:
            table = pq.read_table(part.path, columns=["cell_id", "status", "message"])
            row = table.filter(pc.equal(table["status"], "failed")).slice(0, 1).to_pylist()[0]
            return f"cell {row['cell_id']}: {row['message']}"
    return None


def print_status(status: RunStatus) -> None:
    """Print counts, rate, first error and what to do next."""
    from sweeper.describe import console

    out = console()
    share = 100.0 * status.done / status.cells if status.cells else 100.0
    out.print(f"{status.study} in {status.run}")
    out.print(f"{status.done:,} done ({share:.1f} %), {status.failed:,} failed, {status.pending:,} pending of {status.cells:,}")
    for name, count in sorted(status.statuses.items()):
        if name not in ("ok", "failed"):
            out.print(f"  {count:,} of them {name}")
    if status.outside:
        out.print(f"{status.outside:,} rows in the folder are not in this grid")
    if status.damaged:
        parts = "1 damaged part" if status.damaged == 1 else f"{status.damaged:,} damaged parts"
        out.print(f"{parts}: the next launch sets aside what cannot be read and computes those cells again")
    if status.artifacts:
        out.print(f"{status.artifacts:,} artifacts made in {status.artifact_seconds:,.1f} s")
    if status.done and status.seconds:
        out.print(f"{status.seconds:,.1f} s of solving, {status.done / status.seconds:,.0f} cells a second and worker")
    if status.predicted and status.seconds:
        ratio = status.predicted / status.seconds
        times = f"predicted {status.predicted:,.1f} core seconds, actual {status.seconds:,.1f}"
        out.print(f"{times}, ratio {ratio:.2f}; {status.rates}")
    if status.first_error:
        out.print(f"first error: {status.first_error}")
    if status.running:
        out.print("a launch is at work")
    elif status.pending or status.failed:
        out.print("launch the grid again to go on")


def print_existing(grid: Grid) -> None:
    """Say what a launch would find in the grid's run folder: rows, or another grid, which it would refuse."""
    from sweeper.describe import console, short

    folder = RunFolder(grid.out)
    stored = folder.read_grid()
    if stored is None:
        return
    before = read_resolved(stored, folder.path)
    if before.study.name != grid.study.name or not extends(grid, before):
        changes = "; ".join(differences(grid, before))
        console().print(f"{short(grid.out)} holds another grid, and a launch would refuse this one: {changes}")
        return
    console().print(f"{run_status(grid.out).done:,} of these cells have a row in {short(grid.out)}")


@dataclass
class Comparison:
    """One cell solved again, beside its stored row."""

    cell_id: str
    fields: dict[str, Any]
    stored: dict[str, Any]
    again: dict[str, Any]
    tolerance: float
    store: Path | None = None

    def verdict(self, name: str) -> str:
        """``same bits``, ``within tolerance`` or ``differs``."""
        a, b = self.stored[name], self.again[name]
        if a == b:
            return "same bits"
        if isinstance(a, float) and isinstance(b, float) and abs(a - b) <= self.tolerance:
            return "within tolerance"
        return "differs"


def rerun_cell(run: Path, cell: str, backend: str) -> Comparison:
    """Solve one stored cell in this process. ``cell`` is a cell_id or its first digits.

    The tolerance is max(1e-9, 50 eps condition) times the larger of the errors: alone, a cell need not have the same bits as
    in its block. Raises :class:`RunError` when no row, or more than one, fits.
    """
    folder = RunFolder.existing(run)
    grid = read_resolved(folder.read_grid() or {}, folder.path, check_files=True)
    stored = _find_row(folder, cell)
    block = _cell_block(grid, stored["cell_id"])
    store = _store(folder)
    with one_thread():
        again = solve_rows(grid.study, block, choose(backend), store).to_pylist()[0]
    fields = {name: stored[name] for name in block.names if stored.get(name) is not None}
    names = ("weak_error", "student_error")
    scale = max([abs(again[name]) for name in names if again[name] is not None] or [1.0])
    condition = again["condition"] or 1.0
    tolerance = max(1e-9, 50 * np.finfo(float).eps * condition) * scale
    return Comparison(stored["cell_id"], fields, stored, again, tolerance, None if store is None else store.path)


def _store(folder: RunFolder) -> Store | None:
    """The artifact store that the last launch used, if it used one."""
    places = [event["store"] for event in folder.events() if event.get("event") == "launch" and "store" in event]
    return Store(Path(places[-1])) if places else None


def _find_row(folder: RunFolder, cell: str) -> dict[str, Any]:
    if not cell or not set(cell) <= set("0123456789abcdef"):
        raise RunError(f"{cell!r} is not a cell_id (hex digits)")
    found: list[dict[str, Any]] = []
    for part in folder.parts():
        ids = pq.read_table(part.path, columns=["cell_id"])["cell_id"]
        hits = pc.starts_with(ids, cell)
        if pc.any(hits).as_py():
            found += pq.read_table(part.path).filter(hits).to_pylist()
    if not found:
        raise RunError(f"no row of {folder.path} has a cell_id that starts with {cell}")
    if len(found) > 1:
        raise RunError(f"{len(found)} rows have a cell_id that starts with {cell}; give more digits")
    return found[0]


def _cell_block(grid: Grid, cell_id: str) -> Block:
    """Return the block of one cell, found by its identity in the planned blocks."""
    for block in make_plan(grid).blocks():
        hit = np.flatnonzero(hex_ids(cell_ids(grid.study, block)) == cell_id.encode())
        if hit.size:
            index = np.unravel_index(int(hit[0]), block.shape)
            axes = tuple(axis[int(k) : int(k) + 1] for axis, k in zip(block.axes, index, strict=True))
            return Block(block.fixed, axes)
    raise RunError(f"cell {cell_id} is not in the grid stored in the run folder")


def print_rerun(comparison: Comparison) -> bool:
    """Print a cell's fields and, per result, stored and new value; return whether none differs."""
    from rich.table import Table

    from sweeper.conditions import show
    from sweeper.describe import console

    out = console()
    out.print(f"cell {comparison.cell_id}")
    out.print(", ".join(f"{name} = {show(value)}" for name, value in comparison.fields.items()))
    if comparison.store is not None:
        out.print(f"artifacts (trained models, predictions) were read from {comparison.store}, not made again")
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for name in ("result", "stored", "again", ""):
        table.add_column(name)
    names = [n for n in comparison.again if n not in (*comparison.fields, *PROVENANCE, "cell_id", "study", "version")]
    names = [n for n in names if comparison.stored.get(n) is not None or comparison.again[n] is not None]
    for name in names:
        values = (comparison.stored.get(name), comparison.again[name])
        table.add_row(name, *(repr(v) if isinstance(v, float) else str(v) for v in values), comparison.verdict(name))
    out.print(table)
    return all(comparison.verdict(name) != "differs" for name in names)
