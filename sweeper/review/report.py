"""The report of a run: a digest with intervals and the claims on the terminal; summary, figures and a page in RUN/report."""

from __future__ import annotations

import sys
import time

from sweeper.console import console
from sweeper.errors import RunError
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.yaml import dump_yaml
from sweeper.review.page import Content, Picture, page
from sweeper.review.table import RunTable, read_run
from sweeper.review.verdicts import print_verdicts
from sweeper.review.verify import judge
from w2s.places.url import Where
from w2s.plotting import default_figures, picture_bytes
from w2s.summary.columns import usable
from w2s.summary.looks import describe_level
from w2s.tabulate import run_digest

__all__ = ["make_report", "write_report"]


def make_report(run: Where | str, *, trust_code: bool = False) -> list[Where]:
    """Print digest and claims; write ``summary.csv``, ``digest.csv``, figures and ``index.html``; return what was written.

    Works on an unfinished run too, and says how much of it is there. Rows that are not in the run's grid are left out.
    ``trust_code`` is as in :func:`sweeper.review.stored.stored_grid`.
    """
    out, table = console(), read_run(run, trust_code=trust_code)
    if not len(table.rows):
        raise RunError(f"{run} has no rows yet; launch its grid first")
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
        print_verdicts(content.claims)
    for path in written:
        out.print(f"wrote {path}")
    return written


def write_report(table: RunTable) -> tuple[Content, list[Where]]:
    """Write the report of a run that has rows, printing nothing; return what it shows and the files."""
    content = _content(table)
    return content, _write(table, content)


def _content(table: RunTable) -> Content:
    """Collect everything that the page shows: digest as text, drawn figures, tested claims, provenance."""
    study, rows = table.grid.study(), table.rows
    found = run_digest(table.grid.study, rows)
    pictures, undrawn = _draw(table)
    return Content(
        run=table,
        summary=study.summary or (study.__doc__ or "").strip().partition("\n")[0],
        found=found,
        pictures=pictures,
        undrawn=undrawn,
        claims=judge([table]) if study.claims or table.origin.get("claims") else None,
        grid=dump_yaml(RunFolder(table.path).read_grid() or {}),
        provenance=_provenance(table),
    )


def _draw(table: RunTable) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    """Draw the study's figures from the rows that have numbers; skip a figure whose axes the table lacks.

    Also returns a line for each figure that could not be drawn.
    """
    rows = table.rows[usable(table.rows)]
    pictures, undrawn = [], []
    for figure in (*table.grid.study.figures, *default_figures()) if len(rows) else ():
        try:
            canvas = figure.draw(rows)
            if canvas is not None:
                pictures.append(Picture(figure.id, figure.title, picture_bytes(canvas)))
        except Exception as error:
            # One broken figure must not keep the others, the table and the claims from being shown.
            undrawn.append(f"figure {figure.id} could not be drawn: {type(error).__name__}: {error}")
    return tuple(pictures), tuple(undrawn)


def _provenance(table: RunTable) -> dict[str, str]:
    """Describe how the rows were made, from the metadata of the oldest ones, the rows themselves and the events."""
    origin, rows = table.origin, table.rows
    libraries = ", ".join(f"{name} {version}" for name, version in (origin.get("libraries") or {}).items())
    launches = [event for event in RunFolder(table.path).events() if event.get("event") == "launch"]
    times = [time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(event["time"])) for event in launches if "time" in event]
    found = {
        "run folder": str(table.path),
        "package": f"w2s-sweep {origin.get('package') or 'of unknown version'}",
        "seeds": "; ".join(
            f"until {rule.metric} is within +-{rule.half_width:g}, by {describe_level(rule)}"
            for rule in dict.fromkeys(stopped.until for stopped in table.status.stopped)
        ),
        "commit": f"{origin['commit']}{', with changes' if origin.get('dirty') else ''}" if origin.get("commit") else "",
        "Python": origin.get("python", ""),
        "machine": origin.get("machine", ""),
        "libraries": libraries,
        **{name: ", ".join(sorted(map(str, rows[name].dropna().unique()))) for name in ("backend", "blas", "solver", "dtype")},
        "code": ", ".join(sorted(map(str, rows["code_digest"].dropna().unique()))) if "code_digest" in rows else "",
        "executor": ", ".join(dict.fromkeys(str(event.get("executor", "")) for event in launches)),
        "launched": ", then last ".join(dict.fromkeys([times[0], times[-1]])) if times else "",
        "seconds of solving": f"{table.status.seconds:,.1f}",
    }
    return {name: str(text) for name, text in found.items() if text}


def _write(table: RunTable, content: Content) -> list[Where]:
    import w2s

    folder, place = RunFolder(table.path), table.path / "report"
    pictures = [place / f"{picture.id}.png" for picture in content.pictures]
    written = [place / "summary.csv", place / "digest.csv", *pictures, place / "index.html"]
    folder.write(written[0], w2s.summarize(table.rows).to_csv(index=False).encode())
    folder.write(written[1], content.found.whole.to_csv(index=False).encode())
    for path, picture in zip(pictures, content.pictures, strict=True):
        folder.write(path, picture.png)
    folder.write(written[-1], page(content).encode())
    return written
