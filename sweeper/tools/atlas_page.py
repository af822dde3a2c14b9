"""The page of an atlas: paper x claim x verdict x numbers, as Markdown from the JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s.claims.sabotage import SABOTAGES
from w2s.claims.seed_intervals import LEVEL
from w2s.files.durable import whole

__all__ = ["JSON_NAME", "PAGE_NAME", "atlas_page", "write_page"]

Content = Mapping[str, Any]

PAGE_NAME, JSON_NAME = "papers.md", "papers.json"

_HEAD = """# Papers

Written by `w2s-sweep atlas` from [{name}]({name}), which has the same numbers for programs. Each study was launched on its
small grids, and all of its claims were tested on their rows, with 99 % intervals that resample whole seeds. *Notices*: on how
many of {sabotages} doctored tables a claim loses its verdict.
"""


def write_page(content: Content, page: Path, data: Path) -> tuple[Path, Path]:
    """Write the JSON and the page made from it, each whole; return both files."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    page.parent.mkdir(parents=True, exist_ok=True)
    with whole(data) as made:
        made.write_text(text, encoding="utf-8")
    with whole(page) as made:
        made.write_text(atlas_page(json.loads(text), page.resolve().parent, data.name), encoding="utf-8")
    return page, data


def atlas_page(content: Content, folder: Path, data_name: str = JSON_NAME) -> str:
    """Return the page for a folder: links to grids and reports as the JSON has them, to pages and pictures that lie in it.

    The page of a paper is ``studies/PAPER.md`` and its pictures are ``images/PAPER_*.png``, where the folder has them.
    """
    papers: dict[str, list[Content]] = {}
    for study in content["studies"]:
        papers.setdefault(study["paper"], []).append(study)
    lines = [_HEAD.format(name=data_name, sabotages=len(SABOTAGES)), *_counts(content), ""]
    for paper, studies in sorted(papers.items()):
        lines += [f"## {paper}", "", *_links(paper, folder)]
        for study in studies:
            lines += [*_study(study, folder), ""]
        apart = [other for other in content["without_grids"] if other["study"].partition(".")[0] == paper]
        lines += [f"`{other['study']}` has {other['claims']} more claims, which no grid here tests.\n" for other in apart]
    for grid in content["unread"]:
        lines += [f"`{grid['grid']}` was not launched: {_plain(grid['problem'])}", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _counts(content: Content) -> Iterator[str]:
    studies = content["studies"]
    claims = [claim for study in studies for claim in study["claims"]]
    by_verdict: dict[str, int] = {}
    for claim in claims:
        by_verdict[claim["verdict"]] = by_verdict.get(claim["verdict"], 0) + 1
    papers = len({study["paper"] for study in studies})
    found = ", ".join(f"{count} {verdict}" for verdict, count in sorted(by_verdict.items(), key=lambda item: -item[1]))
    what = f"{papers} papers" if papers != 1 else "1 paper"
    yield f"**{len(claims)} claims of {what}: {found or 'none tested'}.**"
    if left := sum(study["not_tested"] for study in studies):
        yield f"{left} claims were not tested, since a grid could not be launched."
    intervals = sum(study["intervals"] for study in studies)
    if intervals:
        wrong = intervals * (1.0 - LEVEL)
        yield f"Their {intervals} intervals leave out the truth {wrong:.1f} times on average, by luck of the seeds."


def _links(paper: str, folder: Path) -> Iterator[str]:
    links = [f"[page](studies/{paper}.md)"] if (folder / "studies" / f"{paper}.md").is_file() else []
    links += [_picture(path, paper, folder) for path in sorted((folder / "images").glob(f"{paper}_*.png"))]
    if links:
        yield " · ".join(links)
        yield ""


def _picture(path: Path, paper: str, folder: Path) -> str:
    return f"[{path.stem.removeprefix(f'{paper}_').replace('_', ' ')}]({path.relative_to(folder).as_posix()})"


def _study(study: Content, folder: Path) -> Iterator[str]:
    grids = ", ".join(_grid(grid, folder) for grid in study["grids"])
    yield f"**{study['study']}**: {_plain(study['summary'])}. {study['rows']:,} rows, {study['seeds']:,} seeds of {grids}"
    yield ""
    if study["not_tested"]:
        yield f"Not tested: {study['not_tested']} claims."
        return
    yield "| claim | sentence | place | verdict | numbers | notices |"
    yield "|---|---|---|---|---|---|"
    yield from (_row(claim) for claim in study["claims"])


def _grid(grid: Content, folder: Path) -> str:
    text = f"[{Path(grid['grid']).name}]({grid['grid']}) ({grid['cells']:,} cells)"
    if grid["problem"]:
        return f"{text}, not finished: {_plain(grid['problem'])}"
    if not grid.get("report"):
        return text
    pictures = sorted((folder / grid["report"]).glob("*.png"))
    return f"{text}, [report]({grid['report']}/index.html){_listed(pictures, grid['report'])}"


def _listed(pictures: Sequence[Path], report: str) -> str:
    return "".join(f", [{path.stem.replace('_', ' ')}]({report}/{path.name})" for path in pictures)


def _row(claim: Content) -> str:
    verdict = claim["verdict"] if claim["as_expected"] else f"**{claim['verdict']}**"
    says = _plain(claim["says"]) + (f" *Expected to fail: {_plain(claim['reason'])}.*" if claim["reason"] else "")
    cells = (f"`{claim['id']}`", says, _plain(claim["where"]), verdict, _plain(claim["line"]), str(len(claim["notices"])))
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    """Write a text so that Markdown shows it as it is: formulas have stars, bars and angles."""
    for sign, shown in (("&", "&amp;"), ("<", "&lt;"), ("*", "\\*"), ("|", "\\|"), ("\n", " ")):
        text = text.replace(sign, shown)
    return text
