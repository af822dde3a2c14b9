"""Array code that stands in for compiled kernels where work is small: the bits are the same, whatever the numbers."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import CASES

import w2s_kernels
from w2s_kernels import (
    Backend,
    BackendError,
    Filters,
    choose,
    concat,
    filter_products,
    filtered_products,
    flow,
    ridge,
    steps,
    wishart,
)
from w2s_kernels.dispatch import REGISTRY, Operation
from w2s_kernels.spectral import factor_gram
from w2s_kernels.spectral.lanes import products
from w2s_kernels.spectral.plain import products as plain_products

TWINS = sorted(key for key, found in REGISTRY.items() if found.twin)
SMALL = choose("numba", start=False, small=True)
FILTERS: Filters = concat(ridge([0.0, 1e-6, 0.3]), flow([0.5, np.inf]), steps([1, 40, 2000], 0.7))
EXTREMES = (0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1e308, -1e-200)


def test_some_operations_have_twins() -> None:
    assert {"streams.draws", "spectral.symmetric", "spectral.products"} <= set(TWINS)
    assert SMALL.name == "numba"
    assert not SMALL.compiled
    assert choose("numpy", start=False) == choose("numpy")


@pytest.mark.parametrize("key", TWINS)
def test_a_twin_runs_where_work_is_small(key: str, numba: Backend) -> None:
    found = REGISTRY[key]
    module = importlib.import_module(f"w2s_kernels.{found.kernel}.{found.twin}")
    twin = getattr(module, found.name)
    assert found.on(SMALL) is twin
    assert found.on(numba) is not twin
    assert list(inspect.signature(twin).parameters) == list(inspect.signature(found.plain).parameters)


@pytest.mark.parametrize("key", TWINS)
def test_a_twin_has_the_bits_of_the_compiled_version(key: str, numba: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    want = CASES[key].compute(numba)
    asked, look_up = set(), Operation.on

    def on(self: Operation, chosen: Backend) -> object:
        asked.add(self.key)
        return look_up(self, chosen)

    monkeypatch.setattr(Operation, "on", on)
    got = CASES[key].compute(SMALL)
    assert key in asked
    assert set(got) == set(want)
    for name, values in want.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)


def drawn(seed: int, *shape: int, extremes: bool = False) -> np.ndarray:
    """Draw numbers of many sizes, some of them beyond what arithmetic bears."""
    random = np.random.default_rng([seed, *shape])
    values = random.standard_normal(shape) * 10.0 ** random.integers(-12, 12, shape)
    return np.where(random.random(shape) < 0.1, random.choice(EXTREMES, shape), values) if extremes else values


sizes = st.integers(1, 4)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), items=sizes, filters=sizes, sides=sizes, rank=st.integers(1, 23), extremes=st.booleans())
def test_sums_in_lanes_have_the_compiled_bits(
    numba: Backend, seed: int, items: int, filters: int, sides: int, rank: int, extremes: bool
) -> None:
    response = drawn(seed, items, filters, rank, extremes=extremes)
    coords, first, second = (drawn(seed + k, items, sides, rank, extremes=extremes) for k in (1, 2, 3))
    got, want = (filtered_products(response, coords, first, second, backend) for backend in (SMALL, numba))
    np.testing.assert_array_equal(got, want)
    assert extremes or (np.signbit(got) == np.signbit(want)).all()


def test_lanes_are_no_pairwise_sums() -> None:
    """The order of the sum is what makes the bits: the plain version has others."""
    response, coords = drawn(0, 8, 9, 40), drawn(1, 8, 5, 40)
    found, other = np.empty((3, 8, 5, 9)), np.empty((3, 8, 5, 9))
    products(found, response, coords, 0 * coords, coords)
    plain_products(other, response, coords, 0 * coords, coords)
    np.testing.assert_allclose(found, other, rtol=1e-12)
    assert (found != other).any()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), d=st.integers(1, 30), scale=st.integers(-150, 150))
def test_spectra_and_errors_of_filters_have_the_compiled_bits(numba: Backend, seed: int, d: int, scale: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((3, max(1, d - 2), d))
    grams = np.swapaxes(rows, -1, -2) @ rows * 10.0**scale
    grams = 0.5 * (grams + np.swapaxes(grams, -1, -2))
    small, large = factor_gram(grams, SMALL), factor_gram(grams, numba)
    for name in ("values", "vectors", "rank", "cutoff", "clamped"):
        np.testing.assert_array_equal(getattr(small, name), getattr(large, name), err_msg=name)
    coords, first, second = (drawn(seed + k, 3, 2, d) for k in range(3))
    got, want = (filter_products(small, FILTERS, coords, first, second, backend) for backend in (SMALL, numba))
    np.testing.assert_array_equal(got, want)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(-(2**40), 2**40),
    rows=st.tuples(st.integers(0, 2**20), st.integers(1, 40)),
    cols=st.tuples(st.integers(0, 70), st.integers(1, 40)),
)
def test_streams_have_the_compiled_bits(numba: Backend, seed: int, rows: tuple[int, int], cols: tuple[int, int]) -> None:
    named, spans = w2s_kernels.stream("twin", seed=seed), [(start, start + count) for start, count in (rows, cols)]
    for draw in (w2s_kernels.words, w2s_kernels.uniforms, w2s_kernels.normals):
        got, want = (draw(named, *spans, backend) for backend in (SMALL, numba))
        np.testing.assert_array_equal(got, want, err_msg=draw.__name__)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), counts=st.lists(st.integers(1, 300), min_size=1, max_size=4), d=st.integers(1, 25))
def test_wishart_grams_have_the_compiled_bits(numba: Backend, seed: int, counts: list[int], d: int) -> None:
    order = np.random.default_rng(seed).permutation(d)
    got, want = (wishart.gram(w2s_kernels.stream("twin", seed=seed), counts, d, b, order) for b in (SMALL, numba))
    np.testing.assert_array_equal(got, want)


def test_small_work_starts_no_numba() -> None:
    code = (
        "import sys, numpy as np, w2s_kernels as k\n"
        "b = k.choose('auto', start=False, small=True)\n"
        "k.factor_gram(np.eye(3), b), k.normals(k.stream('a', seed=0), 3, 3, b)\n"
        "assert b.name in ('cupy', 'numpy') or 'numba' not in sys.modules, b\n"
        "print(b.reason)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("auto: ")


def test_a_missing_numba_is_said_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendError, match="numba is not installed"):
        choose("numba", start=False, small=True)
    assert choose("auto", start=False).name == "numpy"
