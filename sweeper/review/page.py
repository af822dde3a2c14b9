"""The report as one HTML page: no network, no scripts, everything in it escaped; light, dark and on paper.

The templates in ``templates/`` say what it looks like, this module what it shows.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from sweeper.review.table import RunTable
from sweeper.review.verdicts import chance_text, explained, remarks, summary_text, verdict_text
from sweeper.review.verify import Judged, Verification
from w2s.tabulate import Digest

__all__ = ["Content", "Picture", "page"]

_MAX_GRID = 50_000


@dataclass(frozen=True)
class Picture:
    """A figure, drawn."""

    id: str
    title: str
    png: bytes


@dataclass(frozen=True)
class Content:
    """What the page shows. ``claims`` is None for a study that makes none.

    ``undrawn`` says which figures could not be drawn, and why.
    """

    run: RunTable
    summary: str
    found: Digest
    pictures: tuple[Picture, ...]
    undrawn: tuple[str, ...]
    claims: Verification | None
    grid: str
    provenance: Mapping[str, str]


def page(content: Content) -> str:
    """Return the whole HTML page. Every text in it is escaped: a study, a grid or an error message cannot inject markup."""
    return _template().render(
        status=content.run.status,
        version=content.run.grid.study.version,
        summary=content.summary,
        counts=_counts(content.run),
        cautions=_cautions(content.run),
        claims=None if content.claims is None else _claims(content.claims),
        undrawn=content.undrawn,
        pictures=[
            {"id": picture.id, "title": picture.title, "base64": base64.b64encode(picture.png).decode("ascii")}
            for picture in content.pictures
        ],
        digest=_digest(content.found),
        grid=content.grid[:_MAX_GRID],
        grid_is_cut=len(content.grid) > _MAX_GRID,
        provenance=content.provenance,
    )


@functools.cache
def _template() -> Template:
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(
        loader=folder,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.jinja")


def _counts(run: RunTable) -> str:
    status = run.status
    counts = f"{status.done:,} of {status.cells:,} cells done, {status.failed:,} failed, {status.pending:,} pending"
    unusual = [f"{count:,} {name}" for name, count in sorted(status.statuses.items()) if name not in ("ok", "failed")]
    return "; ".join([counts, *unusual])


def _cautions(run: RunTable) -> list[str]:
    """Return what a reader has to know before the numbers."""
    outside = (
        [f"{run.status.outside:,} rows in the folder are not in this grid and are left out."] if run.status.outside else []
    )
    partial = [f"A partial report: {run.unfinished} cells."] if run.unfinished else []
    return [*outside, *partial, *(f"{line[0].upper()}{line[1:]}." for line in run.status.code.remarks)]


def _claims(found: Verification) -> dict[str, Any]:
    return {
        "summary": f"{summary_text(found)}; tested on {found.rows:,} rows of {found.seeds:,} seeds; {chance_text(found)}.",
        "remarks": remarks(found),
        "lines": [_claim(judged) for judged in found.judged],
    }


def _claim(judged: Judged) -> dict[str, Any]:
    claim = judged.claim
    thresholds = ", ".join(f"{name} = {value:g}" for name, value in judged.thresholds.items())
    thresholds += f" ({claim.basis})" if claim.basis else ""
    notes = [line for line in explained(judged) if line != f'"{claim.says}"']
    return {
        "id": claim.id,
        "says": claim.says,
        "where": claim.where,
        "badge": _badge(judged),
        "verdict": verdict_text(judged),
        "numbers": judged.verdict.says,
        "notes": ([f"thresholds: {thresholds}"] if thresholds else []) + notes,
    }


def _badge(judged: Judged) -> str:
    """Name the colour of a verdict."""
    if judged.as_expected:
        return "good"
    return {"unresolved": "open", "untestable": "open" if judged.broken else "none"}.get(judged.verdict.outcome, "bad")


def _digest(found: Digest) -> dict[str, Any]:
    same = ", ".join(f"{name} = {value}" for name, value in found.constants.items())
    return {
        "headings": [str(name) for name in found.table.columns],
        "rows": list(found.table.itertuples(index=False, name=None)),
        "remarks": [found.sentence, *([f"All lines: {same}"] if same else []), *found.notes],
    }
