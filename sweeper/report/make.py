"""The report of a run: a digest with intervals and the claims on the terminal; summary, figures and a page in RUN/report."""

from __future__ import annotations

import sys

from sweeper.console import console
from sweeper.errors import RunError
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.yaml import dump_yaml
from sweeper.report.page import Content, page
from sweeper.report.pictures import draw_pictures
from sweeper.report.provenance import provenance
from sweeper.review.table import MOST_ROWS, RunTable, read_run
from sweeper.review.verdicts import print_verdicts
from sweeper.review.verify import judge
from w2s.contract.study import Study
from w2s.places.url import Where
from w2s.summary.looks import describe_level
from w2s.tabulate import run_digest

__all__ = ["Content", "make_report", "report_content", "write_report"]


def make_report(run: Where | str, *, trust_code: bool = False) -> list[Where]:
    """Print digest and claims; write ``summary.csv``, ``digest.csv``, figures and ``index.html``; return what was written.

    Works on an unfinished run too, and says how much of it is there. Rows that are not in the run's grid are left out. Of a run
    of more than :data:`~sweeper.review.table.MOST_ROWS` rows all is of all rows, but for what the study alone can draw and
    test: its figures and claims are those of the first seeds.
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
    out.print(content.found.text(out.width if sys.stdout.isatty() else 80))
    for line in content.undrawn:
        out.print(line, style="yellow")
    if content.claims is not None:
        print_verdicts(content.claims, brief=True)
    page = next((path for path in written if path.name == "index.html"), None)
    if others := [path.name for path in written if path != page]:
        out.print(f"wrote, in {written[0].parent}: {', '.join(others)}")
    if page is not None:
        out.print(f"open {page}")
    return written


def report_content(run: Where | str, *, trust_code: bool = False) -> tuple[Content, list[Where]]:
    """Write the report of a run, printing nothing; return what it shows and the files. Raises as :func:`make_report` does."""
    return write_report(_rows_of(run, trust_code))


def _rows_of(run: Where | str, trust_code: bool) -> RunTable:
    table = read_run(run, trust_code=trust_code, most=MOST_ROWS)
    if not len(table.rows):
        raise RunError(f"{run} has no rows yet; launch its grid first")
    return table


def write_report(table: RunTable) -> tuple[Content, list[Where]]:
    """Write the report of a run that has rows, printing nothing; return what it shows and the files."""
    content = _content(table)
    return content, _write(table, content)


def _content(table: RunTable) -> Content:
    """Collect everything that the page shows: summary, digest, drawn figures, tested claims, provenance."""
    import w2s

    study = table.grid.study()
    stored = None if type(study).digest is not Study.digest else table.stored  # a digest of the study's own takes a frame
    pictures, undrawn = draw_pictures(table)
    return Content(
        run=table,
        about=study.summary or (study.__doc__ or "").strip().partition("\n")[0],
        summary=w2s.summarize(table.every),
        found=run_digest(table.grid.study, table.rows, stored),
        pictures=pictures,
        undrawn=(*_in_part(table), *undrawn),
        claims=judge([table]) if study.claims or table.origin.get("claims") else None,
        grid=dump_yaml(RunFolder(table.path).read_grid() or {}),
        provenance=provenance(table),
    )


def _in_part(table: RunTable) -> tuple[str, ...]:
    """Say what of a large run is not of all its rows."""
    if table.stored is None:
        return ()
    study = table.grid.study
    parts = {
        "digest": study.digest is not Study.digest,
        "figures": bool(study.figures),
        "claims": bool(study.claims or table.origin.get("claims")),
    }
    own = [name for name, there in parts.items() if there]
    if not own:
        return ()
    what = " and ".join(filter(None, [", ".join(own[:-1]), own[-1]]))
    some = f"{len(table.rows):,} of {len(table.stored):,} rows"
    said = f"the study's own {what} are those of the first {table.seeds:,} seeds, {some}"
    return (f"{said}; w2s-sweep verify tests the claims on all, in memory",)


def _write(table: RunTable, content: Content) -> list[Where]:
    folder, place = RunFolder(table.path), table.path / "report"
    pictures = [place / f"{picture.id}.png" for picture in content.pictures]
    written = [place / "summary.csv", place / "digest.csv", *pictures, place / "index.html"]
    folder.write(written[0], content.summary.to_csv(index=False).encode())
    folder.write(written[1], content.found.whole.to_csv(index=False).encode())
    for path, picture in zip(pictures, content.pictures, strict=True):
        folder.write(path, picture.png)
    folder.write(written[-1], page(content).encode())
    return written
