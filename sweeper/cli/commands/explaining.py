"""What things mean: words and columns, and a schema of grids for editors."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeper.cli.app import AsJson, RunName, StudyName, TrustCode, app
from sweeper.cli.completing import complete_word
from sweeper.cli.guard import command

__all__: list[str] = []  # commands are reached through the application


@command(app, "Explain a word: pgr, misfit, status, ..., any field or column, or a symbol of figures (lambda, n, d_w).")
def explain(
    word: Annotated[
        str | None, typer.Argument(metavar="WORD", help="default: list the words", autocompletion=complete_word)
    ] = None,
) -> None:
    from sweeper.cli.show.meanings import print_meaning

    print_meaning(word)


@command(app, "Show what the columns of a run mean, with units, nulls and ranges.")
def describe(run: RunName, as_json: AsJson = False, trust_code: TrustCode = False) -> None:
    from sweeper.cli.show.meanings import print_columns

    print_columns(run, as_json=as_json, trust_code=trust_code)


@command(app, "Print a JSON Schema of a study's grids: editors complete and check fields and values with it.")
def schema(study: StudyName) -> None:
    from sweeper.cli.show.documents import text_of
    from sweeper.tools.grid_schema import grid_schema

    typer.echo(text_of(grid_schema(study)))
