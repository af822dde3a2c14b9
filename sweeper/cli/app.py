"""The application that commands register with, and the arguments that several of them take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweeper.cli.completing import complete_run, complete_study

__all__ = ["AsJson", "GridFile", "RunName", "StudyName", "TrustCode", "app"]

app = typer.Typer(
    name="w2s-sweep",
    help="Weak-to-strong generalization as a sweep: a grid file becomes a table of gain, misfit and PGR.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: three times as fast, and a terminal too narrow for a table stays readable
    context_settings={"help_option_names": ["-h", "--help"]},
)

GridFile = Annotated[Path, typer.Argument(metavar="GRID", help="grid file (YAML)", show_default=False)]
RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="run folder, or s3://BUCKET/RUN", show_default=False, autocompletion=complete_run),
]
StudyName = Annotated[
    str, typer.Argument(metavar="STUDY", help="name of a study, or file.py:Name", autocompletion=complete_study)
]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON document")]
TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-code",
        "--trust-study",
        help="run Python files that lie in the run folder itself; only if you know who wrote them",
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"w2s-sweep {version('w2s-sweep')}")
        except PackageNotFoundError:
            typer.echo("w2s-sweep of unknown version")
        raise typer.Exit


@app.callback()
def _front(
    _version: Annotated[
        bool, typer.Option("--version", help="show the version and exit", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take options that stand before a command."""
