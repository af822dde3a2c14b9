"""Products by register tiles: panels of the right matrix that stay in cache, tiles of the left one that pass over them."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from numba import njit

from ..backend import Array
from ..simd.tiles import COLUMNS, ROWS, inner, product
from .kept import multiplied

__all__ = ["gemm", "tiled"]


def gemm(left: Array, right: Array) -> Array:
    """Multiply (m, k) @ (k, n)."""
    return multiplied(tiled, left, right)


@njit(cache=True)
def tiled(
    out: Array,
    left: Array,
    right: Array,
    panels: Array,
    rows: Array,
    edge: Array,
    m: int,
    k: int,
    n: int,
    deep: int,
    high: int,
    flags: int,
) -> None:
    """Fill out (m, n) with left (m, k) @ right (k, n), in chains of `deep` products, `high` rows of `left` at a time.

    Flags: 1 where `left` lies as (k, m), 2 where it is copied to `rows` too, 4 where the product is added to `out`, 8 where
    tiles below the diagonal of `out` may be left out. Scratch: `panels` for deep rows of `right` in whole panels, `rows` for
    high rows of `left`, `edge` for a tile. A `left` that is not copied has at least ROWS rows.
    """
    across, copied, add, upper = flags & 1, flags & 2, flags & 4, flags & 8
    for start in range(0, k, deep):
        depth = min(deep, k - start)
        _panels(panels, right, start, depth, n)
        fresh = start == 0 and not add
        for top in range(0, m, high):
            bottom = min(top + high, m)
            if copied:
                _rows(rows, left, start, depth, m, top, bottom)
            for c in range(0, n, COLUMNS):
                for r in range(top, bottom, ROWS):
                    if upper and c + COLUMNS <= r:
                        continue
                    inside = r + ROWS <= m and c + COLUMNS <= n
                    first = r if copied or r + ROWS <= m else m - ROWS
                    to, at, step = (out, first * n + c, n) if inside and fresh else (edge, 0, COLUMNS)
                    if copied:
                        inner(to, (at, step), rows, ((r - top) * depth, ROWS), panels, (c * depth, COLUMNS), depth)
                    elif across:
                        inner(to, (at, step), left, (start * m + first, m), panels, (c * depth, COLUMNS), depth)
                    else:
                        product(to, (at, step), left, (first * k + start, k), panels, (c * depth, COLUMNS), depth)
                    if not inside:
                        _placed(out, edge, r, min(r + ROWS, m), r - first, c, min(c + COLUMNS, n), n, fresh)
                    elif not fresh:
                        _added(out, edge, r * n + c, n)


@njit(cache=True)
def _panels(panels: Array, right: Array, start: int, depth: int, n: int) -> None:
    """Copy rows of `right` to panels of COLUMNS columns, the last one filled up with zeros."""
    for c in range(0, n, COLUMNS):
        if c + COLUMNS <= n:
            for i in range(depth):
                to, at = c * depth + i * COLUMNS, (start + i) * n + c
                for j in range(COLUMNS):
                    panels[to + j] = right[at + j]
        else:
            for i in range(depth):
                to, at = c * depth + i * COLUMNS, (start + i) * n + c
                for j in range(COLUMNS):
                    panels[to + j] = right[at + j] if c + j < n else 0.0


@njit(cache=True)
def _rows(rows: Array, left: Array, start: int, depth: int, m: int, top: int, bottom: int) -> None:
    """Copy columns top ... bottom of a `left` that lies as (k, m) to tiles of ROWS, the last one filled up with zeros."""
    for i in range(depth):
        line = (start + i) * m
        for r in range(top, bottom, ROWS):
            to = (r - top) * depth + i * ROWS
            if r + ROWS <= bottom:
                for j in range(ROWS):
                    rows[to + j] = left[line + r + j]
            else:
                for j in range(ROWS):
                    rows[to + j] = left[line + r + j] if r + j < bottom else 0.0


@njit(cache=True)
def _added(out: Array, edge: Array, at: int, n: int) -> None:
    """Add a whole tile to `out`."""
    for r in range(ROWS):
        for c in range(COLUMNS):
            out[at + r * n + c] += edge[r * COLUMNS + c]


@njit(cache=True)
def _placed(out: Array, edge: Array, top: int, bottom: int, skip: int, start: int, stop: int, n: int, fresh: bool) -> None:
    """Write or add what lies in `out` of a tile, whose first `skip` rows are of the tile above."""
    for r in range(top, bottom):
        for c in range(start, stop):
            value = edge[(r - top + skip) * COLUMNS + c - start]
            out[r * n + c] = value if fresh else out[r * n + c] + value
