"""The report of a run: a digest with intervals on the terminal, a summary table and the study's figures in RUN/report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import RunError
from sweeper.resolve import read_resolved
from sweeper.status import run_status
from sweeper.store import RunFolder

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["make_report"]

_MAX_LINES = 60


def make_report(run: Path) -> list[Path]:
    """Print the digest, write ``report/summary.csv`` and one PNG per figure; return what was written.

    Works on an unfinished run too, and says how much of it is there.
    """
    import w2s
    from sweeper.describe import console

    out, folder = console(), RunFolder.existing(run)
    status = run_status(run)
    grid = read_resolved(folder.read_grid() or {}, folder.path)
    table = w2s.load(folder.path)
    if not len(table):
        raise RunError(f"{run} has no rows yet; launch its grid first")
    if status.pending or status.failed:
        out.print(f"of {status.cells:,} cells {status.pending:,} are pending and {status.failed:,} failed: a partial report")
    if status.outside:
        out.print(f"{status.outside:,} rows in the folder are not in its grid; they are summarised with the others")
    study = grid.study()
    digest = study.digest(table)
    written = [_write_summary(w2s.summarize(table), folder.path / "report")]
    for figure in study.figures:
        canvas = figure.draw(table)
        if canvas is not None:
            path = folder.path / "report" / f"{figure.id}.png"
            canvas.savefig(path)
            written.append(path)
    _print_digest(digest)
    for path in written:
        out.print(f"wrote {path}")
    return written


def _write_summary(summary: DataFrame, place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    path = place / "summary.csv"
    summary.to_csv(path, index=False)
    return path


def _print_digest(digest: DataFrame) -> None:
    from sweeper.describe import console

    shown = digest.head(_MAX_LINES).map(_cell)
    console().print(shown.to_string(index=False, line_width=10_000))
    if "caption" in digest.attrs:
        console().print(digest.attrs["caption"])
    if len(digest) > _MAX_LINES:
        console().print(f"... {len(digest) - _MAX_LINES:,} more lines in report/summary.csv")


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
