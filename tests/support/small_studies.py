"""For tests of studies with small grids: launch them, judge their claims, compare rows of other cuts and backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from solving import solve

import w2s
from sweeper import launch
from w2s.claims.claim import decide
from w2s.studies.registry import find_study
from w2s_kernels import choose

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs"


def document(grid: str) -> dict[str, Any]:
    """The content of a grid of ``configs``."""
    content: dict[str, Any] = yaml.safe_load((CONFIGS / grid).read_text())
    return content


def grids(*papers: str) -> list[str]:
    """Names in ``configs`` of the grids of papers; without any, of all."""
    found = (path for paper in papers or ("",) for path in sorted((CONFIGS / paper).rglob("*.yaml")))
    return [path.relative_to(CONFIGS).as_posix() for path in found]


def launched(grid: str | Mapping[str, Any], out: Path) -> pd.DataFrame:
    """Rows of a grid: its name in ``configs``, or its content."""
    content: Mapping[str, Any] = document(grid) if isinstance(grid, str) else grid
    assert launch({**content, "out": str(out)}, executor="inline").exit == 0
    return w2s.load(out)


def launched_ok(grid: str | Mapping[str, Any], out: Path) -> pd.DataFrame:
    """Rows of a grid, all of which have the status ok."""
    rows = launched(grid, out)
    assert set(rows["status"]) == {"ok"}
    return rows


def outcomes(study: str, rows: pd.DataFrame) -> dict[str, str]:
    """What every claim of a study comes to on a table."""
    return {claim.id: decide(claim, rows).outcome for claim in find_study(study).claims}


def surprises(study: str, rows: pd.DataFrame) -> list[str]:
    """Claims of a study that have another verdict than the expected one on a table."""
    found = []
    for claim in find_study(study).claims:
        verdict = decide(claim, rows)
        found += [] if claim.as_expected(verdict) else [f"{claim.id}: {verdict.outcome}, {verdict.says}"]
    return found


def same_rows(first: pd.DataFrame, second: pd.DataFrame, numbers: Sequence[str], tolerance: float = 1e-9) -> None:
    """Cells of the second table have the numbers of the first."""
    both = second.merge(first, on="cell_id", suffixes=("", "_first"))
    assert len(both) == len(second) > 0
    for name in numbers:
        one, other = both[name], both[f"{name}_first"]
        assert (((one - other).abs() <= tolerance * (1.0 + one.abs())) | (one.isna() & other.isna())).all(), name


def check_cuts(
    study: str, axes: Mapping[str, Sequence[Any]], numbers: Sequence[str], narrowed: Sequence[str] = (), **fixed: Any
) -> pd.DataFrame:
    """Cells have the same numbers with one value of an axis, with one seed and on the compiled backend.

    ``narrowed`` are the axes that may have one value alone, by default all of them.
    """
    whole = solve(study, axes=axes, seeds=[3, 8], **fixed)
    same_rows(whole, solve(study, axes=axes, seeds=[8], **fixed), numbers, 0.0)
    same_rows(whole, solve(study, axes=axes, seeds=[3, 8], backend=choose("numba"), **fixed), numbers)
    for name in narrowed or axes:
        for value in axes[name]:
            same_rows(whole, solve(study, axes={**axes, name: [value]}, seeds=[3], **fixed), numbers)
    return whole


def drawn(study: str, rows: pd.DataFrame) -> list[str]:
    """Figures that a table has the axes for; tables of one row and of one seed must not make any of them fail."""
    figures, found = find_study(study).figures, []
    for part in (rows.iloc[:1], rows.iloc[-1:], rows[rows["seed"] == rows["seed"].min()], rows):
        part.attrs = rows.attrs
        found = [figure.id for figure in figures if figure.draw(part) is not None]
    return found
