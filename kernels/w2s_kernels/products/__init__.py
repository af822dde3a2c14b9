"""One product of two matrices, by BLAS or by register tiles.

OpenBLAS chooses its kernels by the processor's name. Where it does not know the name it takes those of an older processor, at
half of the rate; tiles are compiled for the features that the processor has. An element is a sum of chains of at most `DEPTH`
fused multiply-adds, in the order of k, whatever the width of the vectors: its bits do not depend on other rows or columns.
"""

from __future__ import annotations

from ..backend import Array, Backend
from ..dispatch import operation
from .kept import DEPTH, is_worth

__all__ = ["DEPTH", "gemm", "is_worth"]

GEMM = operation("products", "gemm", "numba", "kept")


def gemm(left: Array, right: Array, backend: Backend) -> Array:
    """Multiply left (m, k) @ right (k, n) -> (m, n), float64.

    Parameters
    ----------
    left, right :
        float64 in the library of the backend, in any memory order: a transposed array is read as it lies where it is `left`.
    backend :
        "numba" multiplies by register tiles, on one thread, where the product is not small; the others call BLAS.

    Returns
    -------
    (m, n), contiguous. Cost 2 m k n flops.

    Raises
    ------
    ValueError : shapes that do not fit.
    """
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
        raise ValueError(f"a product needs shapes (m, k) and (k, n), got {left.shape} and {right.shape}")
    worth = backend.name != "numba" or is_worth(left.shape[0], left.shape[1], right.shape[1])
    return (GEMM.on(backend) if worth else GEMM.plain)(left, right)
