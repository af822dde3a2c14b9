"""The application that commands register with, and the arguments that several of them take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["GridFile", "RunName", "TrustCode", "app"]

app = typer.Typer(
    name="w2s-sweep",
    help="Weak-to-strong generalization as a sweep: a grid file becomes a table of gain, misfit and PGR.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: three times as fast, and a terminal too narrow for a table stays readable
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
