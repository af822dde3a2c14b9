"""What there is to sweep: studies, starting grids and data sets."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeper.cli.app import AsJson, StudyName, app
from sweeper.cli.completing import complete_study
from sweeper.cli.guard import command

__all__: list[str] = []  # commands are reached through the application


@command(app, "List the studies with their fields; of those that are named also columns and claims.")
def studies(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STUDY]...", help="default: all of them", autocompletion=complete_study),
    ] = None,
    as_json: AsJson = False,
) -> None:
    from sweeper.cli.show.catalogue import print_studies, studies_document

    if as_json:
        from sweeper.cli.show.documents import text_of

        typer.echo(text_of(studies_document(names or [])))
    else:
        print_studies(names or [])


@command(app, "Print a commented grid to start from.")
def new(study: StudyName) -> None:
    from sweeper.cli.show.catalogue import starting_grid
    from sweeper.console import printable

    typer.echo(printable(starting_grid(study)), nl=False)


@command(app, "List the data sets found through W2S_DATA, with licence and sha256.")
def data(as_json: AsJson = False) -> None:
    from sweeper.cli.show.catalogue import data_document, print_data

    if as_json:
        from sweeper.cli.show.documents import text_of

        typer.echo(text_of(data_document()))
    else:
        print_data()
