"""The CUDA kernel of small systems without a device, executed on the CPU through `cuda_shim.h`."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cuda_build import Nvrtc
from numpy.typing import NDArray
from problems import Floats
from test_small import EPS, indefinite, judge, problem, same

from w2s_kernels import Backend, solve_quadratic
from w2s_kernels.small_cupy import SOURCE, compile_options, launch_plan

DRIVER = """
#include "cuda_shim.h"
#include "small.cu"
extern "C" int run(const double* A, const double* B, double* x, double* quadratic, long long* info, long long items, int k,
                   int seed)
{
    try {
        shim::launch((items + ITEMS - 1) / ITEMS, GROUP * ITEMS, seed,
                     [=] { solve_small(A, B, x, quadratic, info, items, k); });
    } catch (const std::exception&) {
        return 1;
    }
    return 0;
}
"""
ORDERS = [1, 7, 13, 30, 33, 64]
Result = tuple[Floats, Floats, NDArray[np.int64]]
Runner = Callable[..., Result]


@pytest.fixture(scope="module", params=ORDERS)
def order(request: pytest.FixtureRequest) -> int:
    d: int = request.param
    return d


@pytest.fixture(scope="module")
def runner(order: int, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """The kernel for one order as a Python function on NumPy arrays."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: the CUDA source cannot be executed on this machine")
    folder = tmp_path_factory.mktemp(f"order{order}")
    (folder / "driver.cpp").write_text(DRIVER)
    defines = [option for option in compile_options(order) if option.startswith("-D")]
    flags = ["-std=c++20", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]
    include = [f"-I{Path(__file__).parent}", f"-I{SOURCE.parent}"]
    subprocess.run(["g++", *flags, *defines, *include, "driver.cpp", "-o", "driver.so"], cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "driver.so"))

    def run(A: Floats, B: Floats, seed: int = 0) -> Result:
        items, _, k = B.shape
        x, quadratic, info = np.empty_like(B), np.empty((items, k)), np.empty(items, np.int64)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (A, B, x, quadratic, info)]
        assert library.run(*pointers, ctypes.c_longlong(items), k, seed) == 0, "threads of a warp met different barriers"
        return x, quadratic, info

    return run


@pytest.mark.parametrize("k", [1, 5, 16, 32])
def test_kernel_has_the_bits_of_the_compiled_cpu_version(order: int, runner: Runner, k: int) -> None:
    pytest.importorskip("numba")
    from w2s_kernels import small_numba

    A, B = problem(2 * launch_plan(order)[1] + 1, order, k, 1e4)
    same(runner(A, B), small_numba.solve(A, B))


@pytest.mark.parametrize("condition", [10.0, 1e10])
def test_kernel_against_the_reference(order: int, runner: Runner, condition: float) -> None:
    A, B = problem(3, order, 18, condition)
    judge(runner(A, B), A, B, max(1e-12, 8 * (order + 8) * EPS * condition))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_barrier_is_missing(order: int, runner: Runner, seed: int) -> None:
    A, B = problem(launch_plan(order)[1] + 1, order, 17)
    same(runner(A, B), runner(A, B, seed))


def test_item_in_a_batch_is_the_item_alone(order: int, runner: Runner) -> None:
    A, B = problem(5, order, 3, 1e6)
    batch = runner(A, B)
    for i in range(5):
        same(tuple(a[i : i + 1] for a in batch), runner(A[i : i + 1], B[i : i + 1]))


def test_failed_items_are_marked_and_alone(order: int, runner: Runner) -> None:
    A, B, bad = indefinite(order, 2)
    good = np.setdiff1d(np.arange(len(A)), bad)
    A = np.where(np.tri(order, dtype=bool), A, np.nan)
    x, quadratic, info = runner(A, B)
    np.testing.assert_array_equal(np.flatnonzero(info), bad)
    assert np.isnan(x[bad]).all()
    assert np.isnan(quadratic[bad]).all()
    same((x[good], quadratic[good], info[good]), runner(A[good], B[good]))


@pytest.mark.parametrize("d", range(1, 65))
def test_launch_plan_fits_a_block(d: int) -> None:
    group, items = launch_plan(d)
    padded = -(-d // 4) * 4
    shared = 8 * items * (padded * (padded + 1) + padded * 17 + 16)
    assert padded <= group <= 64
    assert group * items in (64, 128)
    assert shared <= 48 * 1024


def test_errors_of_the_source_are_reported(nvrtc: Nvrtc) -> None:
    done, log, _ = nvrtc.compile(SOURCE.read_text(), ["-DDIM=9", "-DGROUP=8", "-DITEMS=16"])
    assert not done
    assert "one thread a row" in log


@pytest.mark.gpu
@pytest.mark.parametrize("d", ORDERS)
def test_device_has_the_bits_of_the_compiled_cpu_version(d: int, device: Backend) -> None:
    from w2s_kernels import small_numba

    A, B = problem(100, d, 19, 1e4)
    got = solve_quadratic(device.asarray(A), device.asarray(B), device)
    same(tuple(device.to_numpy(a) for a in got), small_numba.solve(A, B))
