"""Batched symmetric eigensolver of cuSOLVER (XsyevBatched), which CuPy 14 does not bind: called in the library it has loaded.

The divide-and-conquer routine, from CUDA 12.6.2 on (cuSOLVER 11.7.1), not the Jacobi one behind `cupy.linalg.eigh` on stacks,
which has returned diagonals as eigenvalues without a word (CuPy issue 4847).
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from ..backend import Array

LARGEST_BATCH = 16384  # releases of 2025 refuse 2**15 items and more
_VECTORS, _LOWER, _REAL_64 = 1, 0, 1  # CUSOLVER_EIG_MODE_VECTOR, CUBLAS_FILL_MODE_LOWER, CUDA_R_64F
_ALLOC_FAILED = 2


@cache
def available() -> bool:
    """Tell whether the cuSOLVER that CuPy has loaded has the batched routine."""
    try:
        return hasattr(_library(), "cusolverDnXsyevBatched")
    except (ImportError, AttributeError, OSError, RuntimeError):
        return False


def eigh_batched(a: Array) -> tuple[Array, Array]:
    """Return eigenvalues (items, d) ascending and vectors (items, d, d) of contiguous float64 a (items, d, d) on a device.

    Items that did not converge come back as nan. Memory: two copies of `a` and a workspace that cuSOLVER asks for.

    Raises
    ------
    MemoryError : no room for the workspace. RuntimeError : cuSOLVER refused, with its status.
    """
    import cupy

    items, d = a.shape[:2]
    vectors = a.copy()  # symmetric, so row-major is as good as column-major
    values, info = cupy.empty((items, d)), cupy.zeros(items, dtype=np.int32)
    matrices = (_VECTORS, _LOWER, d, _REAL_64, vectors.data.ptr, d, _REAL_64, values.data.ptr, _REAL_64)
    _call(matrices, info, items)
    values = cupy.where(info[:, None] == 0, values, np.nan)
    return values, cupy.ascontiguousarray(cupy.swapaxes(vectors, -1, -2))


def _call(matrices: tuple[int, ...], info: Array, items: int) -> None:
    """Ask for the sizes of the workspaces, allocate them, and solve; everything runs on CuPy's current stream."""
    import cupy

    cusolver = cupy.cuda.cusolver
    handle = cupy.cuda.Device().cusolver_handle
    cusolver.setStream(handle, cupy.cuda.get_current_stream().ptr)
    parameters = cusolver.createParams()
    try:
        on_device, on_host = ctypes.c_size_t(), ctypes.c_size_t()
        arguments = (handle, parameters, *matrices)
        sizes = _function("cusolverDnXsyevBatched_bufferSize", *_HEAD, _SIZE_AT, _SIZE_AT, ctypes.c_int64)
        _checked(sizes(*arguments, ctypes.byref(on_device), ctypes.byref(on_host), items))
        device = cupy.empty(max(1, on_device.value), dtype=np.uint8)
        host = np.empty(max(1, on_host.value), dtype=np.uint8)
        workspaces = (device.data.ptr, on_device.value, host.ctypes.data, on_host.value)
        solve = _function("cusolverDnXsyevBatched", *_HEAD, *_WORKSPACES, ctypes.c_void_p, ctypes.c_int64)
        _checked(solve(*arguments, *workspaces, info.data.ptr, items))
        cupy.cuda.get_current_stream().synchronize()  # the host workspace is in use until then
    finally:
        cusolver.destroyParams(parameters)


_POINTER, _NUMBER, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_SIZE_AT = ctypes.POINTER(ctypes.c_size_t)
_WORKSPACES = (_POINTER, ctypes.c_size_t, _POINTER, ctypes.c_size_t)
# handle, params, jobz, uplo, n, type and place of A, its leading dimension, type and place of W, type to compute in
_HEAD = (_POINTER, _POINTER, _NUMBER, _NUMBER, _LONG, _NUMBER, _POINTER, _LONG, _NUMBER, _POINTER, _NUMBER)


def _function(name: str, *types: Any) -> Any:
    function = getattr(_library(), name)
    function.argtypes, function.restype = types, ctypes.c_int
    return function


def _checked(status: int) -> None:
    if status == _ALLOC_FAILED:
        raise MemoryError("cuSOLVER could not allocate")
    if status:
        raise RuntimeError(f"cusolverDnXsyevBatched refused with status {status}")


@cache
def _library() -> ctypes.CDLL:
    import cupy

    # Loaded with CuPy's bindings, so its name alone finds it; the name's number is the library's major version.
    return ctypes.CDLL(f"libcusolver.so.{cupy.cuda.cusolver._getVersion()[0]}")
