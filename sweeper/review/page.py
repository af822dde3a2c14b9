"""The report as one HTML page: no network, no scripts, everything in it escaped; light, dark and on paper."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from sweeper.review.table import RunTable
from sweeper.review.verdicts import explained, remarks, summary_text, verdict_text
from sweeper.review.verify import Judged, Verification

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Content", "Picture", "page"]

_MAX_LINES = 1000
_MAX_GRID = 50_000


@dataclass(frozen=True)
class Picture:
    """A figure, drawn."""

    id: str
    title: str
    png: bytes


@dataclass(frozen=True)
class Content:
    """What the page shows. ``digest`` holds text; ``claims`` is None for a study that makes none.

    ``undrawn`` says which figures could not be drawn, and why.
    """

    run: RunTable
    summary: str
    digest: DataFrame
    pictures: tuple[Picture, ...]
    undrawn: tuple[str, ...]
    claims: Verification | None
    grid: str
    provenance: Mapping[str, str]


def page(content: Content) -> str:
    """Return the whole page. Every text in it is escaped: a study, a grid or an error message cannot inject markup."""
    status = content.run.status
    sections = [
        _section("claims", "Claims", _claims(content.claims)),
        _section("figures", "Figures", _figures(content)),
        _section("digest", "Digest", _digest(content.digest)),
        _section("grid", "Grid", _grid(content.grid)),
        _section("provenance", "Provenance", _table(("what", "which"), content.provenance.items(), headed_rows=True)),
    ]
    shown = [section for section in sections if section]
    body = "\n".join([_header(content), f"<main>\n{_newline_joined(shown)}</main>"])
    return _PAGE.format(title=escape(f"{status.study}: {status.run.name}"), style=_STYLE, body=body)


def _newline_joined(parts: Iterable[str]) -> str:
    return "".join(f"{part}\n" for part in parts)


def _header(content: Content) -> str:
    status = content.run.status
    counts = f"{status.done:,} of {status.cells:,} cells done, {status.failed:,} failed, {status.pending:,} pending"
    unusual = [f"{n:,} {name}" for name, n in sorted(status.statuses.items()) if name not in ("ok", "failed")]
    lines = [_p(content.summary), _p("; ".join([counts, *unusual]), "counts")]
    if status.outside:
        lines.append(_p(f"{status.outside:,} rows in the folder are not in this grid and are left out.", "warning"))
    if content.run.unfinished:
        lines.append(_p(f"A partial report: {content.run.unfinished} cells.", "warning"))
    if status.first_error:
        lines.append(f"<p>First error:</p>\n<pre>{escape(status.first_error)}</pre>")
    version = escape(f"version {content.run.grid.study.version}")
    return f"<header>\n<h1>{escape(status.study)} <small>{version}</small></h1>\n{_newline_joined(lines)}</header>"


def _section(name: str, heading: str, inner: str) -> str:
    return f'<section id="{name}">\n<h2>{heading}</h2>\n{inner}\n</section>' if inner else ""


def _p(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def _claims(found: Verification | None) -> str:
    if found is None:
        return ""
    notes = [_p(line, "warning") for line in remarks(found)]
    rows = _newline_joined(_claim(judged) for judged in found.judged)
    summary = _p(f"{summary_text(found)}; tested on {found.rows:,} rows of {found.seeds:,} seeds.")
    headings = "".join(f'<th scope="col">{name}</th>' for name in ("claim", "verdict", "numbers", "place"))
    table = f'<div class="wide"><table>\n<thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>'
    return "\n".join([summary, *notes, table])


def _claim(judged: Judged) -> str:
    claim = judged.claim
    thresholds = ", ".join(f"{name} = {value:g}" for name, value in judged.thresholds.items())
    notes = [line for line in explained(judged) if line != f'"{claim.says}"']
    small = "".join(
        f"<br><small>{escape(line)}</small>" for line in ([f"thresholds: {thresholds}"] if thresholds else []) + notes
    )
    return (
        f'<tr><th scope="row"><code>{escape(claim.id)}</code><br>{escape(claim.says)}</th>'
        f'<td><span class="badge {_badge(judged)}">{escape(verdict_text(judged))}</span></td>'
        f"<td>{escape(judged.verdict.says)}{small}</td><td>{escape(claim.where)}</td></tr>"
    )


def _badge(judged: Judged) -> str:
    if judged.as_expected:
        return "good"
    return {"unresolved": "open", "untestable": "open" if judged.broken else "none"}.get(judged.verdict.outcome, "bad")


def _figures(content: Content) -> str:
    drawn = "".join(_figure(picture, content.run.status.study) for picture in content.pictures)
    return "".join(_p(line, "warning") for line in content.undrawn) + drawn


def _figure(picture: Picture, study: str) -> str:
    data = base64.b64encode(picture.png).decode("ascii")
    alt = escape(f"{picture.title}; a figure of {study}, drawn from the table summarised on this page")
    image = f'<img alt="{alt}" src="data:image/png;base64,{data}">'
    return f'<figure id="figure-{escape(picture.id)}">\n{image}\n<figcaption>{escape(picture.title)}</figcaption>\n</figure>\n'


def _digest(digest: DataFrame) -> str:
    rows = digest.head(_MAX_LINES).itertuples(index=False, name=None)
    parts = [_table([str(name) for name in digest.columns], rows)]
    if digest.attrs.get("caption"):
        parts.append(_p(str(digest.attrs["caption"])))
    if len(digest) > _MAX_LINES:
        parts.append(_p(f"{len(digest) - _MAX_LINES:,} more lines are not shown."))
    return "\n".join(parts) if len(digest.columns) else ""


def _grid(text: str) -> str:
    cut = _p("The rest is in grid.yaml.") if len(text) > _MAX_GRID else ""
    return f"<pre>{escape(text[:_MAX_GRID])}</pre>{cut}"


def _table(headings: Iterable[str], rows: Iterable[Iterable[Any]], *, headed_rows: bool = False) -> str:
    """Return a table whose column headings, and row headings where asked, are marked as such."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in headings)
    lines = []
    for row in rows:
        first, *rest = (escape(str(value)) for value in row)
        start = f'<th scope="row">{first}</th>' if headed_rows else f"<td>{first}</td>"
        lines.append(f"<tr>{start}{''.join(f'<td>{value}</td>' for value in rest)}</tr>")
    body = _newline_joined(lines)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>'


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""

_STYLE = """\
:root { --text: #1b1f24; --quiet: #57606a; --line: #d8dee4; --back: #ffffff; --shade: #f6f8fa;
  --good: #1a7f37; --bad: #b3261e; --open: #8a5a00; --none: #57606a; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --quiet: #9aa4af; --line: #353c45; --back: #0f1419;
  --shade: #171d24; --good: #56d364; --bad: #ff8f86; --open: #e3b341; --none: #9aa4af; } }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: var(--text); background: var(--back);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin-bottom: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
small, .counts, figcaption { color: var(--quiet); font-weight: normal; }
.warning { border-left: .25rem solid var(--open); padding-left: .6rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); }
thead th { white-space: nowrap; color: var(--quiet); }
tbody th { font-weight: normal; }
#digest td { white-space: nowrap; }
pre { background: var(--shade); padding: .8rem; overflow: auto; max-height: 30rem; font-size: .85rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.badge { display: inline-block; border: 1.5px solid currentColor; border-radius: .4rem; padding: 0 .45rem; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); } .open { color: var(--open); } .none { color: var(--none); }
figure { margin: 1.2rem 0; break-inside: avoid; }
img { max-width: 100%; height: auto; background: #ffffff; border-radius: .3rem; }
@media print {
  :root { --text: #000000; --quiet: #444444; --line: #bbbbbb; --back: #ffffff; --shade: #ffffff;
    --good: #0b5c22; --bad: #8f1d17; --open: #6b4600; --none: #444444; }
  body { margin: 0; max-width: none; font-size: 10pt; }
  pre { max-height: none; } .wide { overflow: visible; } #digest td { white-space: normal; }
  thead { display: table-header-group; } tr, h2 { break-inside: avoid; } h2 { break-after: avoid; }
}
"""
