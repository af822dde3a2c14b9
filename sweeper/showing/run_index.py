"""One page over many runs: what each is, how much of it is there, and what it found, in words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sweeper.errors import UserError
from sweeper.report.markup import page_template
from sweeper.review.table import read_run
from sweeper.showing.pictures import write_text

__all__ = ["write_index"]

_PLACES = ("superseded", "results", "report", "code", "curves")


@dataclass(frozen=True)
class _Line:
    """A run on the page; ``problem`` says why it cannot be read."""

    name: str
    link: str
    study: str = ""
    counts: str = ""
    seeds: str = ""
    found: str = ""
    problem: str = ""


def write_index(folder: Path, out: Path | None = None, *, trust_code: bool = False) -> tuple[int, Path]:
    """Write ``index.html`` over all runs at any depth of a folder; return their number and the page.

    A run that cannot be read has a line that says why. Raises :class:`UserError` where there is no folder, or no run in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; name the one with the run folders, such as runs/")
    runs = _runs(folder)
    if not runs:
        raise UserError(f"{folder} holds no run folder: one has grid.yaml or results/part-*.parquet")
    page = out or folder / "index.html"
    lines = [_line(run, folder, page.parent, trust_code=trust_code) for run in runs]
    write_text(
        page,
        page_template(Path(__file__).parent / "templates", "index.html.jinja").render(
            folder=folder.resolve().name, lines=lines
        ),
    )
    return len(runs), page


def _runs(folder: Path) -> list[Path]:
    """List run folders by name; a run is not looked into, links are not followed."""
    found, waiting = [], [folder]
    while waiting:
        place = waiting.pop()
        if (place / "results").is_dir() and any((place / "results").glob("part-*.parquet")):
            found.append(place)
            continue
        waiting += [
            item for item in place.iterdir() if item.is_dir() and not item.is_symlink() and not item.name.startswith(".")
        ]
    return sorted(found)


def _line(run: Path, folder: Path, beside: Path, *, trust_code: bool) -> _Line:
    from w2s.tabulate import found_in_words

    name = run.relative_to(folder).as_posix() if run != folder else run.resolve().name
    page = run / "report" / "index.html"
    link = quote(Path(os.path.relpath(page.resolve(), beside.resolve())).as_posix()) if page.is_file() else ""
    try:
        table = read_run(run, trust_code=trust_code)
    except (UserError, OSError, ValueError) as error:
        return _Line(name, link, problem=str(error))
    status, rows = table.status, table.rows
    counts = f"{status.done:,} of {status.cells:,} cells"
    counts += f", {table.unfinished}" if table.unfinished else ""
    try:
        found = found_in_words(rows) if len(rows) else "No row yet."
    except ValueError as error:
        found = str(error)
    study = f"{table.grid.study.name}, version {table.grid.study.version}"
    return _Line(name, link, study, counts, str(rows["seed"].nunique()), found)
