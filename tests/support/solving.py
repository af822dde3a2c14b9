"""For tests of studies: solve a small grid in this process, without a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sweeper import load_grid
from sweeper.worker.solve import solve_rows
from w2s import Block, Study
from w2s.contract.identity import cell_ids, hex_ids
from w2s_kernels import NUMPY, Backend


def solve(
    study: str,
    *,
    axes: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] = 1,
    folder: Path | None = None,
    backend: Backend = NUMPY,
    **fixed: Any,
) -> pd.DataFrame:
    """Rows of one grid, checked as a grid file is, solved as one block."""
    written = {"study": study, "axes": dict(axes or {}), "fixed": fixed, "seeds": seeds}
    grid = load_grid(written, folder)
    return solve_rows(grid.study, grid.parts[0].block, backend).to_pandas()


def one(study: str, **options: Any) -> pd.Series:
    """The row of a grid of one cell."""
    rows = solve(study, **options)
    assert len(rows) == 1
    return rows.iloc[0]


def cell_id(study: type[Study], cell: Mapping[str, Any]) -> str:
    """Identity of one cell given by its fields (inactive ones null or absent)."""
    return str(hex_ids(cell_ids(study, Block(dict(cell), ())))[0].decode())
