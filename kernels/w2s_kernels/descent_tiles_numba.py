"""Products of thin matrices for `descent_numba`: ROWS rows of the result times COLUMNS columns, held in registers.

All three products of a layer are C[r, j] = sum_k X[r, k] Y[k, j], with X read along rows or along columns: only what the sums
start from and what is done to them at the end differ. Every element is one chain of fused multiply-adds in the order of k, so
neither the machine's vector width nor the other rows change its bits.

Memory is one-dimensional C-contiguous float64, as in `lanes_numba`; after an array come (index of its first element, length of
its rows), other indices are absolute.
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

from .lanes_numba import _INT, _VECTOR, WIDTH, _machine, _pointer, _read, _write

COLUMNS = 2 * WIDTH
ROWS = WIDTH  # 2 ROWS sums, 2 vectors of Y and one value of X: what the registers of either width hold

Values: TypeAlias = list[list[Any]]  # LLVM values, ROWS x 2


@intrinsic
def forward(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any, bias: Any, floor: Any) -> Any:
    """C[r, j] = max(floor, Y[bias + j] + sum_k X[r, k] Y[k, j]) for k < count; nan stays nan."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, X, Y = _arrays(context, builder, signature, args)
        count, bias, floor = args[6:]
        first = [_read(builder, Y[0], _past(builder, bias, j), _VECTOR) for j in range(2)]
        sums = _sums(builder, (*X, _one()), Y, count, [first] * ROWS)
        low = _splat(builder, floor)
        for at, r, j in _vectors(builder, *C[1:]):
            below = builder.fcmp_ordered("<", sums[r][j], low)
            _write(builder, C[0], at, builder.select(below, low, sums[r][j]))
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count, bias, floor), code


@intrinsic
def backward(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any, A: Any, a: Any, floor: Any) -> Any:
    """C[r, j] = sum_k X[r, k] Y[k, j] where A[r, j] > floor, else 0; the rows of A are as long as those of C."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, X, Y = _arrays(context, builder, signature, args)
        count, _, a, floor = args[6:]
        A = _pointer(context, builder, signature, args, 7)
        sums = _sums(builder, (*X, _one()), Y, count, _zeros(ROWS))
        zero, low = _zeros(1)[0][0], _splat(builder, floor)
        gates = [_read(builder, A, at, _VECTOR) for at, _, _ in _vectors(builder, a, C[2])]
        for gate, (at, r, j) in zip(gates, _vectors(builder, *C[1:]), strict=True):
            passes = builder.fcmp_ordered(">", gate, low)
            _write(builder, C[0], at, builder.select(passes, sums[r][j], zero))
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count, A, a, floor), code


@intrinsic
def gradient(typingctx: Any, C: Any, c: Any, X: Any, x: Any, Y: Any, y: Any, count: Any, total: Any) -> Any:
    """C[r, j] = sum_k X[k, r] Y[k, j], and C[total + j] = sum_k Y[k, j]."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        C, (X, x, step), Y = _arrays(context, builder, signature, args)
        count, total = args[6:]
        sums = _sums(builder, (X, x, _one(), step), Y, count, _zeros(ROWS + 1))
        for at, r, j in _vectors(builder, *C[1:]):
            _write(builder, C[0], at, sums[r][j])
        for j in range(2):
            _write(builder, C[0], _past(builder, total, j), sums[ROWS][j])
        return context.get_dummy_value()

    return types.void(C, c, X, x, Y, y, count, total), code


def _arrays(context: Any, builder: Any, signature: Any, args: Any) -> list[tuple[Any, Any, Any]]:
    """Pointer, first index and row stride of the three arrays that come first."""
    places = [cgutils.unpack_tuple(builder, args[i]) for i in (1, 3, 5)]
    pointers = [_pointer(context, builder, signature, args, i) for i in (0, 2, 4)]
    return [(pointer, start, step) for pointer, (start, step) in zip(pointers, places, strict=True)]


def _sums(builder: Any, left: tuple[Any, ...], right: tuple[Any, ...], count: Any, start: Values) -> Values:
    """Start plus the sums over k; a row of `start` beyond ROWS sums Y itself."""
    X, x, x_row, x_step = left
    Y, y, y_step = right
    places = [[cgutils.alloca_once(builder, _VECTOR) for _ in row] for row in start]
    for row, values in zip(places, start, strict=True):
        for place, value in zip(row, values, strict=True):
            builder.store(value, place)
    with cgutils.for_range(builder, count) as loop:
        at = builder.add(y, builder.mul(loop.index, y_step))
        pair = [_read(builder, Y, _past(builder, at, j), _VECTOR) for j in range(2)]
        at = builder.add(x, builder.mul(loop.index, x_step))
        for r, row in enumerate(places):
            if r < ROWS:
                index = builder.add(at, builder.mul(x_row, ir.Constant(_INT, r)))
                factor = _splat(builder, builder.load(builder.gep(X, [index])))
            for place, value in zip(row, pair, strict=True):
                old = builder.load(place)
                new = _machine(builder, "fma", [factor, value, old]) if r < ROWS else builder.fadd(old, value)
                builder.store(new, place)
    return [[builder.load(place) for place in row] for row in places]


def _vectors(builder: Any, start: Any, step: Any) -> Iterator[tuple[Any, int, int]]:
    """Index, row and place in the row of every vector of a tile."""
    for r in range(ROWS):
        at = builder.add(start, builder.mul(step, ir.Constant(_INT, r)))
        for j in range(2):
            yield _past(builder, at, j), r, j


def _zeros(rows: int) -> Values:
    return [[ir.Constant(_VECTOR, [0.0] * WIDTH)] * 2 for _ in range(rows)]


def _one() -> Any:
    return ir.Constant(_INT, 1)


def _past(builder: Any, at: Any, j: int) -> Any:
    return builder.add(at, ir.Constant(_INT, j * WIDTH))


def _splat(builder: Any, value: Any) -> Any:
    """The value in every lane."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))
