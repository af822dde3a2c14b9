"""A vector register as a Numba value: `WIDTH` float64 lanes, one lane a matrix of a batch.

LLVM vectorises innermost loops, but a blocked kernel over interleaved matrices needs its accumulators to live in
registers *across* the innermost loop, lane by lane. So the vector is a type of its own, and the functions here are single
machine operations on it. Every lane is computed alike and alone: the position of an item among the lanes, or what its
neighbours hold, cannot change its bits, and neither can the width.

Memory is a one-dimensional C-contiguous float64 array; indices count float64 values and are not checked.
"""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from typing import Any, TypeAlias

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

Lanes: TypeAlias = Any  # a value of this kind exists in compiled code only

WIDTH = 8 if llvmlite.binding.get_host_cpu_features().get("avx512f", False) else 4
BLOCK = 4  # columns that `interleave` and `scatter` move at a time

_DOUBLE = ir.DoubleType()
_INT = ir.IntType(64)
_VECTOR = ir.VectorType(_DOUBLE, WIDTH)
_PIECE = ir.VectorType(_DOUBLE, BLOCK)


class LanesType(types.Type):  # type: ignore[misc]
    """Numba's type of the vector."""

    def __init__(self) -> None:
        super().__init__(name=f"Lanes{WIDTH}")


LANES = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


@intrinsic
def load(typingctx: Any, a: Any, at: Any) -> Any:  # noqa: ARG001
    """Read a[at : at + WIDTH]."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _read(builder, _pointer(context, builder, signature, args, 0), args[1], _VECTOR)

    return LANES(a, types.intp), code


@intrinsic
def store(typingctx: Any, a: Any, at: Any, value: Any) -> Any:  # noqa: ARG001
    """Set a[at : at + WIDTH] = value."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _write(builder, _pointer(context, builder, signature, args, 0), args[1], args[2])
        return context.get_dummy_value()

    return types.void(a, types.intp, LANES), code


@intrinsic
def times(typingctx: Any, x: Any, y: Any) -> Any:  # noqa: ARG001
    """Return x * y."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.fmul(*args)

    return LANES(LANES, LANES), code


@intrinsic
def less(typingctx: Any, c: Any, x: Any, y: Any) -> Any:  # noqa: ARG001
    """Return c - x * y, rounded once."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        c, x, y = args
        return _machine(builder, "fma", [builder.fneg(x), y, c])

    return LANES(LANES, LANES, LANES), code


@intrinsic
def plus_square(typingctx: Any, c: Any, x: Any) -> Any:  # noqa: ARG001
    """Return c + x * x, rounded once."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return _machine(builder, "fma", [args[1], args[1], args[0]])

    return LANES(LANES, LANES), code


@intrinsic
def inverse_root(typingctx: Any, pivot: Any) -> Any:  # noqa: ARG001
    """Return 1 / sqrt(pivot) where 0 < pivot < inf and nan elsewhere: a bad pivot marks its own lane."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        zero, one, inf, nan = (ir.Constant(_VECTOR, [v] * WIDTH) for v in (0.0, 1.0, np.inf, np.nan))
        good = builder.and_(builder.fcmp_ordered(">", args[0], zero), builder.fcmp_ordered("<", args[0], inf))
        return builder.select(good, builder.fdiv(one, _machine(builder, "sqrt", args)), nan)

    return LANES(LANES), code


@intrinsic
def zero(typingctx: Any) -> Any:  # noqa: ARG001
    """Return 0 in every lane."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return ir.Constant(_VECTOR, [0.0] * WIDTH)

    return LANES(), code


@intrinsic
def address(typingctx: Any, a: Any) -> Any:  # noqa: ARG001
    """Return the address of a[0] in bytes; `a.ctypes.data` would forbid caching the compiled code."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(_pointer(context, builder, signature, args, 0), _INT)

    return types.intp(a), code


@intrinsic
def prefetch(typingctx: Any, a: Any, at: Any) -> Any:  # noqa: ARG001
    """Ask for the cache line of a[at] to be read into the second-level cache; any index is harmless."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base = _pointer(context, builder, signature, args, 0)
        flags = [ir.Constant(ir.IntType(32), v) for v in (0, 2, 1)]  # read, second level, data
        kind = ir.FunctionType(ir.VoidType(), [base.type, *(f.type for f in flags)])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [builder.gep(base, [args[1]]), *flags])
        return context.get_dummy_value()

    return types.void(a, types.intp), code


@intrinsic
def interleave(typingctx: Any, out: Any, to: Any, step: Any, a: Any, at: Any, stride: Any, last: Any) -> Any:  # noqa: ARG001
    """Set out[to + j step + lane] = a[at + min(lane, last) stride + j] for j < BLOCK: one lane an item, from one row each."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, source = (_pointer(context, builder, signature, args, i) for i in (0, 3))
        _, to, step, _, at, stride, last = args
        rows = []
        for lane in range(WIDTH):
            index = ir.Constant(_INT, lane)
            item = builder.select(builder.icmp_signed("<", index, last), index, last)
            rows.append(_read(builder, source, builder.add(at, builder.mul(item, stride)), _PIECE))
        for j, column in enumerate(_transposed(builder, _joined(builder, rows))):
            _write(builder, target, builder.add(to, builder.mul(step, ir.Constant(_INT, j))), column)
        return context.get_dummy_value()

    return types.void(out, types.intp, types.intp, a, types.intp, types.intp, types.intp), code


@intrinsic
def scatter(typingctx: Any, out: Any, to: Any, stride: Any, a: Any, at: Any) -> Any:  # noqa: ARG001
    """Set out[to + lane stride + j] = a[at + j WIDTH + lane] for j < BLOCK: the way back, for a full set of items."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _scatter(context, builder, signature, args)
        return context.get_dummy_value()

    return types.void(out, types.intp, types.intp, a, types.intp), code


@intrinsic
def scatter_past(typingctx: Any, out: Any, to: Any, stride: Any, a: Any, at: Any) -> Any:  # noqa: ARG001
    """`scatter` that writes past the caches; every BLOCK of `out` written must be aligned to its size. Then `settle`."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        mark = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        for written in _scatter(context, builder, signature, args):
            written.align = 8 * BLOCK
            written.set_metadata("nontemporal", mark)
        return context.get_dummy_value()

    return types.void(out, types.intp, types.intp, a, types.intp), code


@intrinsic
def settle(typingctx: Any) -> Any:  # noqa: ARG001
    """Make what was written past the caches visible to other threads."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), code


def _scatter(context: Any, builder: Any, signature: Any, args: Any) -> list[Any]:
    target, source = (_pointer(context, builder, signature, args, i) for i in (0, 3))
    _, to, stride, _, at = args
    columns = [_read(builder, source, builder.add(at, ir.Constant(_INT, j * WIDTH)), _VECTOR) for j in range(BLOCK)]
    rows = _split(builder, _transposed(builder, columns))
    places = [builder.add(to, builder.mul(stride, ir.Constant(_INT, lane))) for lane in range(WIDTH)]
    return [_write(builder, target, place, row) for place, row in zip(places, rows, strict=True)]


def _machine(builder: Any, name: str, args: Any) -> Any:
    """LLVM's intrinsic of that name on whole vectors; llvmlite spells the names of scalar ones only."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(args))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f64")
    return builder.call(function, args)


def _pointer(context: Any, builder: Any, signature: Any, args: Any, position: int) -> Any:
    kind = signature.args[position]
    return context.make_array(kind)(context, builder, args[position]).data


def _read(builder: Any, base: Any, at: Any, kind: Any) -> Any:
    address = builder.bitcast(builder.gep(base, [at]), kind.as_pointer())
    return builder.load(address, align=8)


def _write(builder: Any, base: Any, at: Any, value: Any) -> Any:
    address = builder.bitcast(builder.gep(base, [at]), value.type.as_pointer())
    return builder.store(value, address, align=8)


def _shuffled(builder: Any, x: Any, y: Any, picks: list[int]) -> Any:
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(ir.IntType(32), len(picks)), picks))


def _joined(builder: Any, rows: list[Any]) -> list[Any]:
    """WIDTH rows of BLOCK values -> BLOCK vectors, row r beside row r + BLOCK."""
    if WIDTH == BLOCK:
        return rows
    return [_shuffled(builder, rows[r], rows[r + BLOCK], list(range(WIDTH))) for r in range(BLOCK)]


def _split(builder: Any, vectors: list[Any]) -> list[Any]:
    """Undo `_joined`."""
    if WIDTH == BLOCK:
        return vectors
    return [_shuffled(builder, v, v, list(range(h, h + BLOCK))) for h in range(0, WIDTH, BLOCK) for v in vectors]


def _transposed(builder: Any, v: list[Any]) -> list[Any]:
    """Transpose each BLOCK x BLOCK part of four vectors; doing it twice gives them back."""

    def pick(x: Any, y: Any, order: tuple[int, ...]) -> Any:
        # order counts x as 0..3 and y as 4..7 inside one part
        places = [h + (i if i < BLOCK else i - BLOCK + WIDTH) for h in range(0, WIDTH, BLOCK) for i in order]
        return _shuffled(builder, x, y, places)

    low = [pick(v[i], v[i + 1], (0, 4, 2, 6)) for i in (0, 2)]
    high = [pick(v[i], v[i + 1], (1, 5, 3, 7)) for i in (0, 2)]
    return [pick(x, y, half) for half in ((0, 1, 4, 5), (2, 3, 6, 7)) for x, y in (low, high)]
