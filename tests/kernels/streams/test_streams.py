from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textbook import normal_reference, threefry_reference, uniform_reference

from w2s_kernels import NUMPY, Backend, Stream, choose, normals, permutation, stream, uniforms, words
from w2s_kernels.streams.elementary import box_muller, cos_sin_quarter, minus_two_log, unit
from w2s_kernels.streams.threefry import threefry

ONES = (2**64 - 1,) * 4
PI = (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89)
MORE_PI = (0x452821E638D01377, 0xBE5466CF34E90C6C, 0xBE5466CF34E90C6C, 0xC0AC29B7C97C50DD)
KNOWN = [  # counter, key, words: the vectors that the authors of the cipher publish with it
    ((0,) * 4, (0,) * 4, (0x09218EBDE6C85537, 0x55941F5266D86105, 0x4BD25E16282434DC, 0xEE29EC846BD2E40B)),
    (ONES, ONES, (0x29C24097942BBA1B, 0x0371BBFB0F6F4E11, 0x3C231FFA33F83A1C, 0xCD29113FDE32D168)),
    (PI, MORE_PI, (0xA7E8FDE591651BD9, 0xBAAFD0C30138319B, 0x84A5C1A729E685B9, 0x901D406CCEBC1BA4)),
]
KINDS = [words, uniforms, normals]
ROLE = stream("test", "design", seed=3)
SPANS = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda p: (min(p), max(p)))
Kind = Callable[..., Any]
PINNED = Stream((7386109801330172444, 3191967231065948233, 17804445814884734294, 6434265380544027503))


def threefry_of(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """The cipher on arrays of one element."""
    c, k = ([np.array([word], dtype=np.uint64) for word in words] for words in (counter, key))
    return tuple(int(word[0]) for word in threefry((c[0], c[1], c[2], c[3]), (k[0], k[1], k[2], k[3])))


@pytest.mark.parametrize(("counter", "key", "want"), KNOWN)
def test_threefry_known_answers(counter: tuple[int, ...], key: tuple[int, ...], want: tuple[int, ...]) -> None:
    assert threefry_of(counter, key) == want
    assert threefry_reference(counter, key) == want


def test_layout_of_the_counter(backend: Backend) -> None:
    """Column j is word j % 4 of block j // 4, in the counter (block, row, 0, 0)."""
    got = backend.to_numpy(words(ROLE, (5, 8), (0, 12), backend))
    want = [[w for b in range(3) for w in threefry_reference((b, i, 0, 0), ROLE.key)] for i in range(5, 8)]
    assert got.dtype == np.uint64
    np.testing.assert_array_equal(got, np.array(want, dtype=np.uint64))


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


def test_draws_against_the_library_functions() -> None:
    """Uniforms to the bit, normals to a few roundings, of which the reference's angle has one."""
    rows, cols = range(40), range(50)
    np.testing.assert_array_equal(uniforms(ROLE, 40, 50, NUMPY), [[uniform_reference(ROLE, i, j) for j in cols] for i in rows])
    want = np.array([[normal_reference(ROLE, i, j) for j in cols] for i in rows])
    np.testing.assert_allclose(normals(ROLE, 40, 50, NUMPY), want, rtol=8 * np.finfo(float).eps)


def test_elementary_functions_within_two_ulp() -> None:
    rng = np.random.default_rng(0)
    u = np.concatenate([rng.random(20000), 2.0 ** -rng.integers(1, 54, 2000), 1 - 2.0 ** -rng.integers(1, 54, 2000)])
    exact = np.array([-2 * math.log(x) for x in u])
    assert np.max(np.abs(minus_two_log(u) - exact) / np.spacing(exact)) <= 2.5  # half a unit is the library's rounding
    x = np.concatenate([rng.random(20000) - 0.5, [0.5, -0.5], 2.0 ** -rng.integers(2, 53, 2000)])
    cosine, sine = cos_sin_quarter(x)
    assert np.max(np.abs(cosine / np.cos(np.pi / 2 * x) - 1)) <= 3 * np.finfo(float).eps
    assert np.max(np.abs(sine / np.sin(np.pi / 2 * x) - 1)) <= 3 * np.finfo(float).eps


@pytest.mark.parametrize(("word", "u"), [(0, 2.0**-53), (2**64 - 1, 1 - 2.0**-53), (2**63, 0.5 + 2.0**-53)])
def test_uniforms_are_exact_and_inside_the_open_interval(word: int, u: float) -> None:
    assert float(unit(np.array([word], dtype=np.uint64))[0]) == u


def test_the_two_ends_of_the_normals() -> None:
    """The largest radius is beyond eight standard deviations, the smallest is above 0, and all four quarters are there."""
    ends = np.array([0, 2**64 - 1], dtype=np.uint64)
    cosine, sine = box_muller(ends, np.full(2, 2**63, dtype=np.uint64))
    np.testing.assert_allclose(np.hypot(cosine, sine), [math.sqrt(106 * math.log(2)), 2.0**-26], rtol=1e-15)
    quarters = np.array([2**63 + quarter for quarter in range(4)], dtype=np.uint64)
    cosine, sine = box_muller(np.zeros(4, dtype=np.uint64), quarters)
    angle = np.arctan2(sine, cosine) / (np.pi / 2)
    np.testing.assert_allclose(angle, [0, 2, 1, -1], atol=1e-15)


def test_tails_and_centre_of_normals(backend: Backend) -> None:
    """Counts beyond 1, 2, ... 5 standard deviations of 4e6 draws, and Kolmogorov's distance of them all."""
    from scipy import stats

    z = backend.to_numpy(normals(stream("tails", seed=0), 2000, 2000, backend)).ravel()
    for level in range(1, 6):
        expected = z.size * stats.norm.sf(level)
        for count in (np.sum(z > level), np.sum(z < -level)):
            assert abs(count - expected) < 4.5 * math.sqrt(expected)
    assert stats.kstest(z, "norm").pvalue > 1e-4


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


def test_draws_are_pinned(backend: Backend) -> None:
    """Bits of a few draws far inside a stream: whoever changes them changes every stored result."""
    got = backend.to_numpy(normals(PINNED, (10**6, 10**6 + 1), (5, 9), backend))[0]
    assert [z.hex() for z in got.tolist()] == [
        "0x1.676e894aebde4p-1",
        "0x1.81a9d43b95de9p+0",
        "0x1.86d6eb2043c76p-1",
        "0x1.bf249cb3e9bc8p-1",
    ]


def test_every_bit_of_a_word_is_fair_and_alone() -> None:
    """Frequency of each bit, and its agreement with each other bit, with the next word and with the row below."""
    w = words(stream("bits", seed=0), 200, 200, NUMPY)
    bits = ((w[..., None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).astype(np.float64) - 0.5
    flat = 2 * bits.reshape(-1, 64)
    correlation = flat.T @ flat / math.sqrt(len(flat))
    np.fill_diagonal(correlation, 0.0)
    assert np.max(np.abs(flat.sum(axis=0))) / math.sqrt(len(flat)) < 5
    assert np.max(np.abs(correlation)) < 5.5  # of 2016 pairs
    for a, b in ((bits[:, 1:], bits[:, :-1]), (bits[1:], bits[:-1])):
        n = a.size // 64
        assert np.max(np.abs(4 * np.einsum("ijk,ijk->k", a, b))) / math.sqrt(n) < 5


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
