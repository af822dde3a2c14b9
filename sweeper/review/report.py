"""The report of a run: a digest with intervals and the claims on the terminal; summary, figures and a page in RUN/report."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any, cast

from sweeper.console import console
from sweeper.errors import RunError
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.yaml import dump_yaml
from sweeper.review.page import Content, Picture, page
from sweeper.review.table import RunTable, read_run
from sweeper.review.verdicts import print_verdicts
from sweeper.review.verify import judge
from w2s.contract.study import Study
from w2s.places.url import Where
from w2s.summary.columns import usable
from w2s.summary.looks import describe_level

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["MOST_ROWS", "make_report", "write_report"]

MOST_ROWS = 2_000_000
"""Rows up to which a report holds all of them in memory, at about a kilobyte a row."""
_MAX_LINES = 60


def make_report(run: Where | str, *, trust_code: bool = False) -> list[Where]:
    """Print digest and claims; write ``report/summary.csv``, one PNG per figure and ``index.html``; return what was written.

    Works on an unfinished run too, and says how much of it is there. Rows that are not in the run's grid are left out. Of a run
    of more than :data:`MOST_ROWS` rows, summary and digest are of all rows, claims and figures of its first seeds.
    ``trust_code`` is as in :func:`sweeper.review.stored.stored_grid`.
    """
    out, table = console(), read_run(run, trust_code=trust_code, most=MOST_ROWS)
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
    _print_digest(content.digest)
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
    study, part = table.grid.study(), _in_part(table)
    whole = table.stored is not None and type(study).digest is Study.digest
    digest = study.digest(cast("DataFrame", table.stored) if whole else table.rows)
    text = digest.map(_cell)
    text.attrs["caption"] = digest.attrs.get("caption", "")
    pictures, undrawn = _draw(table)
    return Content(
        run=table,
        summary=study.summary or (study.__doc__ or "").strip().partition("\n")[0],
        digest=text,
        pictures=pictures,
        undrawn=(*part, *undrawn),
        claims=judge([table]) if study.claims or table.origin.get("claims") else None,
        grid=dump_yaml(RunFolder(table.path).read_grid() or {}),
        provenance=_provenance(table),
    )


def _in_part(table: RunTable) -> tuple[str, ...]:
    """Say what of a large run is not of all its rows."""
    if table.stored is None:
        return ()
    own = type(table.grid.study()).digest is not Study.digest
    what = "the digest, figures and claims are" if own else "figures and claims are"
    some = f"{what} those of the first {table.seeds:,} seeds, {len(table.rows):,} of {len(table.stored):,} rows"
    return (f"{some}; w2s-sweep verify tests the claims on all, in memory",)


def _draw(table: RunTable) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    """Draw the study's figures from the rows that have numbers; skip a figure whose axes the table lacks.

    Also returns a line for each figure that could not be drawn.
    """
    kept = usable(table.rows)
    rows = table.rows if kept.all() else table.rows[kept]
    pictures, undrawn = [], []
    for figure in table.grid.study.figures if len(rows) else ():
        buffer = io.BytesIO()
        try:
            canvas = figure.draw(rows)
            if canvas is not None:
                canvas.savefig(buffer, format="png")
                pictures.append(Picture(figure.id, figure.title, buffer.getvalue()))
        except Exception as error:
            # One broken figure must not keep the others, the table and the claims from being shown.
            undrawn.append(f"figure {figure.id} could not be drawn: {type(error).__name__}: {error}")
    return tuple(pictures), tuple(undrawn)


def _provenance(table: RunTable) -> dict[str, str]:
    """Describe how the rows were made, from the metadata of the oldest ones, the rows themselves and the events."""
    origin, rows = table.origin, table.rows if table.stored is None else table.stored
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
        "code": ", ".join(sorted(map(str, rows["code_digest"].dropna().unique()))) if "code_digest" in rows.columns else "",
        "executor": ", ".join(dict.fromkeys(str(event.get("executor", "")) for event in launches)),
        "launched": ", then last ".join(dict.fromkeys([times[0], times[-1]])) if times else "",
        "seconds of solving": f"{table.status.seconds:,.1f}",
    }
    return {name: str(text) for name, text in found.items() if text}


def _write(table: RunTable, content: Content) -> list[Where]:
    import w2s

    folder, place = RunFolder(table.path), table.path / "report"
    written = [place / "summary.csv", *(place / f"{picture.id}.png" for picture in content.pictures), place / "index.html"]
    folder.write(written[0], w2s.summarize(table.rows if table.stored is None else table.stored).to_csv(index=False).encode())
    for path, picture in zip(written[1:], content.pictures, strict=False):
        folder.write(path, picture.png)
    folder.write(written[-1], page(content).encode())
    return written


def _print_digest(digest: DataFrame) -> None:
    console().print(digest.head(_MAX_LINES).to_string(index=False, line_width=10_000))
    if digest.attrs["caption"]:
        console().print(digest.attrs["caption"])
    if len(digest) > _MAX_LINES:
        console().print(f"... {len(digest) - _MAX_LINES:,} more lines in report/index.html")


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
