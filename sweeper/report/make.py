"""The report of a run: a digest with intervals and the claims on the terminal; summary, figures and a page in RUN/report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sweeper.console import console, frame_text
from sweeper.errors import RunError
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.yaml import dump_yaml
from sweeper.report.page import Content, page
from sweeper.report.pictures import draw_pictures
from sweeper.report.provenance import provenance
from sweeper.report.tables import digest_text
from sweeper.review.table import RunTable, read_run
from sweeper.review.verdicts import print_verdicts
from sweeper.review.verify import judge
from w2s.places.url import Where
from w2s.summary.looks import describe_level

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Content", "make_report", "report_content", "write_report"]

_MAX_LINES = 60


def make_report(run: Where | str, *, trust_code: bool = False) -> list[Where]:
    """Print digest and claims; write ``report/summary.csv``, one PNG per figure and ``index.html``; return what was written.

    Works on an unfinished run too, and says how much of it is there. Rows that are not in the run's grid are left out.
    ``trust_code`` is as in :func:`sweeper.review.stored.stored_grid`.
    """
    out, table = console(), _rows_of(run, trust_code)
    status = table.status
    if table.unfinished:
        out.print(f"of {status.cells:,} cells {status.pending:,} are pending and {status.failed:,} failed: a partial report")
    if status.outside:
        out.print(f"{status.outside:,} rows in the folder are not in its grid; they are left out")
    for line in (*([status.grid_note] if status.grid_note else []), *status.code.remarks):
        out.print(line, style="yellow")
    for rule in dict.fromkeys(stopped.until for stopped in status.stopped):
        out.print(f"seeds ended when {rule.metric} was within +-{rule.half_width:g}, by {describe_level(rule)}")
    content, written = write_report(table)
    _print_digest(content.digest)
    for line in content.undrawn:
        out.print(line, style="yellow")
    if content.claims is not None:
        print_verdicts(content.claims)
    for path in written:
        out.print(f"wrote {path}")
    return written


def report_content(run: Where | str, *, trust_code: bool = False) -> tuple[Content, list[Where]]:
    """Write the report of a run, printing nothing; return what it shows and the files. Raises as :func:`make_report` does."""
    return write_report(_rows_of(run, trust_code))


def _rows_of(run: Where | str, trust_code: bool) -> RunTable:
    table = read_run(run, trust_code=trust_code)
    if not len(table.rows):
        raise RunError(f"{run} has no rows yet; launch its grid first")
    return table


def write_report(table: RunTable) -> tuple[Content, list[Where]]:
    """Write the report of a run that has rows, printing nothing; return what it shows and the files."""
    content = _content(table)
    return content, _write(table, content)


def _content(table: RunTable) -> Content:
    """Collect everything that the page shows: summary, digest as text, drawn figures, tested claims, provenance."""
    import w2s

    study = table.grid.study()
    pictures, undrawn = draw_pictures(table)
    return Content(
        run=table,
        about=study.summary or (study.__doc__ or "").strip().partition("\n")[0],
        summary=w2s.summarize(table.rows),
        digest=digest_text(study, table.rows),
        pictures=pictures,
        undrawn=undrawn,
        claims=judge([table]) if study.claims or table.origin.get("claims") else None,
        grid=dump_yaml(RunFolder(table.path).read_grid() or {}),
        provenance=provenance(table),
    )


def _write(table: RunTable, content: Content) -> list[Where]:
    folder, place = RunFolder(table.path), table.path / "report"
    written = [place / "summary.csv", *(place / f"{picture.id}.png" for picture in content.pictures), place / "index.html"]
    folder.write(written[0], content.summary.to_csv(index=False).encode())
    for path, picture in zip(written[1:], content.pictures, strict=False):
        folder.write(path, picture.png)
    folder.write(written[-1], page(content).encode())
    return written


def _print_digest(digest: DataFrame) -> None:
    console().print(frame_text(digest.head(_MAX_LINES)))
    if digest.attrs["caption"]:
        console().print(digest.attrs["caption"])
    if len(digest) > _MAX_LINES:
        console().print(f"... {len(digest) - _MAX_LINES:,} more lines in report/index.html")
