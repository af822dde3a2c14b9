"""Figures and tables of one run, from the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.console import short
from sweeper.errors import StoreError, UserError
from sweeper.folder.run_folder import RunFolder
from sweeper.review.table import MOST_ROWS, RunTable, read_run
from w2s.figures.symbols import without_math
from w2s.files.durable import whole

if TYPE_CHECKING:
    from pandas import DataFrame

    from w2s.tabulate import Table

__all__ = [
    "draw_picture",
    "names_of",
    "picture_form",
    "rows_to_show",
    "run_rows_table",
    "selected",
    "table_form",
    "write_text",
    "written_table",
]

_PICTURES: Mapping[str, str] = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
_TABLES: Mapping[str, str] = {
    ".txt": "text",
    ".text": "text",
    ".md": "md",
    ".markdown": "md",
    ".csv": "csv",
    ".tex": "latex",
    ".latex": "latex",
    ".html": "html",
    ".htm": "html",
}
"""Ending of a file -> the format in which it is written."""


def picture_form(out: Path | None, form: str | None) -> str:
    """Choose the format of a figure: the one asked for, else that of the ending of its file, else ``png``.

    Raises :class:`UserError` for an ending that no figure has, and for one of another format than asked for.
    """
    return _form(out, form, _PICTURES, "png")


def table_form(out: Path | None, form: str | None) -> str:
    """Choose the format of a table: the one asked for (``tex`` is ``latex``), else that of the ending of its file, else text.

    Raises :class:`UserError` for an ending that no table has, and for one of another format than asked for.
    """
    return _form(out, "latex" if form == "tex" else form, _TABLES, "text")


def _form(out: Path | None, form: str | None, endings: Mapping[str, str], usual: str) -> str:
    """Match a format with the ending of a file."""
    ending = "" if out is None else out.suffix.lower()
    known = endings.get(ending)
    if known is None and ending and form is None:
        raise UserError(f"--out {out}: what {ending} holds is not known; allowed: {', '.join(endings)}, or name --format")
    if known is not None and form is not None and known != form:
        fits = ", ".join(end for end, word in endings.items() if word == form)
        raise UserError(f"--format {form} does not fit --out {out}, which ends as {known}; allowed for {form}: {fits}")
    return form or known or usual


def draw_picture(
    run: str,
    words: Mapping[str, str | None],
    select: Sequence[str],
    best_over: str | None,
    form: str,
    out: Path | None,
    *,
    trust_code: bool = False,
) -> tuple[str, str]:
    """Draw a figure of a run and write it; return what the figure says and where it is.

    ``words`` are those of :func:`w2s.plotting.plot`. Raises :class:`UserError` for words that do not fit the run.
    """
    from w2s.plotting import picture_bytes, plot

    rows = _run_with_rows(run, trust_code, MOST_ROWS).every
    given: dict[str, Any] = {name: word for name, word in words.items() if word is not None}
    if "," in given.get("y", ""):
        given["y"] = names_of(given["y"])
    try:
        figure = plot(rows, select=selected(select), best_over=names_of(best_over) or (), **given)
        content = picture_bytes(figure, form)
    except ValueError as error:
        raise UserError(str(error)) from None
    if out is not None:
        _write(out, content)
        return without_math(str(figure.get_label())), short(out)
    axes = [word for name, word in words.items() if word is not None and name not in ("style", "title")]
    name = "-".join(re.sub(r"[^A-Za-z0-9_]+", "-", word) for word in [*axes, *select])
    folder = RunFolder.existing(run)
    path = folder.path / "report" / f"plot-{name}.{form}"
    folder.write(path, content)
    return without_math(str(figure.get_label())), short(path)


def run_rows_table(
    run: str, by: str | None, metrics: str | None, select: Sequence[str], best_over: str | None, *, trust_code: bool = False
) -> Table:
    """Make the table of a run. Raises :class:`UserError` for words that do not fit the run."""
    from w2s.tabulate import table

    rows = _run_with_rows(run, trust_code, MOST_ROWS).every
    try:
        return table(rows, names_of(by), names_of(metrics), select=selected(select), best_over=names_of(best_over) or ())
    except ValueError as error:
        raise UserError(str(error)) from None


def written_table(made: Table, form: str, width: int, caption: str | None, label: str | None) -> str:
    """Write a table in a format. Raises :class:`UserError` for a caption or a label where the format has none."""
    try:
        return made.write(form, width, caption=caption, label=label)
    except ValueError as error:
        raise UserError(f"--{error}") from None


def rows_to_show(run: str, *, trust_code: bool = False) -> DataFrame:
    """Read the rows of a run. Raises :class:`UserError` for a run without rows."""
    return _run_with_rows(run, trust_code, None).rows


def _run_with_rows(run: str, trust_code: bool, most: int | None) -> RunTable:
    table = read_run(run, trust_code=trust_code, most=most)
    if not len(table.rows):
        raise UserError(f"{run} has no rows yet; launch its grid first")
    return table


def selected(words: Sequence[str]) -> dict[str, Any]:
    """Read ``AXIS=VALUE`` and ``AXIS=V1,V2``. Raises :class:`UserError` for another form, and for an axis given twice."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (equals and name.strip()):
            raise UserError(f"--select {word!r}: write AXIS=VALUE, or AXIS=V1,V2")
        if name.strip() in found:
            raise UserError(f"--select: {name.strip()} is given twice; write {name.strip()}=V1,V2")
        values = [item.strip() for item in value.split(",")]
        found[name.strip()] = values if len(values) > 1 else values[0]
    return found


def names_of(text: str | None) -> list[str] | None:
    """Read names that commas separate; None where nothing is given."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def write_text(path: Path, text: str) -> None:
    """Write a text to a file, whole or not at all. Raises :class:`StoreError`."""
    _write(path, text.encode())


def _write(path: Path, content: bytes) -> None:
    try:
        with whole(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from None
