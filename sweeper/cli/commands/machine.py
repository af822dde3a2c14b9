"""What concerns this machine: doctor and benchmarks."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeper.cli.app import AsJson, app
from sweeper.cli.guard import command

__all__: list[str] = []  # commands are reached through the application


@command(app, "Show versions, BLAS, threads, GPU and executors; say what is missing and how to get it.")
def doctor(
    calibrate: Annotated[bool, typer.Option("--calibrate", help="measure this machine's rates, for predicted times")] = False,
    as_json: AsJson = False,
) -> None:
    from sweeper.tools import doctor as room

    if as_json:
        from sweeper.cli.show.documents import text_of

        if calibrate:
            room.calibrate(quiet=True)
        typer.echo(text_of(list(room.examine())))
    elif calibrate:
        room.calibrate()
    else:
        room.print_doctor()


@command(app, "Run the benchmarks of the source checkout and print ratios against peers. Exit code 1 if one breaks.")
def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="benchmarks to run; default: all")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="fewer repetitions")] = False,
) -> None:
    from sweeper.tools.bench import run_benchmarks

    raise typer.Exit(int(run_benchmarks(names or [], quick=quick) > 0))
