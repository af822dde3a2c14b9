from __future__ import annotations

import math

import numpy as np
import pytest

from w2s_kernels import NUMPY, Backend, Filters, Spectrum, concat, flow, response, ridge, steps

S = np.array([4.0, 1.0, 1e-3, 1e-12, 1e-300, 0.0])


def diagonal(values: np.ndarray, backend: Backend = NUMPY, rank: int | None = None) -> Spectrum:
    """Spectrum with the given eigenvalues, made by hand so that the responses are tested alone."""
    xp, d = backend.xp, len(values)
    kept = int(np.count_nonzero(values)) if rank is None else rank
    none = xp.asarray(0)
    s = xp.asarray(values)
    return Spectrum(s, xp.eye(d), xp.asarray(kept), xp.asarray(0.0), none, "gram", none > 0)


def respond(filters: Filters, backend: Backend, values: np.ndarray = S, rank: int | None = None) -> np.ndarray:
    return np.asarray(backend.to_numpy(response(diagonal(values, backend, rank), filters, backend)))


def test_a_list_of_filters_is_a_value() -> None:
    both = concat(ridge([0.0, 1.0]), steps([3], 0.1))
    assert len(both) == 3
    assert both[1] == ridge(1.0)
    assert both[1:] == concat(ridge(1.0), steps(3, 0.1))
    assert hash(both[:2]) == hash(ridge([-0.0, 1]))
    assert both != ridge([0.0, 1.0])
    with pytest.raises(ValueError, match="read-only"):
        both.value[0] = 2.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ridge([-1.0]), "ridge takes numbers >= 0, got -1"),
        (lambda: flow([np.nan]), "flow takes numbers >= 0"),
        (lambda: steps([1.5], 0.1), "steps takes whole numbers"),
        (lambda: steps([1], 0.0), "step sizes"),
        (lambda: steps([1], np.inf), "step sizes"),
        (lambda: steps([np.inf], 0.1), "steps takes whole"),
        (lambda: ridge([[1.0]]), "flat list"),
        (concat, "at least one"),
    ],
)
def test_wrong_filters_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_ridge_response(backend: Backend) -> None:
    got = respond(ridge([0.5, 1e-300, np.inf]), backend)
    np.testing.assert_allclose(got[0], 1 / (S + 0.5), rtol=1e-15)
    np.testing.assert_allclose(got[1], 1 / (S + 1e-300), rtol=1e-15)
    np.testing.assert_array_equal(got[2], 0.0)


def test_minimum_norm_leaves_out_what_is_below_the_rank(backend: Backend) -> None:
    got = respond(concat(ridge(0.0), flow(np.inf)), backend, rank=3)
    want = [0.25, 1.0, 1e3, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(got, [want] * 2, rtol=1e-15)


def test_flow_response_does_not_cancel(backend: Backend) -> None:
    times = [0.0, 1e-20, 2.0, 1e15, 1e299]
    want = [[t if s == 0 else -math.expm1(-t * s) / s if t * s > 1e-290 else t for s in S] for t in times]
    np.testing.assert_allclose(respond(flow(times), backend), want, rtol=5e-15)


@pytest.mark.parametrize("eta", [1e-3, 0.2, 0.25, 0.3, 0.49])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_steps_response_is_a_polynomial(eta: float, count: int, backend: Backend) -> None:
    """Sum_{j < k} eta (1 - eta s)^j: the same number without any division."""
    want = sum((eta * (1 - eta * S) ** j for j in range(count)), np.zeros_like(S))
    np.testing.assert_allclose(respond(steps(count, eta), backend)[0], want, rtol=1e-13)


def test_steps_at_the_edge_and_beyond(backend: Backend) -> None:
    s = np.array([2.0, 1.0, 0.5])
    got = respond(steps([0, 1, 2, 3], 1.0), backend, s)
    np.testing.assert_array_equal(got[:, 0], [0.0, 1.0, 0.0, 1.0])  # eta s = 2: swings, never grows
    np.testing.assert_array_equal(got[:, 1], [0.0, 1.0, 1.0, 1.0])
    over = respond(steps([0, 1, 8], 1.0), backend, np.array([2.5, 1.0]))
    assert over[0, 0] == 0.0
    assert np.isinf(over[1:, 0]).all()
    np.testing.assert_array_equal(over[1:, 1], 1.0)


def test_steps_near_two_do_not_cancel(backend: Backend) -> None:
    """Near eta s = 2 the even powers leave 1 - (1 - u)^k = k u - ...: exact to first order at u = 2**-40."""
    u = 2.0**-40
    got = respond(steps([2, 4], 1.0), backend, np.array([2.0 - u]))[:, 0] * (2.0 - u)
    np.testing.assert_allclose(got, [2 * u - u**2, 4 * u - 6 * u**2], rtol=1e-14)


def test_many_small_steps_are_the_flow(backend: Backend) -> None:
    errors = [
        np.abs(respond(steps(round(2 / eta), eta), backend) / respond(flow(2.0), backend) - 1).max()
        for eta in (1e-3, 1e-4, 1e-5)
    ]
    assert errors[2] < 3e-5
    np.testing.assert_allclose(np.array(errors[:-1]) / errors[1:], 10, rtol=0.05)


def test_monotone_limits(backend: Backend) -> None:
    lambdas, times = np.geomspace(1e-6, 1e9, 40), np.geomspace(1e-6, 1e9, 40)
    assert (np.diff(respond(ridge(lambdas), backend), axis=0) <= 0).all()
    assert (np.diff(respond(flow(times), backend), axis=0) >= -1e-12 * respond(flow(times[1:]), backend)).all()
    np.testing.assert_allclose(respond(ridge(1e9), backend) * 1e9, 1.0, rtol=1e-8)


def test_scaling_law(backend: Backend) -> None:
    """Scaling s by c: ridge c lambda, time t/c, step eta/c give 1/c the response, to the bit for a power of two."""
    c = 2.0**20
    here = respond(concat(ridge([0, 0.3]), flow([5.0]), steps([6], 0.3)), backend)
    there = respond(concat(ridge([0, 0.3 * c]), flow([5.0 / c]), steps([6], 0.3 / c)), backend, S * c)
    np.testing.assert_array_equal(there * c, here)


def test_backends_agree_over_extreme_values(backend: Backend) -> None:
    lots = concat(
        ridge([0, 1e-300, 1e-20, 1, 1e300, np.inf]),
        flow([0, 1e-300, 1e-9, 1, 1e20, 1e300, np.inf]),
        steps([0, 1, 2, 10**6, 10**15], [1.0, 0.5, 0.499, 1e-8, 1e-15]),
    )
    for values in (S, S * 1e-150, S * 1e150, np.zeros(3)):
        want = respond(lots, NUMPY, values)
        np.testing.assert_allclose(respond(lots, backend, values), want, rtol=2e-14)


def test_equivalent_ridge() -> None:
    lots = concat(ridge([0.5]), flow([4.0, np.inf, 0.0]), steps([10], 0.1))
    np.testing.assert_array_equal(lots.equivalent_ridge(), [0.5, 0.25, 0.0, np.inf, 1.0])
