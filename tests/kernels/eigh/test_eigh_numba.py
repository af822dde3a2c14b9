"""The compiled way back of the eigensolver: residual, orthonormal vectors, bits of an item, and what LAPACK cannot do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from w2s_kernels import Backend, choose, factor_gram
from w2s_kernels.eigh import COMPILED_FROM as FROM
from w2s_kernels.eigh import eigh as eigh_of_order
from w2s_kernels.eigh.numba import eigh
from w2s_kernels.scipy_parts import lapack


@pytest.fixture
def numba() -> Backend:
    return choose("numba")


def grams(d: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(d)
    X = rng.standard_normal((2 * d, d))
    low = rng.standard_normal((d, 3))
    return {
        "full": X.T @ X / (2 * d),
        "low rank": low @ low.T,
        "identity": np.eye(d),
        "zero": np.zeros((d, d)),
        "diagonal": np.diag(np.arange(1.0, d + 1)),
        "blocks": np.kron(np.diag([1.0, 0.0]), X[: d // 2].T[: d // 2] @ X[: d // 2, : d // 2]) if d % 2 == 0 else np.eye(d),
        "graded": X.T @ X * np.outer(*[np.geomspace(1.0, 1e-9, d)] * 2),
    }


@pytest.mark.parametrize("d", [FROM, FROM + 1, 79, 80, 96, 97, 98, 130])
def test_a_decomposition(d: int) -> None:
    for name, G in grams(d).items():
        G = 0.5 * (G + G.T)
        values, V = eigh(G)
        scale = max(abs(values).max(), np.finfo(float).tiny)
        assert (np.diff(values) >= 0).all(), name
        assert abs(G @ V - V * values).max() <= 4 * d * np.finfo(float).eps * scale, name
        assert abs(V.T @ V - np.eye(d)).max() <= 4 * d * np.finfo(float).eps, name
        np.testing.assert_allclose(values, np.linalg.eigh(G)[0], atol=4 * d * np.finfo(float).eps * scale, err_msg=name)


def test_an_item_has_its_own_bits() -> None:
    stack = np.stack([grams(70)[name] for name in ("full", "identity", "low rank")])
    values, vectors = eigh(stack)
    for item, value, V in zip(stack, values, vectors, strict=True):
        alone = eigh(item)
        np.testing.assert_array_equal(alone[0], value)
        np.testing.assert_array_equal(alone[1], V)


def test_small_orders_are_lapacks(numba: Backend) -> None:
    G = grams(FROM - 1)["full"]
    for got, want in zip(eigh_of_order(G, numba), np.linalg.eigh(G), strict=True):
        np.testing.assert_array_equal(got, want)


def test_no_convergence_goes_through_the_svd(monkeypatch: pytest.MonkeyPatch, numba: Backend) -> None:
    honest, calls = lapack().dstevd, []

    def stubborn(*args: Any) -> Any:
        calls.append(1)
        values, vectors, info = honest(*args)
        return values, vectors, 7 if len(calls) == 2 else info

    G = np.stack([grams(66)[name] for name in ("full", "graded")])
    want = factor_gram(G, numba)
    monkeypatch.setattr(lapack(), "dstevd", stubborn)
    got = factor_gram(G, numba)
    assert got.repaired.tolist() == [False, True]
    np.testing.assert_array_equal(got.vectors[0], want.vectors[0])
    np.testing.assert_allclose(got.values, want.values, rtol=1e-12, atol=1e-12 * want.values.max())


@pytest.mark.parametrize("wrong", ["one vector", "one value", "two vectors that cancel"])
def test_a_wrong_decomposition_is_seen_through_the_signs(wrong: str, monkeypatch: pytest.MonkeyPatch, numba: Backend) -> None:
    from w2s_kernels.eigh import numba as eigh_numba

    honest = eigh_numba.eigh

    def broken(a: Any) -> Any:
        values, vectors = honest(a)
        if wrong == "one value":
            values[5] *= 1 + 1e-6
        else:
            vectors[:, 20] += 1e-6 * vectors[:, 40]
        if wrong == "two vectors that cancel":
            vectors[:, 21] -= 1e-6 * vectors[:, 40]
        return values, vectors

    G = grams(FROM)["full"]
    monkeypatch.setattr(eigh_numba, "eigh", broken)
    spectrum = factor_gram(G, numba)
    assert bool(spectrum.repaired)
    np.testing.assert_allclose((spectrum.vectors * spectrum.values) @ spectrum.vectors.T, G, atol=1e-12)
