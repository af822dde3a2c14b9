"""Join runs of one grid that differ in their seeds, such as those of two machines, into a folder of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from sweeper.errors import RunError
from sweeper.folder.code import code_state, mixed_runs
from sweeper.folder.part import Part
from sweeper.folder.provenance import run_metadata, run_origin
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.model import Grid
from sweeper.grid.resolved import differences, read_resolved, resolved_grid
from sweeper.review.stored import stored_grid
from w2s.contract.cells import Cell
from w2s.contract.columns import PROVENANCE
from w2s.contract.described import described_schema
from w2s.places.url import Where
from w2s.tables.added_fields import with_names_of_today

__all__ = ["Merged", "merge_runs"]

_FROZEN = "thresholds"
_KEPT_EVENTS = ("launch", "block", "artifact", "end", "compact")


@dataclass(frozen=True)
class Merged:
    """What was joined: the new folder, its cells, rows without failed ones, rows that several runs had, what to know of it."""

    run: Path
    cells: int
    rows: int
    repeated: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Run:
    """A run that is to be joined."""

    folder: RunFolder
    grid: Grid
    parts: Sequence[Part]
    ids: Any

    @property
    def path(self) -> Where:
        return self.folder.path


def merge_runs(runs: Sequence[Where | str], out: Path, *, trust_code: bool = False) -> Merged:
    """Write the rows of all runs into the new folder ``out``, byte for byte, under a grid with the seeds of all of them.

    The grids must be equal but for their seeds, files of data by content; so must be study version, code and frozen claims. A
    cell that several runs have must have equal rows there, provenance aside; failed rows count as none. A launch of the new
    folder computes what no run has. Raises :class:`RunError` that says what differs.
    """
    if len(runs) < 2:
        raise RunError("merge joins two runs or more; name them")
    new = RunFolder(out)
    if new.read_grid() is not None or new.has_rows() or (out.exists() and any(out.iterdir())):
        raise RunError(f"{out} is not empty; name another folder with --out")
    found = [_opened(run, trust_code) for run in runs]
    for other in found[1:]:
        if problem := _grid_problem(found[0], other) or _claims_problem(found[0], other):
            raise RunError(f"{other.path} cannot be joined with {found[0].path}: {problem}")
    _check_code(found)
    repeated = _check_rows(found)
    grid = _joined_grid(found, new)
    resolved = resolved_grid(grid, new.base)
    with new.lock():
        new.prepare()
        new.write_grid(resolved)
        new.write_empty_part(described_schema(grid.study).with_metadata(run_metadata(grid, resolved)))
        for name, content in _files(found).items():
            new.write(out / name, content)
    return Merged(out, grid.cells, _cells_with_rows(new), repeated, tuple(_notes(found)))


def _opened(run: Where | str, trust_code: bool) -> _Run:
    folder = RunFolder.existing(run)
    if folder.is_locked():
        raise RunError(f"a launch is at work in {run}; wait for its end, or end it with w2s-sweep stop")
    grid = stored_grid(folder, trust_code=trust_code)
    if any(part.until is not None for part in grid.parts):
        raise RunError(f"the seeds of {run} end at a rule, which looks at all of them together; launch that grid in one place")
    contents = folder.contents(whole=True)
    if contents.damaged:
        raise contents.damaged[0]
    for part in contents.parts:
        if (part.study, part.version) != (grid.study.name, grid.study.version):
            made = f"{part.study} version {part.version}"
            raise RunError(f"{run} has rows of {made}, and {grid.study.name} is at version {grid.study.version} here")
    return _Run(folder, grid, contents.parts, np.sort(folder.ids(list(contents.parts))))


def _grid_problem(first: _Run, other: _Run) -> str | None:
    """Say how two grids differ beyond their seeds; None where they do not."""
    if first.grid.study.name != other.grid.study.name:
        return f"it is a run of {other.grid.study.name}, not of {first.grid.study.name}"
    parts = list(zip(first.grid.parts, other.grid.parts, strict=False))
    same = len(first.grid.parts) == len(other.grid.parts)
    if same and all(_seedless(one.written) == _seedless(two.written) for one, two in parts):
        return None
    lines = [line for line in differences(other.grid, first.grid) if not line.startswith(("seed:", "the combinations"))]
    return f"their grids differ in more than the seeds: {'; '.join(lines) or 'the same values stand in other combinations'}"


def _seedless(written: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in written.items() if key != "seeds"}


def _claims_problem(first: _Run, other: _Run) -> str | None:
    one, two = (run_origin(run.folder).get("claims") or {} for run in (first, other))
    names = [name for name in one if name in two and one[name].get(_FROZEN) != two[name].get(_FROZEN)]
    return f"they were launched with other thresholds of the claims {', '.join(names)}" if names else None


def _check_code(runs: Sequence[_Run]) -> None:
    states = [code_state(run.grid.study, run.parts) for run in runs]
    if lines := [*(line for state in states for line in state.mixed), *mixed_runs(states)]:
        raise RunError("the rows were made by different code: " + "; ".join(lines))


def _check_rows(runs: Sequence[_Run]) -> int:
    """Compare the rows of cells that several runs have; return how many are there more than once."""
    repeated = 0
    known: dict[str, tuple[dict[str, Any], Where]] = {}
    ids, counts = np.unique(np.concatenate([np.unique(run.ids) for run in runs]), return_counts=True)
    twice = {name.decode() for name in ids[counts > 1]}
    for run in runs if twice else ():
        for row in _rows_of(run, twice, run.grid.study.Cell):
            cell = row["cell_id"]
            if cell not in known:
                known[cell] = row, run.path
                continue
            before, where = known[cell]
            repeated += 1
            if unequal := [name for name in row if name in before and row[name] != before[name]]:
                name = unequal[0]
                raise RunError(
                    f"cell {cell} has other rows in {run.path} than in {where}: {name} is {row[name]!r} and {before[name]!r}"
                )
    return repeated


def _cells_with_rows(run: RunFolder) -> int:
    """Count the cells with a row that did not fail; parts that are cut in two ways may hold one twice."""
    cells: set[str] = set()
    for part in run.contents().parts:
        table = run.read(part, ["cell_id", "status"])
        cells.update(table.filter(pc.not_equal(table["status"], "failed"))["cell_id"].to_pylist())
    return len(cells)


def _rows_of(run: _Run, cells: set[str], cell: type[Cell]) -> list[dict[str, Any]]:
    """Return those of a run's rows that are of some cells and did not fail, without what says how they were made."""
    found = []
    for part in run.parts:
        table = with_names_of_today(run.folder.read(part), cell)
        keep = [name in cells for name in table["cell_id"].to_pylist()]
        if any(keep):
            names = [name for name in table.column_names if name not in PROVENANCE]
            found += [row for row in table.select(names).filter(keep).to_pylist() if row["status"] != "failed"]
    return found


def _joined_grid(runs: Sequence[_Run], new: RunFolder) -> Grid:
    first = runs[0].grid
    document = resolved_grid(first, new.base)
    for k, written in enumerate(document["grids"]):
        seeds = sorted({seed for run in runs for seed in run.grid.parts[k].block.values("seed")})
        written["seeds"] = len(seeds) if seeds == list(range(len(seeds))) else seeds
    return read_resolved(document, new.base, study=first.study)


def _files(runs: Sequence[_Run]) -> dict[str, bytes]:
    """Collect parts, curves and kept code by name, and the events of all runs in the order of their times.

    Of two parts of one block the one with more rows that did not fail is taken.
    """
    files: dict[str, bytes] = {}
    best: dict[str, tuple[int, bytes]] = {}
    events: list[dict[str, Any]] = []
    for run in runs:
        folder = run.folder
        for part in run.parts:
            name, good = f"results/part-{part.key}.parquet", part.rows - part.failed
            if name not in best or good > best[name][0]:
                best[name] = good, folder.place.read(part.path)
        for path in folder.curves():
            files.setdefault(f"curves/{path.name}", folder.place.read(path))
        if isinstance(folder.path, Path):
            code = folder.path / "code"
            inside = [] if code.is_symlink() else sorted(code.rglob("*"))
            for path in (p for p in inside if p.is_file() and not p.is_symlink()):
                files.setdefault(f"code/{path.relative_to(code).as_posix()}", path.read_bytes())
        events += [event for event in folder.events() if event["event"] in _KEPT_EVENTS]
    events.sort(key=lambda event: event.get("time", 0.0))
    files |= {name: content for name, (_, content) in best.items()}
    return files | {"events.jsonl": "".join(json.dumps(event) + "\n" for event in events).encode()}


def _notes(runs: Sequence[_Run]) -> list[str]:
    """Say which libraries differ: then numbers agree within the tolerance of the contract, not in every bit."""
    origins = [run_origin(run.folder) for run in runs]
    notes = []
    for name in dict.fromkeys(name for origin in origins for name in origin.get("libraries") or {}):
        versions = dict.fromkeys(str((origin.get("libraries") or {}).get(name, "none")) for origin in origins)
        if len(versions) > 1:
            notes.append(f"rows were made with {name} {' and '.join(versions)}")
    machines = dict.fromkeys(str(origin.get("machine")) for origin in origins if origin.get("machine"))
    return [*notes, *([f"rows were made on {' and '.join(machines)}"] if len(machines) > 1 else [])]
