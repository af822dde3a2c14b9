"""A plan as people read it: axes, cells, blocks, what is shared, what it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.padding import Padding
from rich.table import Table

from sweeper.console import console, short, terminal_width
from sweeper.cpus import physical_memory
from sweeper.executors.registry import Choice
from sweeper.folder.standing import time_text
from sweeper.grid.conditions import show
from sweeper.grid.model import SubGrid
from sweeper.plan.artifacts import ArtifactLine, absent_files, artifact_lines, has_artifacts, missing_calls, store_folder
from sweeper.plan.cut import Plan
from sweeper.plan.devices import Card
from sweeper.plan.executor import choose_executor, cpus_in_use
from sweeper.plan.forecast import Forecast, is_predicted, make_forecast
from sweeper.plan.making import predicted_making
from sweeper.plan.memory import need_and_device
from sweeper.plan.space import disk_bytes, free_bytes, metadata_bytes, size_text, worker_bytes
from sweeper.plan.weights import seconds_of_artifacts
from w2s.artifacts import Call, Store, open_store
from w2s.contract.study import Study
from w2s.summary.looks import Until, describe_level

__all__ = ["print_artifacts", "print_forecast", "print_plan", "print_space"]

_WIDE = 120
"""Columns from which on the table of the work has its reasons."""


def print_plan(plan: Plan, card: Card | None = None) -> None:
    """Print axes, cells, blocks, what is shared, nominal cost, predicted time and the executor.

    ``card`` is one on which artifacts would be made, in place of this machine.
    """
    out, grid = console(), plan.grid
    if names := absent_files(grid):
        out.print(f"! known by their stated size alone, so this can be planned here, not launched: {', '.join(names)}")
    out.print(f"study {grid.study.name}, version {grid.study.version}; run folder {short(grid.out)}")
    for lines in dict.fromkeys(tuple(grid.study().reads(cut.part.block)) for cut in plan.cuts):
        for line in lines:
            out.print(line)
    for until in dict.fromkeys(part.until for part in grid.parts if part.until is not None):
        _print_until(until)
    for k, cut in enumerate(plan.cuts):
        if cut.part.until is not None and not _is_last_look(cut.part):
            continue  # its looks differ in their seeds alone; the last has half of them
        product = " x ".join(str(len(axis)) for axis in cut.part.block.axes) or "1"
        left_out = cut.part.block.size - cut.part.wanted
        note = f", {f'{left_out:,}' if left_out else 'none'} left out by exclude" if cut.part.conditions else ""
        heading = f"grid {k + 1}: " if len(plan.cuts) > 1 else ""
        heading = heading if cut.part.until is None else "last look: "
        out.print(f"{heading}{product} = {cut.part.block.size:,} cells{note}")
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        shares = () if has_artifacts(grid.study) else ("shares\nwork",)  # artifacts are shared by what they depend on
        for name in ("axis", "values", "from", "to", "in one\nblock", *shares):
            table.add_column(name, no_wrap=name in ("values", "from", "to"), overflow="fold")
        for axis, chunk in zip(cut.part.block.axes, cut.chunks, strict=True):
            shared = "yes" if any(name in grid.study.shares for name in axis.names) else "no"
            first, last = (", ".join("-" if v is None else show(v) for v in axis.values[end]) for end in (0, -1))
            table.add_row(", ".join(axis.names), str(len(axis)), first, last, str(chunk), *([shared] if shares else []))
        out.print(Padding.indent(table, 2))
        size = f"{cut.cost.flops:.2g} nominal operations and {cut.cost.bytes / 2**20:,.0f} MiB"
        out.print(f"  {cut.count:,} block{'' if cut.count == 1 else 's'} of up to {size} each")
        if cut.cost.bytes > (memory := physical_memory()):
            out.print(f"  ! a block takes more memory than this machine has ({memory / 2**30:,.0f} GiB)")
    waste = f"; up to {plan.waste:,} solved that are not wanted" if plan.waste else ""
    blocks = f"{plan.block_count:,} block{'' if plan.block_count == 1 else 's'}"
    out.print(f"{plan.cells:,} cells in {blocks}, {plan.flops:.3g} nominal operations{waste}")
    missing = print_artifacts(plan, card) if has_artifacts(grid.study) else None
    print_space(plan)
    forecast = make_forecast(plan) if is_predicted(grid.study) else None
    choice = choose_executor(plan, grid.compute, making=lambda: seconds_of_artifacts(plan, missing), forecast=forecast)
    if forecast is not None:
        print_forecast(plan, forecast, choice)
    if card is None:
        out.print(f"executor: {choice.kind.name}{f', since {choice.reason}' if choice.reason else ''}")


def print_space(plan: Plan) -> None:
    """Print the disk that the rows take, beside what is free, and the memory of a worker."""
    out, study = console(), plan.grid.study
    need = disk_bytes(study, plan.cells, plan.block_count, metadata_bytes(plan.grid))
    free = free_bytes(plan.grid.out)
    unknown = {"curves": study.curves is not Study.curves, "artifacts": has_artifacts(study)}
    more = " and ".join(what for what, there in unknown.items() if there)
    left = f"; {size_text(free)} free" if math.isfinite(free) else ""
    out.print(f"disk: about {size_text(need)} of rows{f', {more} on top' if more else ''}{left}")
    out.print(f"memory: up to about {size_text(worker_bytes(plan))} a worker")
    if need > free:
        out.print("! a launch would refuse this grid: it does not fit on the disk (--no-space-check)")


def _print_until(until: Until) -> None:
    """Print the rule by which seeds end, and that the numbers of the plan are the most it can come to."""
    out, looks = console(), ", ".join(f"{count:,}" for count in until.looks)
    out.print(f"seeds until {until.metric} is known within +-{until.half_width:g}: looks at {looks} seeds")
    out.print(f"  {describe_level(until)}")
    out.print(f"! an upper bound: what follows is {until.max:,} seeds for every setting; of the looks only the last is shown")


def _is_last_look(part: SubGrid) -> bool:
    return part.until is not None and part.block.values("seed")[-1] == part.until.max - 1


def print_artifacts(plan: Plan, card: Card | None = None) -> list[Call]:
    """Print which artifacts must be made before rows can be joined, what sharing saves and how long it takes; return them."""
    place = store_folder(plan.grid, plan.grid.compute, plan.grid.out)
    store = open_store(place)
    lines = artifact_lines(plan, store)
    out, table = console(), Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("artifact", overflow="fold")
    for name in ("to be\nmade", "in the\nstore", "a script per\ncell would make", "TFLOP,\nnominal"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        numbers = (f"{line.distinct - line.stored:,}", f"{line.stored:,}", f"{line.unshared:,}", f"{line.flops / 1e12:,.3g}")
        table.add_row(line.function, *numbers)
    out.print(Padding.indent(table, 2))
    distinct, unshared = sum(line.distinct for line in lines), sum(line.unshared for line in lines)
    out.print(f"{distinct:,} distinct artifacts instead of {unshared:,}; store {short(place)}")
    _print_making(lines, store, card)
    missing = missing_calls(plan, store)
    _print_memory(missing, card)
    return missing


def _print_memory(calls: Sequence[Call], card: Card | None) -> None:
    """Print the memory that the largest artifact takes, beside what there is; raise where one cannot fit on the card named."""
    found = need_and_device(calls, card)
    if found is None:
        return
    need, where = found
    fits = need.usual <= where.usable
    pieces = "" if fits else f"; its batches go through in pieces, {need.least / 1e9:,.1f} GB with one row at once"
    more = "" if need.least <= where.usable else "; a launch here would refuse it"
    room = f"{where.name} has {where.size / 1e9:,.1f} GB"
    console().print(f"memory of the largest training: about {need.usual / 1e9:,.2g} GB; {room}{pieces}{more}")
    console().print(f"  {need.says}")


def _print_making(lines: Sequence[ArtifactLine], store: Store, card: Card | None) -> None:
    """Print how long artifacts should take, where their functions say what they cost."""
    out, making = console(), predicted_making(lines, store, card)
    if making is not None:
        out.print(f"artifacts: {making.flops:.3g} nominal operations, about {time_text(making.seconds)} {making.remark}")
    elif any(line.distinct > line.stored for line in lines):
        out.print("how long it takes to make artifacts is not predicted")


def print_forecast(plan: Plan, forecast: Forecast, choice: Choice) -> None:
    """Print what is computed once for many cells, its nominal cost and its predicted time."""
    out, varied = console(), plan.grid.axes()
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    wide = (terminal_width() or _WIDE) >= _WIDE
    table.add_column("piece of work", no_wrap=wide)
    for name in ("size", "how many", "GFLOP", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("one serves all values of", "because") if wide else ():
        table.add_column(name)
    for line in forecast.lines:
        shared = ", ".join(name for name in varied if name in line.serves) or "-"
        numbers = (line.size, f"{line.count:,.0f}", f"{line.flops / 1e9:,.3g}", f"{line.seconds:,.2f}")
        table.add_row(line.name, *numbers, *((shared, line.why) if wide else ()))
    for name, count, seconds in (
        ("rows and their identities", plan.cells, forecast.rows),
        ("writing parts", plan.block_count, forecast.writing),
    ):
        table.add_row(name, "", f"{count:,}", "", f"{seconds:,.2f}", *(("-", "") if wide else ()))
    out.print(Padding.indent(table, 2))
    if not wide:
        out.print(f"  (on {_WIDE} columns, or in a pipe: which values share one piece, and why)")
    out.print(f"predicted: {forecast.seconds:,.1f} core seconds{_wall(plan, forecast, choice)}; {forecast.remark}")


def _wall(plan: Plan, forecast: Forecast, choice: Choice) -> str:
    cpus = cpus_in_use(plan, choice)
    return "" if cpus is None else f", {forecast.seconds / cpus:,.1f} s on {cpus} CPU{'s' if cpus > 1 else ''}"
