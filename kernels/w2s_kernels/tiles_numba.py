"""Plain products of thin matrices, for `eigh_numba` and `filtered_risk_numba`: ROWS rows of the result times COLUMNS columns.

As in `descent_tiles_numba`, every element is one chain of fused multiply-adds in the order of k, and an array is followed by
(index of its first element, length of its rows).
"""

# ruff: noqa: ARG001
# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from .descent_tiles_numba import COLUMNS, ROWS, _arrays, _one, _sums, _vectors, _zeros
from .lanes_numba import _VECTOR, _read, _write

__all__ = ["COLUMNS", "ROWS", "add_product", "inner", "product"]


@intrinsic
def product(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any) -> Any:
    """C[r, j] = sum_k X[r, k] Y[k, j] for k < count."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, X, Y = _arrays(context, builder, signature, args)
        _store(builder, C, _sums(builder, (*X, _one()), Y, args[6], _zeros(ROWS)))
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count), code


@intrinsic
def add_product(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any) -> Any:
    """C[r, j] += sum_k X[r, k] Y[k, j] for k < count."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, X, Y = _arrays(context, builder, signature, args)
        flat = [_read(builder, C[0], at, _VECTOR) for at, _, _ in _vectors(builder, *C[1:])]
        start = [flat[2 * r : 2 * r + 2] for r in range(ROWS)]
        _store(builder, C, _sums(builder, (*X, _one()), Y, args[6], start))
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count), code


@intrinsic
def inner(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any) -> Any:
    """C[r, j] = sum_k X[k, r] Y[k, j] for k < count."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, (X, x, step), Y = _arrays(context, builder, signature, args)
        _store(builder, C, _sums(builder, (X, x, _one(), step), Y, args[6], _zeros(ROWS)))
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count), code


def _store(builder: Any, C: Any, sums: Any) -> None:
    for at, r, j in _vectors(builder, *C[1:]):
        _write(builder, C[0], at, sums[r][j])
