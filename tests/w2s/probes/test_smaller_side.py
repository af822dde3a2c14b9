"""Ridge and minimum-norm fits on the smaller side, against the pseudo-inverse."""

from __future__ import annotations

import numpy as np
import pytest

from w2s.probes.smaller_side import fit_smaller_side
from w2s_kernels import NUMPY


@pytest.mark.parametrize(("n", "d"), [(4, 9), (9, 4), (6, 6), (1, 5), (5, 1), (1, 1)])
@pytest.mark.parametrize("ridge", [0.0, 1e-3, 10.0])
def test_it_is_the_fit(n: int, d: int, ridge: float) -> None:
    rng = np.random.default_rng(n * 10 + d)
    rows, values = rng.standard_normal((n, d)), rng.standard_normal((n, 3))
    left, _, right = np.linalg.svd(rows, full_matrices=False)
    s = np.linalg.svd(rows, compute_uv=False)
    expected = right.T @ ((s / (s**2 + n * ridge))[:, None] * (left.T @ values))
    found, condition = fit_smaller_side(rows, values, ridge, NUMPY)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)
    assert 1.0 <= condition <= (s[0] ** 2 + n * ridge) / (s[-1] ** 2 + n * ridge) * (1 + 1e-9)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_a_singular_side_has_no_answer_without_a_ridge(shape: tuple[int, int]) -> None:
    rows = np.ones(shape)
    found, condition = fit_smaller_side(rows, np.ones((shape[0], 1)), 0.0, NUMPY)
    assert np.isnan(found).all()
    assert not condition < 1e15
    ridged, _ = fit_smaller_side(rows, np.ones((shape[0], 1)), 0.1, NUMPY)
    assert np.isfinite(ridged).all()
