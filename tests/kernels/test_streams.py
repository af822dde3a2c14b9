from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_kernels import NUMPY, Backend, Stream, choose, normals, permutation, stream, uniforms, words
from w2s_kernels.elementary import cos_sin_turns, log
from w2s_kernels.reference import normal_reference, philox_reference
from w2s_kernels.streams import philox

KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
KINDS = [words, uniforms, normals]
ROLE = stream("test", "design", seed=3)
SPANS = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda p: (min(p), max(p)))
Kind = Callable[..., Any]
PINNED = Stream(key=(3682330037, 1070309876), upper=(156662700, 1518401338))


@pytest.mark.parametrize(("counter", "key", "want"), KNOWN)
def test_philox_known_answers(counter: tuple[int, ...], key: tuple[int, int], want: tuple[int, ...]) -> None:
    lanes = philox(tuple(np.array([c], dtype=np.uint64) for c in counter), key)  # type: ignore[arg-type]
    assert tuple(int(lane[0]) for lane in lanes) == want
    assert philox_reference(counter, key) == want


def test_layout_of_the_counter(backend: Backend) -> None:
    """Column j is lane j % 4 of block j // 4, in the counter (block, row, upper words)."""
    got = backend.to_numpy(words(ROLE, (5, 8), (0, 12), backend))
    want = [[w for b in range(3) for w in philox_reference((b, i, *ROLE.upper), ROLE.key)] for i in range(5, 8)]
    assert got.dtype == np.uint32
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "cols"),
    [(3, 7), ((1, 40), (3, 1500)), ((2**32 - 3, 2**32), (2**32 - 9, 2**32)), (0, 4), (4, (5, 5)), (130, 1)],
)
def test_backends_agree_to_the_bit(kind: Kind, rows: Any, cols: Any, backend: Backend) -> None:
    got = backend.to_numpy(kind(ROLE, rows, cols, backend))
    np.testing.assert_array_equal(got, kind(ROLE, rows, cols, NUMPY))


@pytest.mark.parametrize("name", ["numpy", "numba"])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(rows=SPANS, cols=SPANS, origin=st.sampled_from([(0, 0), (1000, 77), (2**32 - 41, 2**32 - 41)]))
def test_any_slice_is_the_slice_of_the_whole(
    kind: Kind, name: str, rows: tuple[int, int], cols: tuple[int, int], origin: tuple[int, int]
) -> None:
    i, j = origin
    whole = kind(ROLE, (i, i + 40), (j, j + 40), NUMPY)
    part = kind(ROLE, (i + rows[0], i + rows[1]), (j + cols[0], j + cols[1]), choose(name))
    np.testing.assert_array_equal(part, whole[slice(*rows), slice(*cols)])


def test_slices_across_the_tiles_of_both_backends(backend: Backend) -> None:
    """Wider than a compiled tile and than a reference chunk of rows."""
    whole = backend.to_numpy(normals(ROLE, 150, 1201, backend))
    part = backend.to_numpy(normals(ROLE, (70, 140), (511, 1200), backend))
    np.testing.assert_array_equal(part, whole[70:140, 511:1200])


def test_normals_against_the_library_functions() -> None:
    got = normals(ROLE, 40, 50, NUMPY)
    want = np.array([[normal_reference(ROLE, i, j) for j in range(50)] for i in range(40)])
    # pi/2 enters once, rounded; where the wave crosses zero that is an absolute error of the angle, not a relative one
    np.testing.assert_allclose(got, want, rtol=4 * np.finfo(float).eps, atol=8 * np.finfo(float).eps)


def test_elementary_functions_within_two_ulp() -> None:
    rng = np.random.default_rng(0)
    u = np.concatenate([rng.random(20000), 2.0 ** -rng.integers(1, 54, 2000), 1 - 2.0 ** -rng.integers(1, 54, 2000)])
    exact = np.array([math.log(x) for x in u])
    assert np.max(np.abs(log(u, np) - exact) / np.spacing(np.abs(exact))) <= 2
    # Angles below an eighth of a turn: there the reference's own rounding of 2 pi v is relative.
    v = rng.random(20000) / 8
    cosine, sine = cos_sin_turns(v, np)
    assert np.max(np.abs(sine / np.sin(2 * np.pi * v) - 1)) <= 4 * np.finfo(float).eps
    assert np.max(np.abs(cosine / np.cos(2 * np.pi * v) - 1)) <= 4 * np.finfo(float).eps


def test_quarter_turns_are_exact() -> None:
    cosine, sine = cos_sin_turns(np.array([0.0, 0.25, 0.5, 0.75]), np)
    np.testing.assert_array_equal(cosine, [1.0, 0.0, -1.0, 0.0])
    np.testing.assert_array_equal(sine, [0.0, 1.0, 0.0, -1.0])


def test_moments_of_normals(backend: Backend) -> None:
    z = backend.to_numpy(normals(stream("moments", seed=0), 2000, 500, backend))
    n = z.size
    bound = 4.5 / math.sqrt(n)
    assert abs(z.mean()) < bound
    assert abs((z**2).mean() - 1) < bound * math.sqrt(2)
    assert abs((z**3).mean()) < bound * math.sqrt(15)
    assert abs((z**4).mean() - 3) < bound * math.sqrt(96)
    neighbours = [z[:, :-1] * z[:, 1:], z[:-1] * z[1:], z[:, ::2] * z[:, 1::2], z[:, :-2] * z[:, 2:]]
    assert all(abs(p.mean()) * math.sqrt(p.size) < 4.5 for p in neighbours)
    squares = (z[:, ::2] ** 2 - 1) * (z[:, 1::2] ** 2 - 1)  # Box-Muller partners: independent, not just uncorrelated
    assert abs(squares.mean()) * math.sqrt(squares.size) < 4.5 * 2


def test_uniforms_fill_the_open_interval(backend: Backend) -> None:
    u = backend.to_numpy(uniforms(stream("uniform", seed=0), 500, 1000, backend))
    assert u.min() > 0
    assert u.max() < 1
    counts = np.bincount((u * 64).astype(int).ravel(), minlength=64)
    chi_squared = ((counts - u.size / 64) ** 2 / (u.size / 64)).sum()
    assert abs(chi_squared - 63) < 4.5 * math.sqrt(2 * 63)


def test_names_seeds_and_order_matter() -> None:
    identities = {
        stream("a", "bc", seed=1),
        stream("ab", "c", seed=1),
        stream("abc", seed=1),
        stream("a", "bc", seed=2),
        stream("a", "bc", seed=-1),
        stream("bc", "a", seed=1),
        stream("a", "bc", "1", seed=1),
        stream(seed=1),
    }
    assert len(identities) == 8
    assert stream("a", seed=np.int64(5)) == stream("a", seed=5)  # type: ignore[arg-type]


def test_identity_is_pinned() -> None:
    """The hash is part of every stored result: a change here is a change of all random numbers."""
    assert stream("weak", "design", seed=0) == PINNED


def test_streams_are_uncorrelated() -> None:
    a, b = (normals(stream("seeds", seed=s), 400, 400, NUMPY) for s in (0, 1))
    assert abs((a * b).mean()) * 400 < 4.5


@settings(max_examples=20, deadline=None)
@given(n=st.integers(0, 300), seed=st.integers(-(2**70), 2**70))
def test_permutation_is_one(n: int, seed: int) -> None:
    shuffled = permutation(stream("split", seed=seed), n, NUMPY)
    assert shuffled.dtype == np.int64
    np.testing.assert_array_equal(np.sort(shuffled), np.arange(n))


def test_permutation_parity_and_first_place(backend: Backend) -> None:
    role = stream("split", seed=1)
    np.testing.assert_array_equal(backend.to_numpy(permutation(role, 999, backend)), permutation(role, 999, NUMPY))
    first = np.array([permutation(stream("split", seed=s), 4, backend)[0] for s in range(400)], dtype=int)
    assert np.all(np.abs(np.bincount(first, minlength=4) - 100) < 4.5 * math.sqrt(400 * 0.25 * 0.75))


@pytest.mark.parametrize("bad", [-1, 2**32 + 1, (3, 2), (0, 1, 2)])
def test_spans_are_checked(bad: Any) -> None:
    with pytest.raises(ValueError, match="rows"):
        words(ROLE, bad, 1, NUMPY)
    with pytest.raises(ValueError, match="cols"):
        words(ROLE, 1, bad, NUMPY)


def test_wrong_names_and_seeds_are_refused() -> None:
    with pytest.raises(TypeError, match="strings"):
        stream("a", 3, seed=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        stream("a", seed=1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bool"):
        stream("a", seed=True)
