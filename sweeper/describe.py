"""What the command line prints: studies, a starting grid, data sets, the plan, the outcome of a launch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from sweeper.artifacts import artifact_lines, has_artifacts, store_folder
from sweeper.conditions import show
from sweeper.cpus import physical_memory
from sweeper.errors import Exit, GridError
from sweeper.forecast import Forecast, cpus_in_use, make_forecast
from sweeper.plan import Plan
from sweeper.run import Outcome
from sweeper.status import is_predicted
from w2s.artifacts import Store
from w2s.cells import FieldSpec, cell_fields
from w2s.datafile import BUILTIN, DataFile, data_folders
from w2s.studies import StudyError, find_study, study_names

__all__ = ["print_data", "print_outcome", "print_plan", "print_studies", "starting_grid"]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the caller what a closed pipe means, instead of ending the process with code 1."""
        raise BrokenPipeError


def console() -> Console:
    """Return a console that neither wraps long paths nor guesses at markup; a pipe or file is as wide as it needs to be."""
    width = None if sys.stdout.isatty() else 200
    return _Console(highlight=False, markup=False, soft_wrap=True, width=width)


def short(path: Path) -> str:
    """Write a path relative to the working folder where it lies inside it."""
    absolute = path.resolve()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(path)


def print_studies() -> None:
    """Every registered study with its fields."""
    out = console()
    for name in study_names():
        study = find_study(name)
        out.print(f"{name}  (version {study.version})  {study.summary}", style="bold")
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        for heading in ("  field", "type", "default", "meaning"):
            table.add_column(heading)
        for spec in cell_fields(study.Cell).values():
            table.add_row(f"  {spec.name}", type_text(spec), default_text(spec), meaning_text(spec))
        out.print(table)
        out.print()


def type_text(spec: FieldSpec) -> str:
    """Name a field's type and choices."""
    return " | ".join(map(str, spec.choices)) if spec.choices else ("file" if spec.is_file else spec.kind)


def default_text(spec: FieldSpec) -> str:
    """Write a field's default as a grid would."""
    return "required" if spec.required else ("none" if spec.default is None else show(spec.default))


def meaning_text(spec: FieldSpec) -> str:
    """Describe a field with unit and condition."""
    unit = f" [{spec.unit}]" if spec.unit else ""
    when = "".join(f"; only when {name} is {' or '.join(map(str, values))}" for name, values in spec.when.items())
    return f"{spec.description}{unit}{when}"


def starting_grid(reference: str) -> str:
    """A commented grid for a study, every field with its meaning; it runs as printed where the study gives an example."""
    try:
        study = find_study(reference)
    except StudyError as error:
        raise GridError(str(error)) from None
    fields = [spec for spec in cell_fields(study.Cell).values() if spec.name != "seed"]
    axes = [spec for spec in fields if isinstance(study.example.get(spec.name, [] if spec.required else None), list)]
    fixed = [spec for spec in fields if spec not in axes]
    lines = [f"# {study.summary or study.name}", f"study: {reference}", "axes:"]
    lines += [f"  {spec.name}: {_written(study.example.get(spec.name, []))}  # {_note(spec)}" for spec in axes]
    lines += ["fixed:"] if any(spec.name in study.example for spec in fixed) else ["# fixed:"] if fixed else []
    for spec in fixed:
        mark = "  " if spec.name in study.example else "  # "
        lines.append(f"{mark}{spec.name}: {_written(study.example.get(spec.name, spec.default))}  # {_note(spec)}")
    lines += ["seeds: 20", "# out: runs/name  # default: runs/<name of this file>", ""]
    return "\n".join(lines)


def _written(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).splitlines()[0]


def _note(spec: FieldSpec) -> str:
    return f"{meaning_text(spec)}; {type_text(spec)}{', needed' if spec.required else ''}"


def print_data() -> None:
    """Built-in tables, and every file in the folders of ``W2S_DATA``."""
    out = console()
    for name in BUILTIN:
        file = DataFile.find(name)
        out.print(f"{name}  built in  sha256 {file.sha256}")
    folders = data_folders()
    if not folders:
        out.print("W2S_DATA is not set: export W2S_DATA=/path/to/data to use data:FOLDER/FILE in a grid")
    for folder in folders:
        if not folder.is_dir():
            out.print(f"{folder}: no such folder")
            continue
        licences = _licences(folder)
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in (".csv", ".gz", ".parquet", ".npz")):
            name = path.relative_to(folder).as_posix()
            licence = licences.get(name) or licences.get(name.split("/")[0], "licence not stated")
            out.print(f"data:{name}  {licence}  sha256 {DataFile.find(f'data:{name}').sha256}")


def _licences(folder: Path) -> dict[str, str]:
    """Licences from the table in the folder's README.md, by folder or file name; empty when there is none."""
    readme = folder / "README.md"
    found: dict[str, str] = {}
    column = None
    for line in readme.read_text(encoding="utf-8").splitlines() if readme.is_file() else []:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            column = None
        elif "licence" in cells or "license" in cells:
            column = cells.index("licence" if "licence" in cells else "license")
        elif column is not None and len(cells) > column:
            found[cells[0].strip("`/ ")] = cells[column].replace("**", "")
    return found


def print_plan(plan: Plan) -> None:
    """Axes, cells, blocks, what is shared, nominal cost, predicted time."""
    out, grid = console(), plan.grid
    out.print(f"study {grid.study.name}, version {grid.study.version}; run folder {short(grid.out)}")
    for k, cut in enumerate(plan.cuts):
        product = " x ".join(str(len(axis)) for axis in cut.part.block.axes) or "1"
        left_out = cut.part.block.size - cut.part.wanted
        note = f", {left_out:,} left out by exclude" if left_out else ""
        heading = f"grid {k + 1}: " if len(plan.cuts) > 1 else ""
        out.print(f"{heading}{product} = {cut.part.block.size:,} cells{note}")
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        for name in ("  axis", "values", "from", "to", "in one block", "shares work"):
            table.add_column(name)
        for axis, chunk in zip(cut.part.block.axes, cut.chunks, strict=True):
            shared = any(name in grid.study.shares for name in axis.names)
            first, last = (", ".join("-" if v is None else show(v) for v in axis.values[end]) for end in (0, -1))
            table.add_row(f"  {', '.join(axis.names)}", str(len(axis)), first, last, str(chunk), "yes" if shared else "no")
        out.print(table)
        size = f"{cut.cost.flops:.2g} nominal operations and {cut.cost.bytes / 2**20:,.0f} MiB"
        out.print(f"  {cut.count:,} blocks of up to {size} each")
        if cut.cost.bytes > (memory := physical_memory()):
            out.print(f"  ! a block takes more memory than this machine has ({memory / 2**30:,.0f} GiB)")
    waste = f"; up to {plan.waste:,} solved in vain" if plan.waste else ""
    out.print(f"{plan.cells:,} cells in {plan.block_count:,} blocks, {plan.flops:.3g} nominal operations{waste}")
    if has_artifacts(grid.study):
        print_artifacts(plan)
        out.print("how long it takes to make artifacts is not predicted")
    if is_predicted(grid.study):
        print_forecast(plan, make_forecast(plan))


def print_artifacts(plan: Plan) -> None:
    """Print what has to be trained or computed once before rows can be joined, and what sharing saves."""
    place = store_folder(plan.grid, plan.grid.compute, plan.grid.out)
    lines = artifact_lines(plan, Store(place))
    out, table = console(), Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("  artifact", no_wrap=True)
    for name in ("to be made", "in the store", "a script per cell would make", "TFLOP, nominal"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        numbers = (f"{line.distinct - line.stored:,}", f"{line.stored:,}", f"{line.unshared:,}", f"{line.flops / 1e12:,.3g}")
        table.add_row(f"  {line.function}", *numbers)
    out.print(table)
    distinct, unshared = sum(line.distinct for line in lines), sum(line.unshared for line in lines)
    out.print(f"{distinct:,} distinct artifacts instead of {unshared:,}; store {short(place)}")


def print_forecast(plan: Plan, forecast: Forecast) -> None:
    """Print what is computed once for many cells, its nominal cost and its predicted time."""
    out, varied = console(), plan.grid.axes()
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("  piece of work", no_wrap=True)
    for name in ("size", "how many", "GFLOP", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("one serves all values of", "because"):
        table.add_column(name)
    for line in forecast.lines:
        shared = ", ".join(name for name in varied if name in line.serves) or "-"
        numbers = (line.size, f"{line.count:,.0f}", f"{line.flops / 1e9:,.3g}", f"{line.seconds:,.2f}")
        table.add_row(f"  {line.name}", *numbers, shared, line.why)
    table.add_row("  rows and their identities", "", f"{plan.cells:,}", "", f"{forecast.rows:,.2f}", "-", "")
    table.add_row("  writing parts", "", f"{plan.block_count:,}", "", f"{forecast.writing:,.2f}", "-", "")
    out.print(table)
    out.print(f"predicted: {forecast.seconds:,.1f} core seconds{_wall(plan, forecast)}; {forecast.remark}")


def _wall(plan: Plan, forecast: Forecast) -> str:
    cpus = cpus_in_use(plan)
    return "" if cpus is None else f", {forecast.seconds / cpus:,.1f} s on {cpus} CPU{'s' if cpus > 1 else ''}"


def print_outcome(outcome: Outcome) -> None:
    """One paragraph: what was found, computed, failed; where the table is; what to do next."""
    out = console()
    if not outcome.computed and not outcome.failed and outcome.exit == Exit.DONE:
        out.print(f"nothing to do: all {outcome.cells:,} cells have a row in {short(outcome.run)}")
        return
    parts = [f"{outcome.artifacts:,} artifacts made"] if outcome.artifacts else []
    parts += [f"{outcome.computed:,} cells computed"]
    parts += [f"{outcome.found:,} found"] if outcome.found else []
    parts += [f"{outcome.failed:,} FAILED"] if outcome.failed else []
    parts += [f"{outcome.pending:,} pending"] if outcome.pending else []
    out.print(f"{', '.join(parts)}, of {outcome.cells:,}; table in {short(outcome.run / 'results')}")
    unusual = {status: count for status, count in outcome.statuses.items() if status not in ("ok", "failed")}
    if unusual:
        out.print(_statuses(unusual))
    if outcome.first_error:
        out.print(f"first error: {outcome.first_error}")
    if outcome.stopped:
        out.print(f"{outcome.stopped}; launch again to go on")
    if outcome.exit == Exit.DONE:
        out.print(f"next: w2s-sweep report {short(outcome.run)}")


def _statuses(counts: Mapping[str, Any]) -> str:
    meaning = {
        "singular": "a fit without regularisation had no unique solution, the minimum-norm one was taken",
        "ill_conditioned": "condition above 1e12",
        "nonfinite": "a result was not a number and is null",
    }
    return "\n".join(f"  {count:,} rows {status}: {meaning.get(status, '')}" for status, count in counts.items())
