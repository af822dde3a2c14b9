"""The three products of a layer as register tiles of `simd.tiles`, each with what a layer does to its result."""

# ruff: noqa: ARG001
# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from ..simd.tiles import ONE, ROWS, arrays, past, places, sums, zeros
from ..simd.vectors import pointer, read, splat, write

__all__ = ["backward", "forward", "gradient"]


@intrinsic
def forward(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any, bias: Any, floor: Any) -> Any:
    """Set C[r, j] = max(floor, Y[bias + j] + sum_k X[r, k] Y[k, j]) for k < count; nan stays nan."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, X, Y = arrays(context, builder, signature, args)
        count, bias, floor = args[6:]
        first = [read(builder, Y[0], past(builder, bias, j)) for j in range(2)]
        found = sums(builder, (*X, ONE), Y, count, [first] * ROWS)
        low = splat(builder, floor)
        for at, r, j in places(builder, *C[1:]):
            below = builder.fcmp_ordered("<", found[r][j], low)
            write(builder, C[0], at, builder.select(below, low, found[r][j]))
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count, bias, floor), code


@intrinsic
def backward(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any, A: Any, a: Any, floor: Any) -> Any:
    """Set C[r, j] = sum_k X[r, k] Y[k, j] where A[r, j] > floor, else 0; rows of A have the length of rows of C."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, X, Y = arrays(context, builder, signature, args)
        count, _, a, floor = args[6:]
        A = pointer(context, builder, signature, args, 7)
        found = sums(builder, (*X, ONE), Y, count, zeros(ROWS))
        zero, low = zeros(1)[0][0], splat(builder, floor)
        gates = [read(builder, A, at) for at, _, _ in places(builder, a, C[2])]
        for gate, (at, r, j) in zip(gates, places(builder, *C[1:]), strict=True):
            passes = builder.fcmp_ordered(">", gate, low)
            write(builder, C[0], at, builder.select(passes, found[r][j], zero))
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count, A, a, floor), code


@intrinsic
def gradient(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any, total: Any) -> Any:
    """Set C[r, j] = sum_k X[k, r] Y[k, j], and C[total + j] = sum_k Y[k, j]."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, (X, x, step), Y = arrays(context, builder, signature, args)
        count, total = args[6:]
        found = sums(builder, (X, x, ONE, step), Y, count, zeros(ROWS + 1))
        for at, r, j in places(builder, *C[1:]):
            write(builder, C[0], at, found[r][j])
        for j in range(2):
            write(builder, C[0], past(builder, total, j), found[ROWS][j])
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count, total), code
