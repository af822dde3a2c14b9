"""Rows of a grid whose numbers are made up, fast: every cell of its first seeds, every column of its study.

For tests of what is done with a table whatever its numbers: figures, tables, pages.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sweeper import Grid, load_grid
from sweeper.folder.provenance import run_metadata
from w2s.contract.block import Axis, Block
from w2s.contract.columns import metric_columns
from w2s.contract.rows import rows_table
from w2s.tables.concat import concat

_SEEDS = 6
_PROVENANCE = {"backend": "numpy", "blas": "", "dtype": "float64", "threads": 1, "elapsed_s": 0.0}


def joined(*parts: pd.DataFrame) -> pd.DataFrame:
    """Rows of all parts, with what the first says of its fields."""
    found = pd.concat(parts, ignore_index=True)
    found.attrs = parts[0].attrs
    return found


def made_rows(path: Path, seeds: int = _SEEDS) -> pd.DataFrame:
    """Return rows of the cells of a grid file, of its first seeds, as `w2s.load` would."""
    grid = load_grid(path)
    tables = [_rows(grid, part.block, part) for part in grid.parts]
    metadata = json.loads(run_metadata(grid, {})[b"w2s"])
    frames = []
    for table in tables:
        frame = table.to_pandas()
        frame.attrs["w2s"] = metadata
        frames.append(frame)
    return concat(frames)


def _rows(grid: Grid, block: Block, part: Any) -> pa.Table:
    axes = tuple(Axis(axis.names, axis.values[:_SEEDS]) if "seed" in axis.names else axis for axis in block.axes)
    few = Block(block.fixed, axes)
    few = Block(block.fixed, axes, part.mask(few))
    return rows_table(grid.study, few, _numbers(grid, few), _PROVENANCE)


def _numbers(grid: Grid, block: Block) -> dict[str, Any]:
    """Make errors with an effect of every axis, and uniform numbers in all other columns."""
    rng = np.random.Generator(np.random.Philox(key=len(block.shape)))
    shape = block.shape
    effect = np.zeros(shape)
    for place, axis in enumerate(block.axes):
        along = [-1 if k == place else 1 for k in range(len(shape))]
        effect = effect + 0.3 * np.sin(np.arange(len(axis)) * (place + 1.0)).reshape(along) / len(shape)
    found: dict[str, Any] = {}
    for name, kind in metric_columns(grid.study).items():
        if kind == "double" and name not in ("gain", "gain_01", "pgr", "pgr_01"):
            found[name] = 0.3 + 0.2 * effect + 0.1 * rng.random(shape)
        elif kind == "int64":
            found[name] = rng.integers(10, 100, shape)
    for suffix in ("", "_01") if grid.study.classifies else ("",):
        found[f"weak_error{suffix}"] = 0.4 + 0.02 * rng.random(shape)
        found[f"student_error{suffix}"] = 0.3 + 0.2 * effect + 0.05 * rng.random(shape)
        found[f"ceiling_error{suffix}"] = 0.1 + 0.02 * rng.random(shape)
    for name in grid.study.pgr:
        found[name] = 0.5 + 0.1 * rng.random(shape)
    for name in [name for name in found if name.endswith("_low")]:
        found[name] = found.get(name.removesuffix("_low"), 0.3) - 0.05
        found[name.replace("_low", "_high")] = found.get(name.removesuffix("_low"), 0.3) + 0.05
    return {name: values for name, values in found.items() if not name.endswith("_status")}
