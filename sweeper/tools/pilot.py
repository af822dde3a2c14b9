"""A pilot: the first seeds of a grid, run into its own folder, and the number of seeds that a given precision takes.

The pilot's rows are rows of the grid. A later launch of the whole grid finds them there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.console import console
from sweeper.errors import GridError, RunError
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.model import Grid, SubGrid
from sweeper.grid.resolved import extends, read_resolved
from sweeper.launching.launch import launch
from sweeper.launching.progress import Progress
from sweeper.plan.cut import make_plan
from sweeper.review.table import read_run
from w2s.contract.block import Block
from w2s.contract.rows import table_schema
from w2s.errors import nearest
from w2s.summary.power import seeds_needed

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["first_seeds", "parse_target", "print_needed", "run_pilot"]

_MAX_LINES = 40


def parse_target(text: str) -> tuple[str, float]:
    """Read ``pgr=0.05``: a metric and the half width asked for."""
    metric, equals, width = text.partition("=")
    try:
        number = float(width)
    except ValueError:
        number = 0.0
    if not metric or not equals or not number > 0:
        raise GridError(f"--resolve {text!r}: write METRIC=HALF_WIDTH, pgr=0.05 for instance")
    return metric.strip(), number


def first_seeds(grid: Grid, count: int) -> Grid:
    """Return the grid with the first ``count`` seeds of every sub-grid."""
    return replace(grid, parts=tuple(_cut(part, count) for part in grid.parts))


def run_pilot(grid: Grid, count: int, metric: str, half_width: float, progress: Progress) -> DataFrame:
    """Run the pilot, unless its folder holds all of it and more, and return the seeds needed by group of cells.

    See :func:`w2s.summary.power.seeds_needed`; every row that is there is used.
    """
    if count < 2:
        raise GridError("--pilot needs 2 seeds or more: one has no spread")
    known = [*table_schema(grid.study).names, "opr", "opr_01"]
    if metric not in known:  # said before the pilot runs, not after
        raise GridError(f"--resolve: no metric {metric!r}{nearest(metric, known)}")
    pilot = first_seeds(grid, count)
    if not _holds(grid.out, pilot):
        outcome = launch(pilot, progress=progress)
        if outcome.pending or outcome.failed:
            raise RunError(f"the pilot did not finish: {outcome.pending:,} cells pending, {outcome.failed:,} failed")
    try:
        return seeds_needed(read_run(grid.out).rows, metric, half_width)
    except ValueError as error:
        raise GridError(str(error)) from None


def print_needed(grid: Grid, table: DataFrame, metric: str, half_width: float) -> None:
    """Print the groups that need most seeds, and what that makes of the grid."""
    out = console()
    ordered = table.sort_values("needed", ascending=False, na_position="first")
    out.print(ordered.head(_MAX_LINES).to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    if len(table) > _MAX_LINES:
        out.print(f"... {len(table) - _MAX_LINES:,} more groups that need fewer")
    unresolved = int(table["needed"].isna().sum())
    if unresolved:
        out.print(f"{unresolved:,} groups are unresolved (see status): no number of seeds follows from this pilot")
    if unresolved < len(table):
        most = int(table["needed"].max())
        seeds = max(len(part.block.values("seed")) for part in grid.parts)
        where = "elsewhere" if unresolved else "everywhere"
        out.print(f"{metric} to +-{half_width:g} {where} takes {most:,} seeds; the grid has {seeds:,}")
        cells = make_plan(grid).cells
        out.print(f"that is {cells * most // seeds:,} cells instead of {cells:,}")


def _holds(run: Path, pilot: Grid) -> bool:
    """Whether a run folder is of a grid that contains the pilot: then its grid must stay, and its rows are enough."""
    stored = RunFolder(run).read_grid()
    return stored is not None and extends(read_resolved(stored, run), pilot) and RunFolder(run).has_rows()


def _cut(part: SubGrid, count: int) -> SubGrid:
    axes = tuple(axis[:count] if axis.names == ("seed",) else axis for axis in part.block.axes)
    return replace(part, block=Block(part.block.fixed, axes), written=_written(part.written, count))


def _written(written: Mapping[str, Any], count: int) -> dict[str, Any]:
    seeds = written.get("seeds", 1)
    return dict(written) | {"seeds": min(seeds, count) if isinstance(seeds, int) else list(seeds)[:count]}
