"""The commands of ``w2s-sweep store``."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeper.cli.app import AsJson
from sweeper.cli.guard import command

__all__ = ["store_app"]

store_app = typer.Typer(help="Look at a store of artifacts, and free its disk.", no_args_is_help=True, rich_markup_mode=None)
StorePath = Annotated[str, typer.Argument(metavar="STORE", help="folder or URL of a store, .w2s-store say", show_default=False)]


@command(store_app, "Show the artifacts of a store by function, and the runs that use them.", "list")
def store_list(store: StorePath, as_json: AsJson = False) -> None:
    from sweeper.cli.show.store import print_store, store_document

    if as_json:
        from sweeper.cli.show.documents import text_of

        typer.echo(text_of(store_document(store)))
    else:
        print_store(store)


@command(store_app, "Remove artifacts that no existing run uses. What is being computed is left alone.", "gc")
def store_gc(
    store: StorePath,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be removed")] = False,
    as_json: AsJson = False,
) -> None:
    from sweeper.cli.show.store import collect_garbage, print_collected

    found = collect_garbage(store, dry_run=dry_run)
    if as_json:
        from sweeper.cli.show.documents import text_of

        typer.echo(text_of(found))
    else:
        print_collected(found)
