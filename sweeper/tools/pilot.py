"""A pilot: the first seeds of a grid, run into its own folder, and the number of seeds that a given precision takes.

The pilot's rows are rows of the grid. A later launch of the whole grid finds them there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sweeper.console import console
from sweeper.errors import GridError, RunError
from sweeper.folder.provenance import stored_study
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.model import Grid, SubGrid
from sweeper.grid.resolved import extends, read_resolved
from sweeper.launching.compare import compare_code
from sweeper.launching.launch import launch
from sweeper.launching.progress import Progress
from sweeper.review.table import read_run
from w2s.contract.block import Block
from w2s.contract.rows import table_schema
from w2s.errors import nearest
from w2s.summary.power import seeds_needed

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["first_seeds", "parse_target", "print_needed", "run_pilot"]

_MAX_LINES = 40
_SEEDS = 8
"""Seeds of a pilot that says nothing."""


def parse_target(text: str) -> tuple[str, float]:
    """Read ``pgr=0.05``, and return the metric and the wanted half width."""
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


def run_pilot(grid: Grid, count: int | None, metric: str, half_width: float, progress: Progress) -> DataFrame:
    """Run the pilot, unless its folder holds all of it and more, and return the seeds needed by group of cells.

    ``count`` None takes 8 seeds, or all where the grid has fewer. See :func:`w2s.summary.power.seeds_needed`; every row that is
    there is used. Raises :class:`GridError` for more seeds than the grid has, and :class:`RunError` for rows of other code.
    """
    count = _checked_count(grid, count, progress)
    known = [*table_schema(grid.study).names, "opr", "opr_01"]
    if metric not in known:  # said before the pilot runs, not after
        raise GridError(f"--resolve: no metric {metric!r}{nearest(metric, known)}")
    pilot = first_seeds(grid, count)
    if _holds(grid, pilot):
        progress.note(f"{grid.out} holds the pilot; every row that is there is used, the column seeds says how many")
        compare_code(grid, RunFolder(grid.out), RunFolder(grid.out).contents().parts, False, progress.note)
    else:
        outcome = launch(pilot, progress=progress)
        if outcome.pending or outcome.failed:
            raise RunError(f"the pilot did not finish: {outcome.pending:,} cells pending, {outcome.failed:,} failed")
    try:
        return seeds_needed(read_run(grid.out, study=grid.study).rows, metric, half_width)
    except ValueError as error:
        raise GridError(str(error)) from None


def print_needed(grid: Grid, table: DataFrame, metric: str, half_width: float) -> None:
    """Print the groups that need most seeds, and how large that makes the grid."""
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
        seeds = max(_seed_counts(grid))
        where = "elsewhere" if unresolved else "everywhere"
        out.print(f"{metric} to +-{half_width:g} {where} takes {most:,} seeds; the grid has {seeds:,}")
        then = sum(part.wanted * most // seeds for part, seeds in zip(grid.parts, _seed_counts(grid), strict=True))
        out.print(f"that is {then:,} cells instead of {grid.cells:,}")


def _checked_count(grid: Grid, asked: int | None, progress: Progress) -> int:
    """Return the seeds of the pilot, and say where a sub-grid has fewer."""
    seeds = _seed_counts(grid)
    if max(seeds) < 2 or (asked is not None and asked < 2):
        has = f"; the grid has {max(seeds)}" if max(seeds) < 2 else ""
        raise GridError(f"--pilot needs 2 seeds or more: one has no spread{has}")
    if asked is not None and asked > max(seeds):
        raise GridError(
            f"--pilot {asked}: the grid has {max(seeds)} seeds, and a pilot runs cells of its grid; write --pilot "
            f"{max(seeds)}, or seeds: {asked} in the grid"
        )
    count = min(_SEEDS if asked is None else asked, max(seeds))
    if asked is None and count < _SEEDS:
        progress.note(f"the pilot takes all {count} seeds of the grid, not {_SEEDS}")
    for k, few in enumerate(seeds, 1):
        if few < count:
            progress.note(f"grid {k} has {few} seeds: its pilot takes these, not {count}")
    return count


def _seed_counts(grid: Grid) -> list[int]:
    return [len(part.block.values("seed")) for part in grid.parts]


def _holds(grid: Grid, pilot: Grid) -> bool:
    """Tell whether the run folder has a grid that contains the pilot: then that grid must stay, and its rows are enough."""
    folder = RunFolder(grid.out)
    stored = folder.read_grid()
    if stored is None or not folder.has_rows() or stored_study(folder) not in (None, grid.study.name):
        return False
    return extends(read_resolved(stored, folder.base, study=grid.study), pilot)


def _cut(part: SubGrid, count: int) -> SubGrid:
    axes = tuple(axis[:count] if axis.names == ("seed",) else axis for axis in part.block.axes)
    return replace(part, block=Block(part.block.fixed, axes), written=_written(part, count), until=None)


def _written(part: SubGrid, count: int) -> dict[str, Any]:
    seeds = part.written.get("seeds", 1)
    if part.until is not None:
        seeds = part.until.max
    return dict(part.written) | {"seeds": min(seeds, count) if isinstance(seeds, int) else list(seeds)[:count]}
