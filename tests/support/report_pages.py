"""Pages of the report for tests: of small grids with few seeds, of recorded rows, and of rows made by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import yaml
from sabotaged import RECORDED, recorded

import w2s
from sweeper import launch, load_grid
from sweeper.grid.model import Grid
from sweeper.report.page import Content, page
from sweeper.report.pictures import draw_pictures
from sweeper.review.status import RunStatus
from sweeper.review.table import RunTable, read_run
from sweeper.review.verify import judge
from w2s.contract.rows import table_schema
from w2s.contract.study import Study
from w2s.studies.registry import find_study
from w2s.tabulate import run_digest

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SEEDS = 3


def small_grids() -> list[str]:
    """Names of the small grids, one for each study: the first one."""
    found: dict[str, str] = {}
    for path in sorted(CONFIGS.rglob("small/*.yaml")):
        found.setdefault(str(yaml.safe_load(path.read_text(encoding="utf-8"))["study"]), path.relative_to(CONFIGS).as_posix())
    return list(found.values())


def few_seeds(value: Any) -> Any:
    """A grid's content with at most ``SEEDS`` seeds everywhere."""
    if isinstance(value, Mapping):
        return {key: _fewer(part) if key == "seeds" else few_seeds(part) for key, part in value.items()}
    return [few_seeds(part) for part in value] if isinstance(value, list) else value


def _fewer(seeds: Any) -> Any:
    if isinstance(seeds, list):
        return seeds[:SEEDS]
    return min(seeds, SEEDS) if isinstance(seeds, int) else SEEDS


def small_page(name: str, folder: Path) -> Path:
    """Write the page of a small grid: from recorded rows of its study where there are any, else from a launch with few seeds."""
    content = yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
    if (RECORDED / f"{content['study']}.parquet").exists():
        table = rows_table(find_study(content["study"]), recorded(content["study"]))
    else:
        grid = load_grid(few_seeds(content), (CONFIGS / name).parent)
        table = read_run(launch(grid, out=folder / "run", executor="inline").run)
    return write_page(table, folder / "index.html")


def rows_table(study: type[Study], rows: pd.DataFrame, **status: Any) -> RunTable:
    """A run that was never launched, of rows that get what they lack: identities, messages and empty result columns."""
    ids = [hashlib.blake2b(str(k).encode(), digest_size=16).hexdigest() for k in range(len(rows))]
    for column, value in {"cell_id": ids, "message": None, "study": study.name, "version": study.version}.items():
        if column not in rows:
            rows[column] = value
    lacking = {
        field.name: float("nan") if field.type == pa.float64() else None
        for field in table_schema(study)
        if field.name not in rows
    }
    told = dict(rows.attrs)
    rows = pd.concat([rows, pd.DataFrame(lacking, index=rows.index)], axis=1)  # at once: one by one fragments the frame
    rows.attrs.update(told)
    for column in ("backend", "blas", "solver", "dtype"):
        rows[column] = "numpy"
    counts: dict[str, Any] = {"cells": len(rows), "done": len(rows), "failed": 0, "outside": 0}
    known = RunStatus(run=Path("runs") / "made", study=study.name, **{**counts, **status})
    return RunTable(known, cast(Grid, SimpleNamespace(study=study)), rows, {})


def page_content(table: RunTable, **changes: Any) -> Content:
    """What the page of a table shows, with some of it replaced."""
    study = table.grid.study()
    pictures, undrawn = draw_pictures(table)
    found: dict[str, Any] = {
        "run": table,
        "about": study.summary,
        "summary": w2s.summarize(table.rows),
        "found": run_digest(type(study), table.rows),
        "pictures": pictures,
        "undrawn": undrawn,
        "claims": judge([table]) if study.claims else None,
        "grid": "study: it",
        "provenance": {"run folder": str(table.path)},
    }
    return Content(**{**found, **changes})


def write_page(table: RunTable, path: Path, **changes: Any) -> Path:
    """Write the page of a table and return its path."""
    path.write_text(page(page_content(table, **changes)), encoding="utf-8")
    return path
