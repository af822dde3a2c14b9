"""What the command line prints of an atlas; a module of its own, so that no other command loads what an atlas needs."""

from __future__ import annotations

from sweeper.console import console
from sweeper.tools.atlas import Atlas

__all__ = ["print_atlas"]


def print_atlas(found: Atlas) -> None:
    """Print how many claims have which verdict, and the files that say more."""
    out = console()
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(found.verdicts.items(), key=lambda item: -item[1]))
    out.print(f"{sum(found.verdicts.values()):,} claims: {counts or 'none tested'}")
    for path in found.written:
        out.print(f"wrote {path}")
