"""What computes rows: plan, launch, rerun and the atlas of small grids."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sweeper.choices import BackendName, OnError
from sweeper.cli.app import AsJson, GridFile, RunName, TrustCode, app
from sweeper.cli.completing import complete_cell
from sweeper.cli.guard import command, mute_output

__all__: list[str] = []  # commands are reached through the application


@command(app, "Show cells, blocks, what is shared and the predicted cost; run nothing but the pilot that --resolve asks for.")
def plan(
    grid: GridFile,
    resolve: Annotated[
        str | None, typer.Option(help="METRIC=HALF_WIDTH: say how many seeds this half width takes, judged from a pilot")
    ] = None,
    pilot: Annotated[
        int | None,
        typer.Option(
            min=2, help="seeds of the pilot; its rows are kept for the launch; default: 8, or all where there are fewer"
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="predict the time of trainings on one such card: H200, A100, ...; default: on this machine"),
    ] = None,
    utilisation: Annotated[
        float | None, typer.Option(help="share of the card's peak that trainings are assumed to reach; default: 0.2")
    ] = None,
    as_json: AsJson = False,
) -> None:
    from sweeper.cli.show.existing import print_existing
    from sweeper.cli.show.plan import print_plan
    from sweeper.errors import GridError
    from sweeper.grid.read import load_grid
    from sweeper.plan.artifacts import has_artifacts
    from sweeper.plan.cut import make_plan
    from sweeper.plan.devices import asked_card

    card = asked_card(device, utilisation)
    if pilot is not None and resolve is None:
        raise GridError("--pilot is about --resolve METRIC=HALF_WIDTH, which is not given")
    if as_json and resolve is not None:
        raise GridError("--json is about the plan, and --resolve runs a pilot: give one of them")
    checked = make_plan(load_grid(grid))
    if card is not None and not has_artifacts(checked.grid.study):
        raise GridError(f"--device is about trainings, and {checked.grid.study.name} makes none")
    if as_json:
        from sweeper.cli.show.documents import plan_document, text_of

        typer.echo(text_of(plan_document(checked, card)))
        return
    print_plan(checked, card)
    print_existing(checked.grid)
    if resolve is not None:
        from sweeper.launching.progress import Progress
        from sweeper.tools.pilot import parse_target, print_needed, run_pilot

        metric, half_width = parse_target(resolve)
        table = run_pilot(checked.grid, pilot, metric, half_width, Progress())
        print_needed(checked.grid, table, metric, half_width)


@command(app, "Run a grid, or resume it. Exit code 0: every cell has a row; 3: some failed; 130: interrupted, launch again.")
def launch(
    grid: GridFile,
    out: Annotated[
        str | None, typer.Option(help="run folder, or s3://BUCKET/RUN; default: runs/<grid name> beside the grid")
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="inline, processes, ray, an installed one or file.py:Name; default: auto, by predicted time"
        ),
    ] = None,
    address: Annotated[str | None, typer.Option(help="address of a running Ray cluster")] = None,
    backend: Annotated[BackendName | None, typer.Option(help="kernels to use")] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="worker processes, or CPUs of the local Ray cluster")] = None,
    on_error: Annotated[OnError | None, typer.Option(help="whether a failed cell ends the launch")] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="fail a block that takes longer; with processes and ray")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="folder of artifacts, or s3://BUCKET/STORE; default: .w2s-store beside the run folder")
    ] = None,
    blind: Annotated[bool, typer.Option("--blind", help="refuse a grid in which true labels could reach a student")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="keep rows of cells that are no longer in this grid")] = False,
    keep_code: Annotated[
        bool, typer.Option("--keep-code", help="keep rows that a study file, loss or method made before it was edited")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="start a folder RUN-2 when RUN holds another grid or code")] = False,
    no_space_check: Annotated[
        bool, typer.Option("--no-space-check", help="launch also what is predicted not to fit on the disk, or into memory")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="say nothing but errors; the exit code tells the rest")] = False,
) -> None:
    from sweeper.cli.show.run import print_outcome
    from sweeper.errors import Exit
    from sweeper.folder.run_folder import run_name
    from sweeper.launching.launch import launch as run_grid
    from sweeper.launching.progress import Progress

    if executor is not None and ".py" in executor:
        executor = str(Path(executor).absolute())  # as typed here, not as beside the grid
    named: dict[str, Any] = {"executor": executor, "backend": backend, "on_error": on_error, "address": address, "cpus": cpus}
    named |= {"time_limit": time_limit, "keep": keep, "keep_code": keep_code, "fresh": fresh, "space_check": not no_space_check}
    named |= {"store": None if store is None else str(run_name(store).resolve()), "blind": blind or None}
    outcome = run_grid(grid, out=out, progress=Progress.silent() if quiet else Progress(), **named)
    try:
        if not quiet or outcome.exit != Exit.DONE:
            print_outcome(outcome)
        sys.stdout.flush()
    except OSError:  # a closed pipe, or a terminal that has gone
        mute_output()
    raise typer.Exit(int(outcome.exit))


@command(app, "Solve one cell again in this process and compare it with its row. Exit code 1 if they differ.")
def rerun(
    run: RunName,
    cell: Annotated[str, typer.Argument(metavar="CELL_ID", help="cell_id, or its first digits", autocompletion=complete_cell)],
    backend: Annotated[BackendName, typer.Option(help="kernels to use")] = "auto",
    trust_code: TrustCode = False,
) -> None:
    from sweeper.cli.show.run import print_rerun
    from sweeper.errors import Exit
    from sweeper.review.rerun import rerun_cell

    same = print_rerun(rerun_cell(run, cell, backend, trust_code=trust_code))
    raise typer.Exit(int(Exit.DONE if same else Exit.FAILED))


@command(
    app,
    "Launch the small grids of papers, test every claim, and write one page and one JSON. Exit codes as of verify.",
)
def atlas(
    grids: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[GRID]...", help="grid files, or folders: of these the grids in folders named small; default: configs"
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for the runs, their reports, papers.md and papers.json")] = Path(
        "runs/atlas"
    ),
    page: Annotated[Path | None, typer.Option(metavar="FILE", help="write the page here too, with its JSON beside it")] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="worker processes")] = None,
) -> None:
    from sweeper.cli.show.atlas import print_atlas
    from sweeper.launching.progress import Progress
    from sweeper.tools.atlas import make_atlas

    found = make_atlas(grids or [Path("configs")], out, page, Progress(), cpus=cpus)
    print_atlas(found)
    raise typer.Exit(found.exit)
