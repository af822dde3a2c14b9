"""What the command line prints of runs that travel."""

from __future__ import annotations

from sweeper.console import console, short
from sweeper.travel.bundle import Bundle
from sweeper.travel.export import Exported
from sweeper.travel.merge import Merged

__all__ = ["print_bundle", "print_exported", "print_merged"]


def print_exported(found: Exported) -> None:
    """Print where the rows were written."""
    console().print(f"wrote {found.rows:,} rows to {found.path}")


def print_merged(found: Merged) -> None:
    """Print what was joined, what is missing, and what a reader has to know."""
    out, place = console(), short(found.run)
    more = f"; {found.repeated:,} were there more than once, and equal" if found.repeated else ""
    out.print(f"{found.rows:,} rows of {found.cells:,} cells in {place}{more}")
    for note in found.notes:
        out.print(f"! {note}")
    out.print(f"next: w2s-sweep report {place}")


def print_bundle(found: Bundle) -> None:
    """Print the file, its digest, and what a reader has to know."""
    out = console()
    out.print(f"packed {found.files:,} files into {found.path}")
    out.print(f"sha256 {found.sha256}")
    for note in found.notes:
        out.print(f"! {note}")
