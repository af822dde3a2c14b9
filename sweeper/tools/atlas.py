"""``w2s-sweep atlas``: launch small grids, test every claim of their studies, and write one page and one JSON about all."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.errors import Exit, UserError
from sweeper.grid.model import Grid
from sweeper.grid.read import load_grid
from sweeper.launching.launch import launch
from sweeper.launching.progress import Progress
from sweeper.report.make import write_report
from sweeper.review.table import RunTable, read_run
from sweeper.review.verdicts import claim_content, summary_text, verdict_text
from sweeper.review.verify import AS_EXPECTED, UNTESTABLE, Judged, Verification, exit_code, judge
from sweeper.tools.atlas_page import JSON_NAME, PAGE_NAME, write_page
from w2s.claims.sabotage import SABOTAGES
from w2s.studies.registry import find_study, study_names

__all__ = ["Atlas", "make_atlas", "small_grids"]

_DIGITS = 6
"""Significant digits of numbers in the JSON, which two machines agree on: a page that is made again differs where it should."""


@dataclass(frozen=True)
class Atlas:
    """What an atlas found: exit code, files, and counts of claims by verdict text."""

    exit: int
    written: tuple[Path, ...]
    verdicts: dict[str, int]


@dataclass(frozen=True)
class _Launched:
    """A grid after its launch: its finished rows and the verdicts on these alone, or why there are none."""

    file: Path
    grid: Grid | None
    run: Path | None
    table: RunTable | None
    problem: str = ""
    alone: Verification | None = None

    @property
    def says(self) -> str:
        """What came of it, for people."""
        return self.problem or f"{self.table.status.cells if self.table else 0:,} cells"


def small_grids(places: Iterable[Path]) -> list[Path]:
    """Return grid files: those named, and of each folder the ``*.yaml`` in its folders called ``small``, sorted.

    Raises :class:`UserError` for a place that is not there and for a folder without such grids.
    """
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = sorted(path for path in place.rglob("*.yaml") if path.parent.name == "small")
            if not inside:
                raise UserError(f"{place} has no grids in folders called small; name grid files, or a folder of papers")
            found += inside
        elif place.is_file():
            found.append(place)
        else:
            raise UserError(
                f"{place} is neither a grid file nor a folder; in a checkout of the source: w2s-sweep atlas configs"
            )
    return list(dict.fromkeys(found))


def make_atlas(places: Sequence[Path], out: Path, page: Path | None, progress: Progress, **compute: Any) -> Atlas:
    """Run the small grids of ``places`` in folders of ``out``, verify each study on all of its rows, and write the page.

    ``out`` gets a run folder per grid with its report, ``papers.md`` and ``papers.json``; ``page`` is another place for the
    page, with the JSON beside it. An atlas that is made again computes only what is missing. A grid that cannot be launched
    (its data are not here) is named with the reason, and its study counts as not tested.
    """
    grids = small_grids(places)
    launched: list[_Launched] = []
    for number, file in enumerate(grids, 1):
        start = time.monotonic()
        one = _launched(file, out, {item.run for item in launched if item.run}, compute)
        launched.append(one)
        progress.note(f"{number} of {len(grids)}: {file}: {one.says}, {time.monotonic() - start:.1f} s")
    found = _verified(launched)
    for verification in found.values():
        progress.note(f"{verification.study}: {summary_text(verification)}")
    written: list[Path] = []
    for target, own in ((out / PAGE_NAME, True), *(((page, False),) if page else ())):
        content = _content(launched, found, target.resolve().parent, reports=own)
        written += write_page(content, target, target.with_name(JSON_NAME) if own else target.with_suffix(".json"))
    verdicts: dict[str, int] = {}
    for judged in (judged for verification in found.values() for judged in verification.judged):
        verdicts[verdict_text(judged)] = verdicts.get(verdict_text(judged), 0) + 1
    return Atlas(_exit(launched, found.values()), tuple(written), verdicts)


def _launched(file: Path, out: Path, taken: set[Path], compute: dict[str, Any]) -> _Launched:
    grid, run = None, None
    try:
        grid = load_grid(file)
        run = _run_folder(f"{grid.study.name}-{file.stem}", out, taken)
        outcome = launch(grid, out=run, **compute)
        if outcome.exit is Exit.INTERRUPTED:
            raise KeyboardInterrupt
        table = read_run(run)
        if table.unfinished:
            first = f": {outcome.first_error}" if outcome.first_error else ""
            return _Launched(file, grid, run, None, f"{table.unfinished} of {table.status.cells:,} cells{first}")
        content, _ = write_report(table)
    except UserError as error:
        return _Launched(file, grid, run, None, str(error))
    return _Launched(file, grid, run, table, alone=content.claims)


def _run_folder(name: str, out: Path, taken: set[Path]) -> Path:
    """Name a run folder after study and grid; a second grid of this name gets a number."""
    plain = out / re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    others = (plain.with_name(f"{plain.name}-{number}") for number in itertools.count(2))
    return next(run for run in itertools.chain((plain,), others) if run not in taken)


def _verified(launched: Sequence[_Launched]) -> dict[str, Verification]:
    """Judge each study on the rows of all of its grids; a study of which a grid is missing is judged on the others."""
    by_study: dict[str, list[_Launched]] = {}
    for one in launched:
        if one.alone is not None:  # a finished run of a study with claims
            by_study.setdefault(one.alone.study, []).append(one)
    return {name: _together(ones) for name, ones in by_study.items()}


def _together(ones: Sequence[_Launched]) -> Verification:
    first = ones[0].alone
    return first if first is not None and len(ones) == 1 else judge([one.table for one in ones if one.table is not None])


def _exit(launched: Sequence[_Launched], found: Iterable[Verification]) -> int:
    code = exit_code(found)
    return UNTESTABLE if code == AS_EXPECTED and any(one.problem for one in launched) else code


def _content(launched: Sequence[_Launched], found: dict[str, Verification], folder: Path, *, reports: bool) -> dict[str, Any]:
    names = dict.fromkeys(one.grid.study.name for one in launched if one.grid)
    studies = [_study(name, launched, found.get(name), folder, reports=reports) for name in names]
    papers = {study["paper"] for study in studies}
    others = [find_study(name) for name in study_names() if name not in names and _paper(name) in papers]
    return {
        "studies": studies,
        "without_grids": [{"study": study.name, "claims": len(study.claims)} for study in others if study.claims],
        "unread": [{"grid": _relative(one.file, folder), "problem": one.problem} for one in launched if one.grid is None],
    }


def _study(
    name: str, launched: Sequence[_Launched], found: Verification | None, folder: Path, *, reports: bool
) -> dict[str, Any]:
    mine = [one for one in launched if one.grid is not None and one.grid.study.name == name]
    grids = [
        {
            "grid": _relative(one.file, folder),
            "cells": one.grid.cells if one.grid else 0,
            "problem": one.problem,
            **({"report": _relative(one.run / "report", folder)} if reports and one.table and one.run else {}),
        }
        for one in mine
    ]
    study = mine[0].grid.study if mine[0].grid else find_study(name)
    return {
        "paper": _paper(name),
        "study": name,
        "version": study.version,
        "summary": study.summary,
        "grids": grids,
        "rows": found.rows if found else 0,
        "seeds": found.seeds if found else 0,
        "intervals": found.intervals if found else 0,
        "claims": [_claim(judged) for judged in found.judged] if found else [],
        "not_tested": 0 if found else len(study.claims),
    }


def _claim(judged: Judged) -> dict[str, Any]:
    content = claim_content(judged)
    kept = ("id", "says", "where", "expected", "reason", "outcome", "as_expected", "seeds", "line", "thresholds")
    numbers = {name: _rounded(content[name]) for name in ("statistic", "interval", "threshold")}
    noticed = [name for name in SABOTAGES if name not in judged.claim.overlooks]
    return {**{name: content[name] for name in kept}, "verdict": verdict_text(judged), **numbers, "notices": noticed}


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value if value is None else float(f"{value:.{_DIGITS}g}")


def _paper(study: str) -> str:
    return study.partition(".")[0]


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder)).as_posix()
