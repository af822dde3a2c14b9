"""Eigendecompositions on a device: no solver is believed, what fails is solved again, and memory limits only the batch."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from cupy_stand_in import Cupy, solver_library
from problems import Floats, close

from w2s_kernels import NUMPY, Backend, factor_gram
from w2s_kernels.eigh import cupy as eigh_cupy
from w2s_kernels.eigh import cusolver
from w2s_kernels.eigh.cupy import correct, solve

DEVICE = Backend("cupy", "NumPy and a library of our own in place of a device")


def matrices(items: int, d: int) -> Floats:
    X = np.random.default_rng([items, d]).standard_normal((items, 2 * d, d))
    return np.asarray(np.swapaxes(X, 1, 2) @ X / (2 * d))


def lapack(a: Floats) -> tuple[Floats, Floats]:
    values, vectors = np.linalg.eigh(a)
    return np.asarray(values), np.asarray(vectors)


def diagonal_for_some(a: Floats) -> tuple[Floats, Floats]:
    """Silently wrong: items 0 and 3 come back as their diagonals, sorted, with unit vectors."""
    values, vectors = lapack(a)
    for i in (0, 3):
        order = np.argsort(np.diag(a[i]))
        values[i], vectors[i] = np.diag(a[i])[order], np.eye(a.shape[-1])[:, order]
    return values, vectors


def vectors_of_a_neighbour(a: Floats) -> tuple[Floats, Floats]:
    values, vectors = lapack(a)
    vectors[2] = vectors[1]
    return values, vectors


def one_vector_twice(a: Floats) -> tuple[Floats, Floats]:
    """A small residual, but no basis: seen where an eigenvalue is double."""
    values, vectors = lapack(a)
    vectors[1, :, 1] = vectors[1, :, 0]
    values[1, 1] = values[1, 0]
    return values, vectors


def descending(a: Floats) -> tuple[Floats, Floats]:
    values, vectors = lapack(a)
    return np.ascontiguousarray(values[:, ::-1]), np.ascontiguousarray(vectors[:, :, ::-1])


def not_a_number(a: Floats) -> tuple[Floats, Floats]:
    values, vectors = lapack(a)
    values[-1] = np.nan
    return values, vectors


def refuses(a: Floats) -> tuple[Floats, Floats]:
    raise RuntimeError("status 7")


WRONG = [
    (diagonal_for_some, 2),
    (vectors_of_a_neighbour, 1),
    (one_vector_twice, 1),
    (descending, 5),
    (not_a_number, 1),
    (refuses, 5),
]


@pytest.mark.parametrize(("wrong", "items"), WRONG)
def test_what_a_solver_gets_wrong_is_solved_again(
    wrong: eigh_cupy.Solver, items: int, caplog: pytest.LogCaptureFixture
) -> None:
    a, asked = matrices(5, 12), []

    def next_solver(rest: Floats) -> tuple[Floats, Floats]:
        asked.append(len(rest))
        return lapack(rest)

    with caplog.at_level(logging.WARNING, "w2s_kernels.eigh.cupy"):
        values, vectors = solve(a, [("first", wrong), ("second", next_solver)], np)
    assert asked == [items]
    for got, want in zip((values, vectors), lapack(a), strict=True):
        np.testing.assert_array_equal(got, want)
    assert f"first failed for {items} of 5 matrices of order 12" in caplog.text


def test_a_right_solver_is_the_only_one_asked(caplog: pytest.LogCaptureFixture) -> None:
    a = matrices(4, 7)
    values, vectors = solve(a, [("first", lapack), ("second", refuses)], np)
    assert correct(a, values, vectors, np).all()
    assert not caplog.records


def test_what_no_solver_can_do_is_not_a_number_and_alone() -> None:
    a = matrices(5, 6)
    values, vectors = solve(a, [("first", diagonal_for_some), ("second", refuses)], np)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(values).any(axis=1)), [0, 3])
    assert np.isnan(vectors[[0, 3]]).all()
    np.testing.assert_array_equal(values[[1, 2, 4]], lapack(a)[0][[1, 2, 4]])


def test_running_out_of_memory_is_no_fault_of_the_solver() -> None:
    def greedy(a: Floats) -> tuple[Floats, Floats]:
        raise MemoryError

    with pytest.raises(MemoryError):
        solve(matrices(2, 3), [("first", greedy), ("second", lapack)], np)


@pytest.mark.parametrize("scale", [0.0, 1e-200, 1.0])
def test_correct_is_independent_of_scale(scale: float) -> None:
    a = matrices(3, 9) * scale
    assert correct(a, *lapack(a), np).all()


def test_errors_beyond_rounding_are_not_correct() -> None:
    a = matrices(3, 40)
    values, vectors = lapack(a)
    values[0] *= 1 + 1e-10
    vectors[1, :, 0] *= 1 + 1e-10
    assert correct(a, values, vectors, np).tolist() == [False, False, True]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return solver_library(tmp_path_factory.mktemp("cusolver"))


@pytest.fixture
def cupy(library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cupy]:
    """A device whose cuSOLVER has the batched routine."""
    stand_in = Cupy()
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    monkeypatch.setattr(cusolver, "_library", lambda: library)
    cusolver.available.cache_clear()
    library.behave(-1, -1, 0)
    yield stand_in
    cusolver.available.cache_clear()


def check_device(items: int, d: int) -> None:
    a = matrices(items, d)
    got, want = factor_gram(a, DEVICE), factor_gram(a, NUMPY)
    close(got.values, want.values, 1e-13)
    close(np.abs(np.sum(got.vectors * want.vectors, axis=-2)), np.ones((items, d)), 1e-9)
    assert not np.any(got.repaired)


def test_the_batched_routine_is_called_as_its_prototype_says(cupy: Cupy, library: ctypes.CDLL) -> None:
    before = library.called()
    assert cusolver.available()
    check_device(6, 11)
    assert library.called() == before + 1


def test_items_that_the_routine_gets_wrong_or_gives_up_are_repaired(
    cupy: Cupy, library: ctypes.CDLL, caplog: pytest.LogCaptureFixture
) -> None:
    library.behave(2, 4, 0)
    check_device(6, 11)
    assert "cuSOLVER, batched failed for 2 of 6 matrices of order 11" in caplog.text


def test_a_refusal_is_reported_and_the_next_solver_asked(
    cupy: Cupy, library: ctypes.CDLL, caplog: pytest.LogCaptureFixture
) -> None:
    library.behave(-1, -1, 7)
    check_device(3, 5)
    assert "cusolverDnXsyevBatched refused with status 7" in caplog.text


def test_a_library_that_cannot_allocate_is_out_of_memory(cupy: Cupy, library: ctypes.CDLL) -> None:
    library.behave(-1, -1, 2)
    with pytest.raises(MemoryError, match="cuSOLVER could not allocate"):
        check_device(3, 5)
    assert cupy.released == 2  # 3 items, 2, 1: then it is final


def test_batches_fit_the_memory_and_change_no_bit(cupy: Cupy, library: ctypes.CDLL) -> None:
    a, before = matrices(7, 10).view(np.ndarray), library.called()
    whole = factor_gram(a, DEVICE)
    cupy.free_bytes = 2 * 3 * 8 * 10 * 10 * eigh_cupy.COPIES
    split = factor_gram(a, DEVICE)
    assert library.called() == before + 1 + 3
    np.testing.assert_array_equal(split.values, whole.values)
    np.testing.assert_array_equal(split.vectors, whole.vectors)


def test_an_older_library_goes_one_by_one(
    cupy: Cupy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cusolver, "_library", object)
    assert not cusolver.available()
    assert [name for name, _ in eigh_cupy.ladder()] == ["cuSOLVER, one by one", "LAPACK on the host"]
    check_device(3, 5)
    assert not caplog.records


@pytest.mark.gpu
@pytest.mark.parametrize(("items", "d"), [(1, 1), (300, 4), (64, 33), (9, 200), (20_000, 3)])
def test_device_against_lapack(items: int, d: int, device: Backend) -> None:
    a = matrices(items, d)
    got = factor_gram(a, device)
    close(device.to_numpy(got.values), factor_gram(a, NUMPY).values, 1e-12)
    values, vectors = device.xp.ascontiguousarray(got.values[:, ::-1]), device.xp.ascontiguousarray(got.vectors[:, :, ::-1])
    assert bool(correct(device.asarray(a), values, vectors, device.xp).all())


@pytest.mark.gpu
@pytest.mark.parametrize("d", [3, 32, 33, 100])
def test_an_item_in_a_batch_on_a_device_has_the_bits_it_has_alone(d: int, device: Backend) -> None:
    a = device.asarray(matrices(33, d))
    values, vectors = eigh_cupy.eigh(a)
    for i in (0, 17, 32):
        alone = eigh_cupy.eigh(a[i : i + 1])
        np.testing.assert_array_equal(device.to_numpy(alone[0][0]), device.to_numpy(values[i]))
        np.testing.assert_array_equal(device.to_numpy(alone[1][0]), device.to_numpy(vectors[i]))
