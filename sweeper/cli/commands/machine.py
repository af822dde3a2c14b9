"""What concerns this machine: doctor, benchmarks, and files for those who watch it."""

from __future__ import annotations

from pathlib import Path
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


@command(
    app,
    "Run the benchmarks of the source checkout and print ratios against peers; --gpu: all tests and measurements of a GPU, in "
    "steps with time limits, below eight minutes. Exit code 1 if one breaks.",
)
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="benchmarks, or steps of --gpu, to run; default: all")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="fewer repetitions")] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="test and measure the GPU; writes OUT/card.{json,md}")] = False,
    out: Annotated[Path, typer.Option(help="folder for the report of --gpu")] = Path("runs/card"),
    stand_in: Annotated[
        bool, typer.Option("--stand-in", help="rehearse --gpu on the CPU, by stand-ins for its libraries")
    ] = False,
) -> None:
    from sweeper.errors import Exit
    from sweeper.tools.bench import run_benchmarks

    if gpu or stand_in:
        from sweeper.tools.card import card_steps, run_card

        steps = card_steps(stand_in=stand_in)
        found = run_card(out, stand_in=stand_in, only=names or [], steps=steps, say=typer.echo)
        typer.echo(f"report: {out / 'card.md'} and {out / 'card.json'}")
        broken = sum(report.state in ("failed", "timeout") for report in found)
    else:
        broken = run_benchmarks(names or [], quick=quick)
    raise typer.Exit(int(Exit.FAILED if broken else Exit.DONE))


@command(app, "Write prometheus.yml and grafana.json, by which launches on Ray clusters of this machine are watched.")
def dashboard(
    out: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="folder for both files")] = Path("w2s-dashboard"),
    ray_folder: Annotated[
        Path, typer.Option(help="Ray's temporary folder, where a cluster lists its nodes: RAY_TMPDIR, if set, and /ray")
    ] = Path("/tmp/ray"),
) -> None:
    from sweeper.console import say
    from sweeper.tools.dashboard import write_dashboard

    scrape, page = write_dashboard(out, ray_folder)
    say(f"prometheus --config.file={scrape} --web.listen-address=127.0.0.1:9090")
    say(f"Grafana: Dashboards, New, Import: {page}")
