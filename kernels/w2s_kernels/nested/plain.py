"""Back substitution and quadratic forms of all widths of one item, in panels of rows."""

from __future__ import annotations

from collections.abc import Iterator

from ..backend import Array, Backend, namespace
from ..cholesky import solve_rows

PANEL = 64  # rows: wide enough for GEMM, narrow enough to waste little below the diagonal


def substitute(R: Array, rows: Array, widths: list[int], backend: Backend) -> None:
    """Substitute back in place: rows (W, k, d) hold z masked to each width and come out as coefficients."""
    for first, low, high in reversed(list(_panels(widths))):
        active = rows[first:].reshape(-1, rows.shape[-1])
        solved = solve_rows(R[low:high, low:high], active[:, low:high], backend, transposed=False)
        active[:, low:high] = solved
        if low:
            active[:, :low] -= solved @ R[:low, low:high].T


def forms(value: Array, rows: Array, second: Array, widths: list[int]) -> None:
    """Add v'Sv, (W, k), to `value` for rows v (W, k, d) that are zero from their width on.

    S is (d, d) and symmetric; half of it is read.
    """
    for first, low, high in _panels(widths):
        active = rows[first:].reshape(-1, rows.shape[-1])[:, :high]
        value[first:] += _panel_form(active, second, low).reshape(-1, rows.shape[-2])


def _panels(widths: list[int]) -> Iterator[tuple[int, int, int]]:
    """Yield row ranges [low, high) that end at widths and have at least PANEL rows, with the first width that reaches them."""
    first, low = 0, 0
    for at, width in enumerate(widths):
        if width - low >= PANEL or at == len(widths) - 1:
            yield first, low, width
            first, low = at + 1, width


def _panel_form(active: Array, S: Array, low: int) -> Array:
    """Sum the terms of v'Sv that have an index in [low, high), for rows v (m, high).

    They are twice the block of S above the diagonal block, and the diagonal block itself.
    """
    high = active.shape[-1]
    here = active[:, low:]
    half = 0.5 * (here @ S[low:high, low:high])
    if low:
        half += active[:, :low] @ S[:low, low:high]
    return 2.0 * namespace(active).sum(half * here, axis=-1)
