"""What reads a finished or running run: status, verify, report and migrate."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeper.cli.app import AsJson, RunName, TrustCode, app
from sweeper.cli.guard import command

__all__: list[str] = []  # commands are reached through the application


@command(app, "Show done, failed and pending cells, the rate, predicted against actual time, and the first error.")
def status(
    run: RunName,
    failed: Annotated[bool, typer.Option("--failed", help="list failed cells, together by their message")] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="read every byte and compare it with its part's digest; exit code 1 if damaged"),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="follow the launch at work, with time left and trainings, until it has ended")
    ] = False,
    as_json: AsJson = False,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.cli.show.run import follow, print_failures, print_status
    from sweeper.errors import Exit, UserError
    from sweeper.review.failures import failures
    from sweeper.review.status import run_status

    if watch and as_json:
        raise UserError("--json is one document, and --watch prints lines until the launch has ended: give one of them")
    if watch:
        follow(run)
    found = run_status(run, trust_code=trust_code, verify=verify)
    broken = failures(run, trust_code=trust_code) if failed else None
    if as_json:
        from sweeper.cli.show.documents import status_document, text_of

        typer.echo(text_of(status_document(found, broken)))
    else:
        print_status(found)
        print_failures(broken or ())
    if verify and found.damaged:
        raise typer.Exit(int(Exit.FAILED))


@command(
    app, "Test the claims of a study on finished runs. Exit code 0: all as expected; 1: some not; 4: some cannot be tested."
)
def verify(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="run folders, or s3://BUCKET/RUN", show_default=False)],
    as_json: AsJson = False,
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
    "Print the summary, with intervals of 95 % over seeds, and the claims; write them and figures to RUN/report/index.html.",
)
def report(run: RunName, as_json: AsJson = False, trust_code: TrustCode = False) -> None:
    from sweeper.report.make import make_report, report_content

    if not as_json:
        make_report(run, trust_code=trust_code)
        return
    from sweeper.cli.show.documents import report_document, text_of

    typer.echo(text_of(report_document(*report_content(run, trust_code=trust_code))))


@command(app, "Say what changed since a run was made, and what that means for its rows; rows are never changed.")
def migrate(
    run: RunName,
    study: Annotated[
        str | None, typer.Option(metavar="STUDY", help="where the study of the run is now, PATH.py:Name; default: as stored")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="let the stored grid name --study from now on")] = False,
    trust_code: TrustCode = False,
) -> None:
    from sweeper.console import say
    from sweeper.review.migrate import migrate as say_changes

    for line in say_changes(run, study, write=write, trust_code=trust_code):
        say(line)
