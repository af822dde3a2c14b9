"""The command line. Nothing heavier than Typer is imported before a command needs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sweeper.choices import BackendName, OnError
from sweeper.cli.guard import command, mute_output, write_any_text
from sweeper.cli.store import store_app
from sweeper.cli.supervisor import supervise
from w2s.predictions.kinds import Kind

__all__ = ["app", "main"]

app = typer.Typer(
    name="w2s-sweep",
    help="Weak-to-strong generalization as a sweep: a grid file becomes a table of gain, misfit and PGR.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: three times as fast, and a terminal too narrow for a table stays readable
    context_settings={"help_option_names": ["-h", "--help"]},
)

_SOLVING = ("launch", "plan", "rerun", "atlas")
GridFile = Annotated[Path, typer.Argument(metavar="GRID", help="grid file (YAML)", show_default=False)]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="run folder, or s3://BUCKET/RUN", show_default=False)]

TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-code",
        "--trust-study",
        help="run Python files that lie in the run folder itself; only if you know who wrote them",
    ),
]


def main() -> None:
    """Run ``w2s-sweep`` with the arguments of this process; commands that run a study's code do so in a child."""
    write_any_text()
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in _SOLVING:
        sys.exit(supervise(app, again=name in ("launch", "atlas")))
    app()


@command(app, "List the studies and their fields.")
def studies() -> None:
    from sweeper.cli.show.catalogue import print_studies

    print_studies()


@command(app, "Print a commented grid to start from.")
def new(study: Annotated[str, typer.Argument(metavar="STUDY", help="name of a study, or file.py:Name")]) -> None:
    from sweeper.cli.show.catalogue import starting_grid
    from sweeper.console import printable

    typer.echo(printable(starting_grid(study)), nl=False)


@command(app, "List the data sets found through W2S_DATA, with licence and sha256.")
def data() -> None:
    from sweeper.cli.show.catalogue import print_data

    print_data()


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
        str | None, typer.Option(help="predict hours of trainings on one such card: H200, A100, ...; default: on this machine")
    ] = None,
    utilisation: Annotated[float, typer.Option(help="share of the card's peak that trainings are assumed to reach")] = 0.2,
) -> None:
    from sweeper.cli.show.plan import print_plan
    from sweeper.cli.show.run import print_existing
    from sweeper.errors import GridError
    from sweeper.grid.read import load_grid
    from sweeper.plan.cut import make_plan

    if pilot is not None and resolve is None:
        raise GridError("--pilot is about --resolve METRIC=HALF_WIDTH, which is not given")
    checked = make_plan(load_grid(grid))
    print_plan(checked, device, utilisation)
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
        bool, typer.Option("--no-space-check", help="launch also what is predicted not to fit on the disk")
    ] = False,
) -> None:
    from sweeper.cli.show.run import print_outcome
    from sweeper.folder.run_folder import run_name
    from sweeper.launching.launch import launch as run_grid
    from sweeper.launching.progress import Progress

    if executor is not None and ".py" in executor:
        executor = str(Path(executor).absolute())  # as typed here, not as beside the grid
    named: dict[str, Any] = {"executor": executor, "backend": backend, "on_error": on_error, "address": address, "cpus": cpus}
    named |= {"time_limit": time_limit, "keep": keep, "keep_code": keep_code, "fresh": fresh, "space_check": not no_space_check}
    named |= {"store": None if store is None else str(run_name(store).resolve()), "blind": blind or None}
    outcome = run_grid(grid, out=out, progress=Progress(), **named)
    try:
        print_outcome(outcome)
        sys.stdout.flush()
    except OSError:  # a closed pipe, or a terminal that has gone
        mute_output()
    raise typer.Exit(int(outcome.exit))


@command(app, "Show done, failed and pending cells, the rate, predicted against actual time, and the first error.")
def status(
    run: RunName,
    failed: Annotated[bool, typer.Option("--failed", help="list failed cells, together by their message")] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="read every byte and compare it with its part's digest; exit code 1 if damaged"),
    ] = False,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.cli.show.run import print_failures, print_status
    from sweeper.errors import Exit
    from sweeper.review.failures import failures
    from sweeper.review.status import run_status

    found = run_status(run, trust_code=trust_code, verify=verify)
    print_status(found)
    if failed:
        print_failures(failures(run, trust_code=trust_code))
    if verify and found.damaged:
        raise typer.Exit(int(Exit.CANNOT_WRITE))


@command(app, "Say what changed since a run was made, and what that means for its rows; rows are never changed.")
def migrate(
    run: RunName,
    study: Annotated[
        str | None, typer.Option(metavar="STUDY", help="where the study of the run is now, PATH.py:Name; default: as stored")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="let the stored grid name --study from now on")] = False,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.review.migrate import migrate as say_changes

    for line in say_changes(run, study, write=write, trust_code=trust_code):
        typer.echo(line)


@command(app, "Solve one cell again in this process and compare it with its row. Exit code 1 if they differ.")
def rerun(
    run: RunName,
    cell: Annotated[str, typer.Argument(metavar="CELL_ID", help="cell_id, or its first digits")],
    backend: Annotated[BackendName, typer.Option(help="kernels to use")] = "auto",
    trust_code: TrustCode = False,
) -> None:
    from sweeper.cli.show.run import print_rerun
    from sweeper.review.rerun import rerun_cell

    same = print_rerun(rerun_cell(run, cell, backend, trust_code=trust_code))
    raise typer.Exit(0 if same else 1)


@command(
    app, "Test the claims of a study on finished runs. Exit code 0: all as expected; 1: some not; 4: some cannot be tested."
)
def verify(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="run folders, or s3://BUCKET/RUN", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="test unfinished runs on what is there")] = False,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.review.verdicts import print_verdicts, verdicts_json
    from sweeper.review.verify import exit_code
    from sweeper.review.verify import verify as verify_runs

    found = verify_runs(runs, partial=partial, trust_code=trust_code)
    if as_json:
        typer.echo(verdicts_json(found, partial=partial))
    for verification in found if not as_json else []:
        print_verdicts(verification)
    raise typer.Exit(exit_code(found))


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


@command(
    app,
    "Print the summary, with intervals of 95 % over seeds, and the claims; write them and figures to RUN/report/index.html.",
)
def report(run: RunName, trust_code: TrustCode = False) -> None:
    from sweeper.review.report import make_report

    make_report(run, trust_code=trust_code)


@command(
    app, "Score a file of predictions: PGR, gain, misfit and agreement, 95 % over items per seed, then over seeds and items."
)
def score(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="predictions: CSV, JSON lines, Parquet or Arrow", show_default=False)
    ],
    kind: Annotated[Kind, typer.Option(help="what the models predict")] = "probability",
    by: Annotated[str | None, typer.Option(metavar="COLUMN", help="column of groups to score one by one")] = None,
    labels: Annotated[
        Literal["hard"] | None, typer.Option(help="hard: the student was trained on the weak model's most probable classes")
    ] = None,
) -> None:
    from sweeper.tools.score import print_scores
    from sweeper.tools.score import score as score_file

    print_scores(score_file(file, kind, by, labels))


@command(app, "Read the results of another code base into a table; no pickle is opened.", "import")
def import_folder(
    source: Annotated[
        str,
        typer.Argument(metavar="CODEBASE", help="code base that wrote the folder: openai-w2s or eleuther", show_default=False),
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="its results folder", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="table to write, .csv or .parquet; default: DIR-results.csv")] = None,
    anchors: Annotated[
        list[Path] | None, typer.Option(help="further folder with weak models and ceilings; may be given several times")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace files of an earlier import")] = False,
) -> None:
    from sweeper.tools.importing import import_results

    import_results(source, folder, out, anchors=anchors or (), overwrite=overwrite)


@command(app, "Run the benchmarks of the source checkout and print ratios against peers. Exit code 1 if one breaks.")
def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="benchmarks to run; default: all")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="fewer repetitions")] = False,
) -> None:
    from sweeper.tools.bench import run_benchmarks

    raise typer.Exit(int(run_benchmarks(names or [], quick=quick) > 0))


@command(app, "Show versions, BLAS, threads, GPU and executors; say what is missing and how to get it.")
def doctor(
    calibrate: Annotated[bool, typer.Option("--calibrate", help="measure this machine's rates, for predicted times")] = False,
) -> None:
    from sweeper.tools import doctor as room

    room.calibrate() if calibrate else room.print_doctor()


app.add_typer(store_app, name="store")
