"""LLVM vectors of `WIDTH` float64 lanes: how tiles read them, write them and compute with them.

Memory is a one-dimensional C-contiguous float64 array; indices count float64 values and are not checked.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils

__all__ = ["INT", "VECTOR", "WIDTH", "machine", "pointer", "read", "splat", "write"]

WIDTH = 8 if llvmlite.binding.get_host_cpu_features().get("avx512f", False) else 4

INT = ir.IntType(64)
VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)


def machine(builder: Any, name: str, args: Any) -> Any:
    """Call LLVM's intrinsic of this name on whole vectors; llvmlite itself only names those for scalars."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * len(args))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f64")
    return builder.call(function, args)


def pointer(context: Any, builder: Any, signature: Any, args: Any, position: int) -> Any:
    """Return a pointer to the first value of the array argument at `position`."""
    kind = signature.args[position]
    return context.make_array(kind)(context, builder, args[position]).data


def read(builder: Any, base: Any, at: Any) -> Any:
    """Read the vector that starts at base[at]; eight-byte alignment is enough."""
    address = builder.bitcast(builder.gep(base, [at]), VECTOR.as_pointer())
    return builder.load(address, align=8)


def write(builder: Any, base: Any, at: Any, value: Any) -> Any:
    """Store a vector at base[at] and after."""
    address = builder.bitcast(builder.gep(base, [at]), value.type.as_pointer())
    return builder.store(value, address, align=8)


def splat(builder: Any, value: Any) -> Any:
    """Return a vector with the value in every lane."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))
