"""What comes from elsewhere: predictions to score and results of other code bases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sweeper.cli.app import AsJson, app
from sweeper.cli.guard import command
from w2s.predictions.kinds import Kind

__all__: list[str] = []  # commands are reached through the application


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
    as_json: AsJson = False,
) -> None:
    from sweeper.tools.score import print_scores
    from sweeper.tools.score import score as score_file

    rows = score_file(file, kind, by, labels)
    if as_json:
        from sweeper.cli.show.documents import records, text_of

        typer.echo(text_of({"rows": records(rows), "remarks": rows.attrs["remarks"]}))
    else:
        print_scores(rows)


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
