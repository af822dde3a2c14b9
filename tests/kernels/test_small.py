from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from problems import Floats, close

from w2s_kernels import Backend, choose, solve_quadratic, solve_spd
from w2s_kernels.reference import spd_reference

EPS = float(np.finfo(np.float64).eps)


def spd(rng: np.random.Generator, items: int, d: int, condition: float = 10.0) -> Floats:
    """Symmetric matrices (items, d, d) whose eigenvalues fall geometrically from 1 to 1/condition."""
    vectors = np.linalg.qr(rng.standard_normal((items, d, d)))[0]
    values = np.geomspace(1.0, 1.0 / condition, d) if d > 1 else np.ones(1)
    A = (vectors * values) @ np.swapaxes(vectors, -1, -2)
    return np.asarray((A + np.swapaxes(A, -1, -2)) / 2)


def problem(items: int, d: int, k: int, condition: float = 10.0, seed: int = 0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng([seed, items, d, k])
    return spd(rng, items, d, condition), rng.standard_normal((items, d, k))


def solve(A: NDArray[Any], B: NDArray[Any], backend: Backend) -> tuple[Floats, Floats, NDArray[np.int64]]:
    x, quadratic, info = (backend.to_numpy(a) for a in solve_quadratic(A, B, backend))
    assert (x.dtype, quadratic.dtype, info.dtype) == (np.float64, np.float64, np.int64)
    return x, quadratic, info


def check(A: NDArray[Any], B: NDArray[Any], backend: Backend, rtol: float) -> None:
    judge(solve(A, B, backend), A, B, rtol)


def judge(result: tuple[Floats, Floats, NDArray[np.int64]], A: NDArray[Any], B: NDArray[Any], rtol: float) -> None:
    """Every item against the reference, in the largest entry of each column."""
    x, quadratic, info = result
    assert not info.any()
    for item in range(len(A)):
        want_x, want_quadratic = spd_reference(A[item].astype(np.float64), B[item].astype(np.float64))
        for col in range(B.shape[-1]):
            close(x[item, :, col], want_x[:, col], rtol)
        np.testing.assert_allclose(quadratic[item], want_quadratic, rtol=rtol)


def same(left: tuple[Any, ...], right: tuple[Any, ...]) -> None:
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("d", range(1, 65))
def test_every_order_against_the_reference(d: int, backend: Backend) -> None:
    check(*problem(3, d, 1 + d % 5), backend, 1e-12)


@pytest.mark.parametrize("k", range(1, 33))
def test_every_number_of_columns(k: int, backend: Backend) -> None:
    check(*problem(2, 7 + k % 4, k), backend, 1e-12)


@pytest.mark.parametrize("items", [1, 7, 8, 9, 1000])
@pytest.mark.parametrize(("d", "k"), [(8, 1), (13, 6), (33, 4)])
def test_every_filling_of_the_last_group(items: int, d: int, k: int, backend: Backend) -> None:
    A, B = problem(items, d, k)
    x, quadratic, info = solve(A, B, backend)
    assert not info.any()
    want = np.linalg.solve(A, B)
    close(x, want, 1e-12)
    close(quadratic, np.sum(want * B, axis=1), 1e-12)


@settings(max_examples=25, deadline=None)
@given(
    d=st.integers(1, 64),
    k=st.integers(1, 32),
    exponent=st.floats(0, 10),
    name=st.sampled_from(["numpy", "numba"]),
    seed=st.integers(0, 99),
)
def test_ill_conditioned(d: int, k: int, exponent: float, name: str, seed: int) -> None:
    condition = 10.0**exponent
    check(*problem(2, d, k, condition, seed), choose(name), 8 * (d + 8) * EPS * condition)


@pytest.mark.parametrize("power", [-1000, -500, 500, 1000])
def test_scaling_by_powers_of_two_is_exact(power: int, backend: Backend) -> None:
    A, B = problem(9, 21, 3)
    x, quadratic, info = solve(A, B, backend)
    scaled = solve(np.ldexp(A, power), B, backend)
    same(scaled, (np.ldexp(x, -power), np.ldexp(quadratic, -power), info))
    # 2^(power/2) on both sides of A^-1 b; one step up is where it is not a power of four
    odd = solve(np.ldexp(A, power + 1), np.ldexp(B, power + 1), backend)
    close(odd[0], x, 1e-13)


def indefinite(d: int, k: int) -> tuple[Floats, Floats, list[int]]:
    """Nineteen items of which five fail, each in its own way."""
    A, B = problem(19, d, k)
    A[2] -= (0.5 if d > 1 else 2.0) * np.eye(d)
    A[7, -1, -1] = -1.0
    A[8] = 0.0
    A[11, -1, 0] = np.nan
    A[18, 0, 0] = np.inf
    return A, B, [2, 7, 8, 11, 18]


@pytest.mark.parametrize(("d", "k"), [(1, 1), (2, 1), (4, 4), (9, 5), (31, 8), (64, 32)])
def test_failed_items_are_marked_and_alone(d: int, k: int, backend: Backend) -> None:
    A, B, bad = indefinite(d, k)
    good = np.setdiff1d(np.arange(len(A)), bad)
    x, quadratic, info = solve(A, B, backend)
    np.testing.assert_array_equal(np.flatnonzero(info), bad)
    assert set(info.tolist()) == {0, 1}
    assert np.isnan(x[bad]).all()
    assert np.isnan(quadratic[bad]).all()
    A[bad] = np.eye(d)
    healthy = solve(A, B, backend)
    same((x[good], quadratic[good], info[good]), tuple(a[good] for a in healthy))


@pytest.mark.parametrize("pivot", range(10))
def test_a_failure_at_any_pivot_is_seen(pivot: int, backend: Backend) -> None:
    A = np.eye(10)[None].repeat(2, axis=0)
    A[0, pivot, pivot] = -1.0
    assert solve(A, np.ones((2, 10, 1)), backend)[2].tolist() == [1, 0]


@pytest.mark.parametrize("items", [1, 8, 21])
@pytest.mark.parametrize(("d", "k"), [(3, 2), (8, 8), (16, 1), (30, 7), (64, 4)])
def test_item_in_a_batch_is_the_item_alone(items: int, d: int, k: int, backend: Backend) -> None:
    A, B = problem(items, d, k, 1e6)
    batch = solve(A, B, backend)
    for i in range(items):
        same(tuple(a[i : i + 1] for a in batch), solve(A[i : i + 1], B[i : i + 1], backend))


def test_large_results_have_the_bits_of_small_ones() -> None:
    pytest.importorskip("numba")
    from w2s_kernels import small_numba

    A, B = problem(405, 21, 32)
    assert B.size > small_numba.PAST
    whole = small_numba.solve(A, B)
    parts = zip(*(small_numba.solve(A[i : i + 100], B[i : i + 100]) for i in range(0, 405, 100)), strict=True)
    same(whole, tuple(np.concatenate(part) for part in parts))


def test_column_among_others_is_the_column_alone(backend: Backend) -> None:
    if backend.name == "numpy":
        pytest.skip("LAPACK orders its sums by the number of columns")
    A, B = problem(5, 23, 11)
    x, quadratic, _ = solve(A, B, backend)
    for c in range(11):
        alone = solve(A, B[..., c : c + 1], backend)
        same((x[..., c : c + 1], quadratic[..., c : c + 1]), alone[:2])


def test_threads_do_not_change_bits() -> None:
    numba = pytest.importorskip("numba")
    A, B = problem(500, 17, 3)
    many = solve(A, B, choose("numba"))
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        same(many, solve(A, B, choose("numba")))
    finally:
        numba.set_num_threads(before)


def test_upper_triangle_is_ignored(backend: Backend) -> None:
    A, B = problem(9, 14, 3)
    spoilt = np.where(np.tri(14, dtype=bool), A, np.nan)
    same(solve(A, B, backend), solve(spoilt, B, backend))


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_inputs_are_converted_and_left_alone(dtype: Any, backend: Backend) -> None:
    rng = np.random.default_rng(3)
    A = (rng.integers(-2, 3, (9, 6, 6)) + 40 * np.eye(6)).astype(dtype)
    A = np.tril(A) + np.swapaxes(np.tril(A, -1), -1, -2)
    B = rng.integers(-9, 9, (9, 6, 2)).astype(dtype)
    A.flags.writeable = B.flags.writeable = False
    copies = A.copy(), B.copy()
    check(A, B, backend, 1e-13)
    same((A, B), copies)


def test_strides_and_batch_shapes(backend: Backend) -> None:
    A, B = problem(12, 7, 4)
    x, quadratic, info = solve(A, B, backend)
    strided = solve(np.asfortranarray(A), np.repeat(B, 2, axis=2)[..., ::2], backend)
    same(strided, (x, quadratic, info))
    folded = solve(A.reshape(3, 4, 7, 7), B.reshape(3, 4, 7, 4), backend)
    same(folded, (x.reshape(3, 4, 7, 4), quadratic.reshape(3, 4, 4), info.reshape(3, 4)))
    same(solve(A[0], B[0], backend), (x[0], quadratic[0], info[0]))
    same((x, info), tuple(backend.to_numpy(a) for a in solve_spd(A, B, backend)))


def test_empty_batch(backend: Backend) -> None:
    x, quadratic, info = solve(np.empty((0, 5, 5)), np.empty((0, 5, 2)), backend)
    assert (x.shape, quadratic.shape, info.shape) == ((0, 5, 2), (0, 2), (0,))


def test_known_answer(backend: Backend) -> None:
    x, quadratic, info = solve([[4, 2], [2, 5]], [[8], [12]], backend)  # type: ignore[arg-type]
    np.testing.assert_allclose(x, [[1.0], [2.0]], rtol=1e-15)
    np.testing.assert_allclose(quadratic, [32.0], rtol=1e-15)
    assert info == 0


def test_nonfinite_right_hand_sides_are_located(backend: Backend) -> None:
    A, B = problem(9, 5, 2)
    B[3, 4, 1] = np.inf
    with pytest.raises(ValueError, match=r"B has 1 non-finite values of 90, the first at index \(3, 4, 1\)"):
        solve_spd(A, B, backend)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 3, 3), (3, 3, 1)),
        ((2, 3, 4), (2, 3, 1)),
        ((3, 3), (3,)),
        ((2, 3, 3), (2, 4, 1)),
        ((1, 65, 65), (1, 65, 1)),
        ((1, 2, 2), (1, 2, 33)),
    ],
)
def test_shapes_are_checked(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        solve_spd(np.ones(left), np.ones(right))


NARROW = """
import sys, llvmlite.binding, numpy as np
features = llvmlite.binding.get_host_cpu_features
llvmlite.binding.get_host_cpu_features = dict
from w2s_kernels import lanes_numba
llvmlite.binding.get_host_cpu_features = features
from w2s_kernels import small_numba
assert small_numba.WIDTH == 4
A, B = np.load(sys.argv[1]), np.load(sys.argv[2])
np.savez(sys.argv[3], *small_numba.solve(A, B))
"""


@pytest.mark.slow
def test_width_of_the_vectors_does_not_change_bits(tmp_path: Any) -> None:
    A, B = problem(11, 14, 5)
    paths = [str(tmp_path / name) for name in ("a.npy", "b.npy", "out.npz")]
    np.save(paths[0], A)
    np.save(paths[1], B)
    # A cache of its own: compiled files are told apart by processor and source, not by width.
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", NARROW, *paths], check=True, env=environment, timeout=120)
    same(tuple(np.load(paths[2]).values()), solve(A, B, choose("numba")))
