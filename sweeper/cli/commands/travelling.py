"""Runs that travel or end from elsewhere: export, merge, bundle and stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweeper.choices import FormName
from sweeper.cli.app import AsJson, RunName, TrustCode, app
from sweeper.cli.completing import complete_run
from sweeper.cli.guard import command

__all__: list[str] = []  # commands are reached through the application


@command(app, "Write the rows of a run for another tool: csv, xlsx, hf (a data set folder), mlflow or wandb (offline).")
def export(
    run: RunName,
    to: Annotated[FormName, typer.Option("--to", help="form of what is written")],
    out: Annotated[Path | None, typer.Option(help="file or folder to write; default: RUN and the form, here")] = None,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.cli.show.travel import print_exported
    from sweeper.travel.export import export_run

    print_exported(export_run(run, to, out, trust_code=trust_code))


@command(app, "Join runs of one grid that differ in their seeds, such as those of two machines, into a new folder.")
def merge(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="run folders, or s3://BUCKET/RUN", show_default=False, autocompletion=complete_run
        ),
    ],
    out: Annotated[Path, typer.Option(help="folder of the joined run", show_default=False)],
    as_json: AsJson = False,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.cli.show.documents import text_of
    from sweeper.cli.show.travel import print_merged
    from sweeper.travel.merge import merge_runs

    merged = merge_runs(runs, out, trust_code=trust_code)
    if as_json:
        typer.echo(text_of(merged))
    else:
        print_merged(merged)


@command(app, "Pack grid, code, rows and report of a run into one zip file, for a paper's supplement.")
def bundle(
    run: RunName,
    out: Annotated[Path | None, typer.Option(help="file to write; default: RUN.zip here")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the file")] = False,
    as_json: AsJson = False,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.cli.show.documents import text_of
    from sweeper.cli.show.travel import print_bundle
    from sweeper.travel.bundle import bundle_run

    packed = bundle_run(run, out, overwrite=overwrite, trust_code=trust_code)
    if as_json:
        typer.echo(text_of(packed))
    else:
        print_bundle(packed)


@command(app, "End the launch that is at work in a run folder, wherever it runs; launch again to resume.")
def stop(
    run: RunName,
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="how long to wait for its end")] = 60.0,
) -> None:
    from sweeper.console import say
    from sweeper.errors import Exit
    from sweeper.launching.stopping import ask_to_stop

    if ask_to_stop(run, wait):
        say("the launch has ended; launch the grid again to resume")
        return
    say(f"asked, and after {wait:g} s the launch is still at work; it ends when it next looks for the request")
    raise typer.Exit(int(Exit.FAILED))
