"""The report as one HTML page: no network, everything in it escaped; light, dark and on paper; whole without scripts.

The templates in ``templates/`` say what it looks like, this module what it shows. Its Content-Security-Policy names the hash of
every script and style that it carries, so nothing else runs, whatever a run folder says.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from sweeper.report.charts import chart_templates
from sweeper.report.claims import claims_section
from sweeper.report.explorer import Explorer, explore
from sweeper.report.findings import findings
from sweeper.report.markup import page_template
from sweeper.report.pictures import Picture
from sweeper.report.scripts import csp_hash, own_script, vega_bundle
from sweeper.report.tables import digest_listing, unusable_listing
from sweeper.report.text import clip
from sweeper.review.table import RunTable
from sweeper.review.verify import Verification
from w2s.contract.cells import cell_fields
from w2s.tabulate import Digest

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["MOST_BYTES", "Content", "page"]

MOST_BYTES = 3_000_000
"""Of a page: what would make it larger is left out, and the page says so."""
_MAX_GRID, _MAX_ERROR, _MAX_ABOUT = 50_000, 5_000, 1_000


@dataclass(frozen=True)
class Content:
    """What the page shows. ``found`` is the digest; ``claims`` is None for a study that makes none.

    ``summary`` is that of all metrics by all that varies; ``undrawn`` says which figures could not be drawn, and why.
    """

    run: RunTable
    about: str
    summary: DataFrame
    found: Digest
    pictures: tuple[Picture, ...]
    undrawn: tuple[str, ...]
    claims: Verification | None
    grid: str
    provenance: Mapping[str, str]


def page(content: Content) -> str:
    """Return the whole HTML page, below ``MOST_BYTES`` whatever the run.

    Every text in it is escaped: a study, a grid or an error message cannot inject markup. Where all would be too much, figures
    stay in their files and then the explorer is left out.
    """
    study = content.run.grid.study
    units = {name: spec.unit for name, spec in cell_fields(study.Cell).items()}
    explorer = explore(content.run.every, content.summary, content.run.path, units)
    for inline, explored in ((True, explorer), (False, explorer), (False, None)):
        found = _rendered(content, explored, inline)
        if len(found.encode()) < MOST_BYTES:
            break
    return found


def _rendered(content: Content, explorer: Explorer | None, inline: bool) -> str:
    run, status = content.run, content.run.status
    style = own_script("page.css")
    scripts = [own_script("common.js") + own_script("tables.js")]
    if explorer is not None:
        scripts = [vega_bundle(), scripts[0] + own_script("explorer.js")]
    metrics = [] if explorer is None else [metric["name"] for metric in explorer.data["metrics"]]
    drawn = {picture.id: picture.claims for picture in content.pictures}
    return page_template(Path(__file__).parent / "templates", "page.html.jinja").render(
        title=f"{status.study}: {run.path.name}",
        study=status.study,
        version=run.grid.study.version,
        about=clip(content.about, _MAX_ABOUT),
        counts=_counts(run),
        cautions=_cautions(run),
        first_error=clip(status.first_error, _MAX_ERROR) if status.first_error else "",
        findings=findings(content.found.sentence, content.summary, content.claims),
        claims=None if content.claims is None else claims_section(content.claims, drawn, metrics),
        explorer=explorer,
        charts=None if explorer is None else chart_templates(),
        undrawn=content.undrawn,
        pictures=[_figure(picture, inline, content.claims) for picture in content.pictures],
        digest=digest_listing(content.found),
        unusable=unusable_listing(run.every, run.path),
        grid=clip(content.grid, _MAX_GRID),
        grid_is_cut=len(content.grid) > _MAX_GRID,
        provenance=content.provenance,
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        style_hash=Markup(csp_hash(f"\n{style}")),
        script_hashes=[Markup(csp_hash(f"\n{script}\n")) for script in scripts],
    )


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


def _figure(picture: Picture, inline: bool, claims: Verification | None) -> dict[str, Any]:
    """Describe a figure for the template; without ``source`` the page names its file."""
    tested = [] if claims is None else [judged.claim.id for judged in claims.judged if judged.verdict.outcome != "untestable"]
    encoded = base64.b64encode(picture.inline).decode("ascii") if inline and picture.inline else ""
    return {
        "id": picture.id,
        "title": picture.title,
        "text": picture.text,
        "width": picture.width,
        "source": encoded,
        "claims": [claim for claim in picture.claims if claim in tested],
    }
