from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from problems import close
from textbook import chi_square_reference, wishart_reference
from threadpoolctl import threadpool_limits

from w2s_kernels import NUMPY, Backend, stream, wishart
from w2s_kernels.wishart import quantiles

LOWEST, HIGHEST = 2.0**-54, 1 - 2.0**-53
LEVELS = np.array([LOWEST, 2.0**-40, 1e-8, 1e-3, 0.3, 0.5, 0.7, 0.89, 0.91, 0.999, 1 - 1e-8, HIGHEST])
ROLE = stream("tests", "wishart", seed=0)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Blocks compute on one thread; many small BLAS calls on two would also wait for a busy core."""
    with threadpool_limits(1):
        yield


def tails_error(df: float, u: float, x: float) -> float:
    """Relative error of the smaller tail probability at x."""
    lower, upper = chi_square_reference(x, df)
    return abs(lower / u - 1) if u < 0.5 else abs(upper / (1 - u) - 1)


@pytest.mark.parametrize("df", [1e4, 99999.0, 1e5, 1e6, 1e7, 1e9, 1e12])
def test_large_quantiles_have_the_right_tails(df: float) -> None:
    rounding = 1e-13 + 10 * np.finfo(float).eps * math.sqrt(df)  # of x itself, in standard deviations
    for u, x in zip(LEVELS, wishart.chi_square(LEVELS, df), strict=True):
        assert tails_error(df, float(u), float(x)) < rounding
    normal = df + math.sqrt(2 * df) * -5.612001244174789
    assert tails_error(df, 1e-8, normal) > 1e6 * rounding or df > 1e9


def test_small_quantiles_against_closed_forms() -> None:
    one, two, four = wishart.chi_square(LEVELS[:, None], [1.0, 2.0, 4.0]).T
    np.testing.assert_allclose(two, -2 * np.log1p(-LEVELS), rtol=1e-14)
    np.testing.assert_allclose([math.erf(math.sqrt(x / 2)) for x in one[:6]], LEVELS[:6], rtol=1e-14)
    np.testing.assert_allclose([math.erfc(math.sqrt(x / 2)) for x in one[6:]], 1 - LEVELS[6:], rtol=1e-13)
    np.testing.assert_allclose(np.exp(-four / 2) * (1 + four / 2), 1 - LEVELS, rtol=2e-14)


def test_quantiles_meet_where_the_method_changes() -> None:
    """A jump of 1e-11 of the quantile between the two methods would show in the second difference along df."""
    u = np.linspace(1e-9, 1 - 1e-9, 1001)
    x = wishart.chi_square(u, quantiles.EXPANSION_FROM + np.arange(-2.0, 2.0)[:, None])
    assert (np.diff(x, axis=1) > 0).all()
    assert np.abs(np.diff(x, 2, axis=0)).max() < 1e-6


@pytest.mark.parametrize("df", [64, 72, 150, 300, 2000])
def test_quantiles_of_even_degrees_have_the_tails_of_a_poisson_law(df: int) -> None:
    """P(chi2_2a > 2h) = P(Poisson(h) < a), a sum of positive terms."""
    for u, x in zip(LEVELS, wishart.chi_square(LEVELS, float(df)), strict=True):
        h, a = float(x) / 2, df // 2
        counts = range(a) if u > 0.5 else range(a, a + 400 + int(4 * h))
        tail = math.fsum(math.exp(k * math.log(h) - h - math.lgamma(k + 1)) for k in counts)
        assert abs(tail / (1 - u if u > 0.5 else u) - 1) < 3e-12


def test_one_step_reaches_what_the_inverse_function_gives() -> None:
    """Where a step is taken, where it is refused as too large (far tails at few degrees), and below the first degree with one."""
    from scipy.special import gammaincinv

    df = np.array([63.0, 64.0, 71.0, 150.0, 1024.0, 16384.0, 99999.0])
    u = np.concatenate([LEVELS, np.linspace(1e-3, 1 - 1e-3, 501)])[:, None]
    found = wishart.chi_square(u, df)
    np.testing.assert_allclose(found, 2 * gammaincinv(df / 2, u), rtol=1e-14)
    assert all(wishart.chi_square(float(u[k, 0]), degrees) == found[k, at] for k in (0, 9) for at, degrees in enumerate(df))


def test_expansion_converges_at_its_order() -> None:
    """What is left out is z-even of order n^-3 and z-odd of order n^-7/2: one wrong coefficient would leave a lower one."""
    from scipy.special import gammaincinv, ndtr, ndtri

    z = ndtri(np.array([0.16, 0.1, 0.05]))
    even, odd = [], []
    for n in (np.float64(100.0), np.float64(300.0)):
        low, high = (quantiles._cornish_fisher(s * z, n) - 2 * gammaincinv(n / 2, ndtr(s * z)) for s in (1, -1))
        even.append(np.abs(low + high))
        odd.append(np.abs(high - low))
    np.testing.assert_allclose(even[0] / even[1], 3.0**3, rtol=0.02)
    np.testing.assert_allclose(odd[0] / odd[1], 3.0**3.5, rtol=0.02)


@pytest.mark.parametrize("n", [1, 3, 6, 12, 5000, 10**6])
def test_against_the_textbook(n: int, backend: Backend) -> None:
    got = backend.to_numpy(wishart.factor(ROLE, [n], 6, backend))[0]
    close(got, wishart_reference(ROLE, n, 6), 2e-15)


def test_every_backend_has_the_same_bits(backend: Backend) -> None:
    counts = [3, 40, 10**4, 10**9]
    got = backend.to_numpy(wishart.factor(ROLE, counts, 150, backend))
    np.testing.assert_array_equal(got, wishart.factor(ROLE, counts, 150, NUMPY))


def test_an_element_depends_on_its_own_place_alone(backend: Backend) -> None:
    whole = backend.to_numpy(wishart.factor(ROLE, [5, 10**5, 70, 10**9], 131, backend))
    for d in (1, 2, 64, 65, 130):
        np.testing.assert_array_equal(backend.to_numpy(wishart.factor(ROLE, [70], d, backend))[0], whole[2, :d, :d])
    np.testing.assert_array_equal(backend.to_numpy(wishart.factor(ROLE, [10**9, 5], 131, backend)), whole[[3, 0]])


def test_shape_of_a_factor() -> None:
    R = wishart.factor(ROLE, [4, 7, 8, 10**9], 7, NUMPY)
    assert (np.tril(R, -1) == 0).all()
    assert (R[0, 4:] == 0).all()
    assert (R[0, :4].diagonal() > 0).all()
    assert (np.diff(R[1:].diagonal(axis1=1, axis2=2), axis=0) > 0).all(), "coupled counts: more data, larger pivots"
    strict = np.triu(R, 1)
    np.testing.assert_array_equal(strict[1:], np.broadcast_to(strict[1], strict[1:].shape))
    close(R[3].T @ R[3] / 1e9, np.eye(7), 5e-4)
    assert np.linalg.matrix_rank(R[0].T @ R[0]) == 4


N, D, SAMPLES = 12, 5, 4000


def sampled() -> np.ndarray:
    return np.stack([wishart.factor(stream("law", seed=s), [N, N - 1], D, NUMPY) for s in range(SAMPLES)])


def second_moments(R: np.ndarray) -> np.ndarray:
    return np.swapaxes(R, -1, -2) @ R


def worst(W: np.ndarray) -> float:
    """Bonferroni-corrected p-value of the sample W (samples, D, D) being Wishart_D(N, I), over sixty-odd statistics."""
    from scipy import stats
    from scipy.special import digamma, polygamma

    rng = np.random.default_rng(5)
    X = rng.standard_normal((SAMPLES, N, D))
    explicit = np.swapaxes(X, -1, -2) @ X
    p = []
    turned = np.linalg.qr(rng.standard_normal((D, D)))[0]
    inverse, rotated = np.linalg.inv(W), turned.T @ W @ turned
    values, vectors = np.linalg.eigh(W)
    expected = np.linalg.eigvalsh(explicit)
    haar = stats.beta(0.5, (D - 1) / 2).cdf
    for i in range(D):
        p.append(stats.kstest(W[:, i, i], stats.chi2(N).cdf).pvalue)
        p.append(stats.kstest(rotated[:, i, i], stats.chi2(N).cdf).pvalue)
        p.append(stats.kstest(1 / inverse[:, i, i], stats.chi2(N - D + 1).cdf).pvalue)
        p.append(stats.ks_2samp(values[:, i], expected[:, i]).pvalue)
        p.append(stats.kstest(vectors[:, i, -1] ** 2, haar).pvalue)
        for j in range(i):
            p.append(stats.ks_2samp(W[:, i, j], explicit[:, i, j]).pvalue)
            p.append(stats.spearmanr(W[:, i, i], W[:, j, j]).pvalue)
            p.append(stats.spearmanr(W[:, j, j], W[:, i, j] ** 2 / W[:, j, j]).pvalue)
    logdet = np.linalg.slogdet(W)[1]
    half = (N - np.arange(D)) / 2
    z = (logdet.mean() - np.sum(digamma(half) + np.log(2))) / np.sqrt(np.sum(polygamma(1, half)) / SAMPLES)
    p.append(2 * stats.norm.sf(abs(z)))
    p.append(stats.ks_2samp(logdet, np.linalg.slogdet(explicit)[1]).pvalue)
    p.append(stats.ttest_1samp(np.sum(W**2, axis=(1, 2)), N * D * (N + D + 1)).pvalue)
    return min(1.0, min(p) * len(p))


def with_degrees(R: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """The same factors with other degrees of freedom on the diagonal."""
    from scipy.stats import chi2

    at = np.arange(D)
    changed = R.copy()
    changed[:, at, at] = np.sqrt(chi2.ppf(chi2.cdf(R[:, at, at] ** 2, N - at), degrees))
    return changed


def test_law_with_power_against_near_misses() -> None:
    both = sampled()
    R = both[:, 0]
    assert worst(second_moments(R)) > 0.01
    order = N - np.arange(D)
    wrong = {
        "one degree of freedom too few": both[:, 1],
        "one too few on the last row only": with_degrees(R, order - (np.arange(D) == D - 1)),
        "degrees of freedom in reverse": with_degrees(R, order[::-1]),
        "n everywhere": with_degrees(R, np.full(D, N)),
        "transposed": np.swapaxes(R, -1, -2),
        "degrees of freedom of the first two rows swapped": with_degrees(R, order[[1, 0, 2, 3, 4]]),
        "normals with their sign lost": np.abs(R),
    }
    for name, factors in wrong.items():
        assert worst(second_moments(factors)) < 1e-6, name


def test_diagonal_bits_shared_with_the_triangle_would_be_noticed() -> None:
    """Uniforms read at (i, i) of the stream feed the normal at (i, i + 1) too: the reason for a row of their own."""
    from scipy.stats import chi2

    from w2s_kernels import uniforms

    R = sampled()[:, 0]
    at = np.arange(D)
    shared = np.stack([uniforms(stream("law", seed=s), D, D, NUMPY).diagonal() for s in range(SAMPLES)])
    R[:, at, at] = np.sqrt(chi2.ppf(shared, N - at))
    assert worst(second_moments(R)) < 1e-6


def test_what_makes_no_sense_is_refused() -> None:
    for counts in ([], [0], [5, -1], [2**53 + 1]):
        with pytest.raises(ValueError, match="counts"):
            wishart.factor(ROLE, counts, 3, NUMPY)
    with pytest.raises(TypeError):
        wishart.factor(ROLE, [2.5], 3, NUMPY)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="d must be"):
        wishart.factor(ROLE, [3], 0, NUMPY)
