"""What there is to sweep: studies, starting grids and data sets."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeper.cli.app import app
from sweeper.cli.guard import command

__all__: list[str] = []  # commands are reached through the application


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
