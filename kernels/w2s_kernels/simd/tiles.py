"""Products of thin matrices: ROWS rows of the result times COLUMNS columns, held in registers.

Every product is C[r, j] = sum_k X[r, k] Y[k, j], with X read along rows or along columns; products differ in what their sums
start from and in what is done to them at the end. Every element is one chain of fused multiply-adds in the order of k, so
neither the machine's vector width nor the other rows change its bits.

Memory is as in `vectors`; after an array come (index of its first element, length of its rows), other indices are absolute.
The plain products are here; `descent` builds its own tiles from `arrays`, `sums` and `places`.
"""

# ruff: noqa: ARG001
# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .vectors import INT, VECTOR, WIDTH, machine, pointer, read, splat, write

__all__ = [
    "COLUMNS",
    "ONE",
    "ROWS",
    "add_inner",
    "add_product",
    "arrays",
    "inner",
    "past",
    "places",
    "product",
    "sums",
    "zeros",
]

COLUMNS = 2 * WIDTH
ROWS = WIDTH  # 2 ROWS sums, 2 vectors of Y and one value of X: what the registers of either width hold
ONE = ir.Constant(INT, 1)

Values: TypeAlias = list[list[Any]]  # LLVM values, ROWS x 2


@intrinsic
def product(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any) -> Any:
    """Set C[r, j] = sum_k X[r, k] Y[k, j] for k < count."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, X, Y = arrays(context, builder, signature, args)
        _store(builder, C, sums(builder, (*X, ONE), Y, args[6], zeros(ROWS)))
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count), code


@intrinsic
def add_product(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any) -> Any:
    """Add sum_k X[r, k] Y[k, j] to C[r, j] for k < count."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, X, Y = arrays(context, builder, signature, args)
        _store(builder, C, sums(builder, (*X, ONE), Y, args[6], _found(builder, C)))
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count), code


@intrinsic
def inner(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any) -> Any:
    """Set C[r, j] = sum_k X[k, r] Y[k, j] for k < count."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, (X, x, step), Y = arrays(context, builder, signature, args)
        _store(builder, C, sums(builder, (X, x, ONE, step), Y, args[6], zeros(ROWS)))
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count), code


@intrinsic
def add_inner(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any) -> Any:
    """Add sum_k X[k, r] Y[k, j] to C[r, j] for k < count."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, (X, x, step), Y = arrays(context, builder, signature, args)
        _store(builder, C, sums(builder, (X, x, ONE, step), Y, args[6], _found(builder, C)))
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count), code


def arrays(context: Any, builder: Any, signature: Any, args: Any) -> list[tuple[Any, Any, Any]]:
    """Return pointer, first index and row stride of each of the three arrays that lead the arguments."""
    starts = [cgutils.unpack_tuple(builder, args[i]) for i in (1, 3, 5)]
    pointers = [pointer(context, builder, signature, args, i) for i in (0, 2, 4)]
    return [(base, start, step) for base, (start, step) in zip(pointers, starts, strict=True)]


def sums(builder: Any, left: tuple[Any, ...], right: tuple[Any, ...], count: Any, start: Values) -> Values:
    """Add the sums over k to `start`, and return them; a row of `start` beyond ROWS receives the sums of Y itself."""
    X, x, x_row, x_step = left
    Y, y, y_step = right
    held = [[cgutils.alloca_once(builder, VECTOR) for _ in row] for row in start]
    for row, values in zip(held, start, strict=True):
        for place, value in zip(row, values, strict=True):
            builder.store(value, place)
    with cgutils.for_range(builder, count) as loop:
        at = builder.add(y, builder.mul(loop.index, y_step))
        pair = [read(builder, Y, past(builder, at, j)) for j in range(2)]
        at = builder.add(x, builder.mul(loop.index, x_step))
        for r, row in enumerate(held):
            if r < ROWS:
                index = builder.add(at, builder.mul(x_row, ir.Constant(INT, r)))
                factor = splat(builder, builder.load(builder.gep(X, [index])))
            for place, value in zip(row, pair, strict=True):
                old = builder.load(place)
                new = machine(builder, "fma", [factor, value, old]) if r < ROWS else builder.fadd(old, value)
                builder.store(new, place)
    return [[builder.load(place) for place in row] for row in held]


def places(builder: Any, start: Any, step: Any) -> Iterator[tuple[Any, int, int]]:
    """Yield, for every vector of a tile, its index in memory, its row and its place in the row."""
    for r in range(ROWS):
        at = builder.add(start, builder.mul(step, ir.Constant(INT, r)))
        for j in range(2):
            yield past(builder, at, j), r, j


def zeros(rows: int) -> Values:
    """Return sums that start from zero."""
    return [[ir.Constant(VECTOR, [0.0] * WIDTH)] * 2 for _ in range(rows)]


def past(builder: Any, at: Any, j: int) -> Any:
    """Return the index of the j-th vector after `at`."""
    return builder.add(at, ir.Constant(INT, j * WIDTH))


def _found(builder: Any, C: Any) -> Values:
    flat = [read(builder, C[0], at) for at, _, _ in places(builder, *C[1:])]
    return [flat[2 * r : 2 * r + 2] for r in range(ROWS)]


def _store(builder: Any, C: Any, found: Values) -> None:
    for at, r, j in places(builder, *C[1:]):
        write(builder, C[0], at, found[r][j])
