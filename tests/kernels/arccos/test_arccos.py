"""Population Grams of random features: against quadrature in exact arithmetic's stead, Monte-Carlo inputs, and each other."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from problems import close

from w2s_kernels import NUMPY, Backend, choose
from w2s_kernels.arccos import arccos_gram, linear_gram
from w2s_kernels.arccos.plain import SERIES, SERIES_BELOW, arc_cosine

EPS = float(np.finfo(np.float64).eps)


def unit(rng: np.random.Generator, m: int, d: int) -> np.ndarray:
    rows = rng.standard_normal((m, d))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def gram(u: np.ndarray, v: np.ndarray | None, backend: Backend) -> np.ndarray:
    return np.asarray(backend.to_numpy(arccos_gram(u, v, backend=backend)))


def test_monte_carlo_inputs_have_these_moments(backend: Backend) -> None:
    rng = np.random.default_rng(1)
    u, d = unit(rng, 6, 5), 5
    x = unit(rng, 1_000_000, d)
    features = np.maximum(x @ u.T, 0.0)
    wanted = features.T @ features / len(x)
    got = gram(u, None, backend)
    errors = np.sqrt(np.maximum((features**2).T @ features**2 / len(x) - wanted**2, 0) / len(x))
    assert (np.abs(got - wanted) <= 4.5 * errors).all()
    assert (np.abs(got - wanted) <= 0.01 * np.diag(wanted).mean()).all()
    # The nearest wrong formula, without the arc cosine's complement, is far away.
    r = u @ u.T
    wrong = (np.sqrt(np.maximum(1 - r**2, 0)) + r * np.arccos(np.clip(r, -1, 1))) / (2 * np.pi * d)
    assert (np.abs(wrong - wanted) > 20 * errors).any()


def test_known_angles(backend: Backend) -> None:
    u = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [3.0, 3.0]])
    got = gram(u, None, backend) * 4 * np.pi
    root = np.sqrt(0.5)
    sixty = np.sqrt(18) * (root + root * 3 * np.pi / 4)
    back = np.sqrt(18) * (root - root * np.pi / 4)
    wanted = [[np.pi, 1, 0, sixty], [1, np.pi, 1, sixty], [0, 1, np.pi, back], [sixty, sixty, back, 18 * np.pi]]
    np.testing.assert_allclose(got, wanted, rtol=1e-14, atol=0)


def test_a_gram_with_itself_is_symmetric_and_exact_on_the_diagonal(backend: Backend) -> None:
    rng = np.random.default_rng(2)
    u = rng.standard_normal((1300, 7))  # several tiles, the last ones cut short
    u[3] = u[900] * (1 + 1e-9)
    u[4] = -u[901]
    got = gram(u, None, backend)
    assert (got == got.T).all()
    np.testing.assert_allclose(np.diag(got), np.sum(u * u, axis=1) / 14, rtol=4 * EPS)
    close(got, gram(u, u.copy(), backend), 1e-14)
    assert np.linalg.eigvalsh(got)[0] > -1e-12


def test_a_slice_is_the_gram_of_the_slice(backend: Backend) -> None:
    rng = np.random.default_rng(3)
    u, v = rng.standard_normal((700, 4)), rng.standard_normal((300, 4))
    whole = gram(u, v, backend)
    assert whole.shape == (700, 300)
    close(whole[100:433, 7:290], gram(u[100:433], v[7:290], backend), 1e-14)


@pytest.mark.parametrize("name", ["numba", pytest.param("cupy", marks=pytest.mark.gpu)])
def test_compiled_equals_reference(name: str) -> None:
    try:
        backend = choose(name)
    except Exception as error:
        pytest.skip(str(error))
    r = np.concatenate([[-1.0, 1.0, 0.0, -0.0, 0.5, -0.5], np.linspace(-1, 1, 20_001), -np.cos(np.geomspace(1e-8, 3, 4001))])
    u = np.array([[1.0, 0.0]])
    v = np.stack([r, np.sqrt((1 - r) * (1 + r))], axis=1)
    assert np.abs(gram(u, v, backend) - gram(u, v, NUMPY)).max() <= 4 * EPS * 0.25
    assert np.abs(gram(v[:5000], None, backend) - gram(v[:5000], None, NUMPY)).max() <= 4 * EPS * 0.25


def test_near_the_ends_nothing_is_lost() -> None:
    # g = sin e - e cos e with e the angle from -u; in extended precision where NumPy has it.
    e = np.geomspace(1e-3, 3.0, 400).astype(np.longdouble)
    r = -np.cos(e)
    float_r = r.astype(np.float64)
    angle = np.arccos(-float_r.astype(np.longdouble))
    terms = [(-1) ** n * 2 * (n + 1) / np.prod(np.arange(1, 2 * n + 4, dtype=np.longdouble)) for n in range(12)]
    series = sum(t * angle ** (2 * n + 3) for n, t in enumerate(terms))
    exact = np.where(angle < 0.5, series, np.sin(angle) - angle * np.cos(angle))
    found = arc_cosine(float_r, np)
    relative = np.abs((found - exact) / exact).astype(np.float64)
    assert relative.max() < 5e-14
    assert (found >= 0).all()
    assert arc_cosine(np.array([-1.0, 1.0]), np).tolist() == [0.0, np.pi]
    naive = np.sqrt(1 - float_r**2) + float_r * (np.pi - np.arccos(float_r))
    assert np.abs((naive - exact) / exact).max() > 1e-9


def test_the_series_meets_the_closed_form() -> None:
    e = SERIES_BELOW
    series = e**3 * sum(c * e ** (2 * n) for n, c in enumerate(SERIES))
    assert series == pytest.approx(np.sin(e) - e * np.cos(e), rel=1e-13)


def test_nothing_of_the_size_of_the_result_is_made_beside_it(backend: Backend) -> None:
    if backend.name == "cupy":
        pytest.skip("counts host memory")
    u = unit(np.random.default_rng(6), 2048, 8)
    gram(u[:600], None, backend)  # compiles
    tracemalloc.start()
    got = gram(u, None, backend)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert got.nbytes <= peak < 1.4 * got.nbytes


def test_lengths_scale_and_zero_is_zero(backend: Backend) -> None:
    rng = np.random.default_rng(4)
    u, v = unit(rng, 30, 3), unit(rng, 20, 3)
    a, b = rng.uniform(1e-8, 1e8, 30), rng.uniform(1e-3, 1e3, 20)
    scaled = gram(u * a[:, None], v * b[:, None], backend)
    np.testing.assert_allclose(scaled, gram(u, v, backend) * np.outer(a, b), rtol=1e-12)
    u[4] = 0.0
    got = gram(u, None, backend)
    assert (got[4] == 0).all()
    assert np.isfinite(got).all()


def test_linear_features_are_inner_products(backend: Backend) -> None:
    rng = np.random.default_rng(5)
    u, v, scales = rng.standard_normal((40, 9)), rng.standard_normal((17, 9)), rng.uniform(0, 2, 9)
    close(backend.to_numpy(linear_gram(u, v, scales=scales, backend=backend)), u @ np.diag(scales) @ v.T, 1e-14)
    own = backend.to_numpy(linear_gram(u, scales=scales, backend=backend))
    assert (own == own.T).all()
    close(own, u @ np.diag(scales) @ u.T, 1e-14)


@pytest.mark.parametrize(
    ("u", "v", "message"),
    [
        (np.ones(3), None, r"u must have shape \(rows, d\)"),
        (np.ones((3, 0)), None, "d >= 1"),
        (np.ones((3, 2)), np.ones((3, 4)), "same number of columns"),
        (np.array([[1.0, np.nan]]), None, "u has 1 non-finite values"),
        (np.ones((1, 2)), np.array([[np.inf, 0.0]]), "v has 1 non-finite values"),
    ],
)
def test_wrong_weights_are_refused(u: np.ndarray, v: np.ndarray | None, message: str, backend: Backend) -> None:
    with pytest.raises(ValueError, match=message):
        arccos_gram(u, v, backend=backend)


def test_empty_grams_are_empty(backend: Backend) -> None:
    assert gram(np.ones((0, 3)), None, backend).shape == (0, 0)
    assert gram(np.ones((2, 3)), np.ones((0, 3)), backend).shape == (2, 0)
