"""NumPy under the name of CuPy, with as much of a device as the kernels ask for: memory, streams, a cuSOLVER of our own.

The solver library is compiled from `XSYEV` with the public prototype, and answers like the real one, by a plain Jacobi
iteration; so what is tested is what is passed to it.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

XSYEV = r"""
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

static int wrong_item = -1, stubborn_item = -1, status = 0, calls = 0;

extern "C" void behave(int wrong, int stubborn, int next_status) { wrong_item = wrong, stubborn_item = stubborn, status = next_status; }
extern "C" int called() { return calls; }

static void jacobi(double* a, double* w, double* v, int n)
{
    for (int i = 0; i < n * n; ++i)
        v[i] = i % (n + 1) == 0;
    for (int sweep = 0; sweep < 30; ++sweep)
        for (int p = 0; p < n; ++p)
            for (int q = p + 1; q < n; ++q) {
                if (a[p * n + q] == 0)
                    continue;
                const double t = 0.5 * std::atan2(2 * a[p * n + q], a[q * n + q] - a[p * n + p]), c = std::cos(t), s = std::sin(t);
                for (int k = 0; k < n; ++k) {
                    const double x = a[k * n + p], y = a[k * n + q];
                    a[k * n + p] = c * x - s * y, a[k * n + q] = s * x + c * y;
                }
                for (int k = 0; k < n; ++k) {
                    const double x = a[p * n + k], y = a[q * n + k];
                    a[p * n + k] = c * x - s * y, a[q * n + k] = s * x + c * y;
                    const double f = v[p * n + k], g = v[q * n + k];
                    v[p * n + k] = c * f - s * g, v[q * n + k] = s * f + c * g;
                }
            }
    for (int i = 0; i < n; ++i)
        w[i] = a[i * n + i];
    for (int i = 0; i < n; ++i)
        for (int j = i + 1; j < n; ++j)
            if (w[j] < w[i]) {
                std::swap(w[i], w[j]);
                for (int k = 0; k < n; ++k)
                    std::swap(v[i * n + k], v[j * n + k]);
            }
}

// Rows of v are columns of the column-major result. What the library must be given: lower triangles, doubles, its workspaces.
static bool as_promised(void* handle, void* params, int jobz, int uplo, int64_t n, int a_type, int64_t lda, int w_type, int type)
{
    return handle == (void*)0x1234 && params == (void*)0x5678 && jobz == 1 && uplo == 0 && lda == n && a_type == 1 && w_type == 1
        && type == 1;
}

extern "C" int cusolverDnXsyevBatched_bufferSize(void* handle, void* params, int jobz, int uplo, int64_t n, int a_type, const void*,
    int64_t lda, int w_type, const void*, int type, size_t* on_device, size_t* on_host, int64_t)
{
    *on_device = 8 * n * n, *on_host = 40;
    return as_promised(handle, params, jobz, uplo, n, a_type, lda, w_type, type) ? 0 : 3;
}

extern "C" int cusolverDnXsyevBatched(void* handle, void* params, int jobz, int uplo, int64_t n, int a_type, void* a, int64_t lda,
    int w_type, void* w, int type, void* on_device, size_t device_size, void* on_host, size_t host_size, int* info, int64_t items)
{
    ++calls;
    if (!as_promised(handle, params, jobz, uplo, n, a_type, lda, w_type, type) || device_size != size_t(8 * n * n) || host_size != 40)
        return 3;
    if (status != 0)
        return status;
    static_cast<char*>(on_host)[39] = 1;
    double* scratch = static_cast<double*>(on_device);
    for (int64_t item = 0; item < items; ++item) {
        double *matrix = static_cast<double*>(a) + item * n * n, *values = static_cast<double*>(w) + item * n;
        info[item] = item == stubborn_item;
        if (item == wrong_item) {  // what the batched Jacobi routine once did: the diagonal, and unit vectors
            for (int i = 0; i < n; ++i)
                values[i] = matrix[i * n + i];
            for (int i = 0; i < n * n; ++i)
                matrix[i] = i % (n + 1) == 0;
            continue;
        }
        jacobi(matrix, values, scratch, int(n));
        for (int i = 0; i < n * n; ++i)
            matrix[i] = scratch[i];
    }
    return 0;
}
"""


class DeviceArray(np.ndarray[Any, Any]):
    """An array that says where it lies, and is copied to the host on request, as CuPy's."""

    __module__ = "cupy"

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self.ctypes.data)

    def get(self) -> np.ndarray[Any, Any]:
        return np.array(self)


def syrk(trans: str, a: Any, *, out: Any, alpha: float, beta: float, lower: bool) -> None:
    """`cupy.cublas.syrk`: out = alpha a'a + beta out in one triangle, the other is left alone; never a copy of `out`."""
    assert trans == "T"
    assert a.flags.c_contiguous
    assert out.flags.c_contiguous
    at = np.tril_indices(len(out)) if lower else np.triu_indices(len(out))
    out[at] = (alpha * (a.T @ a) + beta * out)[at]


class Cupy:
    """Module `cupy`; `free_bytes` is the memory that the device reports, `released` counts freed pools."""

    def __init__(self) -> None:
        self.free_bytes, self.released = 2**30, 0
        bindings = {"setStream": lambda *_: None, "createParams": lambda: 0x5678, "destroyParams": lambda _: None}
        self.cublas = SimpleNamespace(syrk=syrk)
        self.cuda = SimpleNamespace(
            Device=lambda: SimpleNamespace(mem_info=(self.free_bytes, 2**31), cusolver_handle=0x1234),
            get_current_stream=lambda: SimpleNamespace(ptr=0, synchronize=lambda: None),
            cusolver=SimpleNamespace(_getVersion=lambda: (11, 7, 1), **bindings),
        )

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(free_bytes=lambda: 0, free_all_blocks=self._release)

    def _release(self) -> None:
        self.released += 1

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        makes_arrays = name in ("empty", "zeros", "full", "asarray", "ascontiguousarray", "where")
        return (lambda *a, **k: found(*a, **k).view(DeviceArray)) if makes_arrays else found


def solver_library(folder: Path) -> ctypes.CDLL:
    """Compile `XSYEV`."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: the stand-in for cuSOLVER cannot be compiled")
    (folder / "solver.cpp").write_text(XSYEV)
    subprocess.run(["g++", "-O2", "-shared", "-fPIC", "solver.cpp", "-o", "solver.so"], cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "solver.so"))
