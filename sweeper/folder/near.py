"""Which runs are there, for those who name one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

__all__ = ["runs_near"]

_MOST = 8


def runs_near(path: Path) -> str:
    """Say which runs lie where a run was looked for, in the working folder, and in ``runs`` there; the most alike first."""
    found: dict[Path, str] = {}
    for place in (path.parent, Path(), Path("runs")):
        for run in _runs_in(place):
            found.setdefault(run.resolve(), str(run))
    alike = sorted(found.values(), key=lambda run: (-SequenceMatcher(None, Path(run).name, path.name).ratio(), run))
    if not alike:
        return "no run is here either; launch a grid first"
    more = f", and {len(alike) - _MOST} more" if len(alike) > _MOST else ""
    return f"runs here: {', '.join(alike[:_MOST])}{more}"


def _runs_in(folder: Path) -> Iterator[Path]:
    """Yield the runs that lie directly in a folder; nothing where it cannot be read."""
    try:
        for item in folder.iterdir():
            if (item / "grid.yaml").is_file() and (item / "results").is_dir():
                yield item
    except OSError:
        return
