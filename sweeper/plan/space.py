"""How much disk the rows of a grid take, and how much memory a worker: from numbers of rows, parts and columns alone.

A row costs its identity, which cannot be compressed, and its columns of doubles, some of which repeat; a part costs its footer,
which describes every column and holds the resolved grid. The constants are those of finished runs; a prediction is within a
factor of two of what such runs take (`tests/sweeper/plan/test_space.py`). Curves and artifacts come on top.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

from sweeper.grid.model import Grid
from sweeper.grid.resolved import resolved_grid
from sweeper.plan.cut import Plan
from w2s.contract.columns import table_columns
from w2s.contract.study import Study
from w2s.places.url import Where, base_of

__all__ = ["LONG_GRID", "disk_bytes", "free_bytes", "metadata_bytes", "size_text", "worker_bytes"]

LONG_GRID = 1 << 16
"""Bytes of metadata up to which every part carries the resolved grid."""
_ID_BYTES = 18.0
_DOUBLE_BYTES = 5.0
_COLUMN_BYTES = 185.0
"""What a column takes in every part: its description in the footer, and a page of its own."""
_METADATA_BYTES = 2000
"""What the footer says besides the resolved grid: versions, claims, libraries."""
_PROCESS_BYTES = 300 * 2**20
"""An interpreter with its libraries."""


def disk_bytes(study: type[Study], rows: int, parts: int, metadata: int) -> float:
    """Predict the bytes of so many rows in so many parts, each with so many bytes of ``metadata`` in its footer."""
    columns = table_columns(study)
    doubles = [*columns.values()].count("double")
    return rows * (_ID_BYTES + _DOUBLE_BYTES * doubles) + parts * (metadata + _COLUMN_BYTES * len(columns))


def metadata_bytes(grid: Grid) -> int:
    """Predict the bytes of metadata in the footer of a part. Cost: O(axis values)."""
    size = len(json.dumps(resolved_grid(grid, base_of(grid.out)), default=str))
    return _METADATA_BYTES + (size if size + _METADATA_BYTES <= LONG_GRID else 0)


def worker_bytes(plan: Plan) -> float:
    """Predict the memory that a worker holds at most: its process and its largest block."""
    return _PROCESS_BYTES + max(cut.cost.bytes for cut in plan.cuts)


def free_bytes(folder: Where) -> float:
    """Return the bytes that are free on the disk of a folder, or of the nearest one above it; a bucket has no end."""
    if not isinstance(folder, Path):
        return math.inf
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def size_text(count: float) -> str:
    """Write a number of bytes in the unit that suits it."""
    units = ("kB", "MB", "GB", "TB", "PB", "EB")
    place = max(0, min(len(units) - 1, (len(str(int(count))) - 1) // 3 - 1))
    return f"{count / 1000 ** (place + 1):,.3g} {units[place]}"
