"""Definitions of gain, misfit, PGR and the rest, by hand values and identities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from w2s.measure import metrics

NUMBERS = st.floats(-1e3, 1e3, allow_nan=False, width=32)


def arrays(n: int = 4, k: int = 3) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, (2, n, k), elements=NUMBERS)


def test_gain_pgr_opr_known_values():
    weak, student, ceiling = [0.4, 0.4, 0.4], [0.3, 0.5, 0.1], [0.2, 0.2, 0.2]
    value, status = metrics.pgr(weak, student, ceiling)
    np.testing.assert_allclose(metrics.gain(weak, student), [0.1, -0.1, 0.3])
    np.testing.assert_allclose(value, [0.5, -0.5, 1.5])
    assert status.tolist() == ["ok"] * 3
    np.testing.assert_allclose(metrics.opr([0.6, 0.2], [0.3, 0.4]), [2.0, 0.5])


def test_pgr_statuses_and_nan_only_there():
    weak = [0.4, 0.2, 0.1, np.nan, 0.4, np.inf]
    ceiling = [0.2, 0.2, 0.3, 0.1, np.nan, 0.1]
    value, status = metrics.pgr(weak, 0.15, ceiling)
    assert status.tolist() == ["ok", "gap_nonpositive", "gap_nonpositive", "nonfinite", "nonfinite", "nonfinite"]
    np.testing.assert_array_equal(np.isnan(value), status != "ok")


def test_pgr_overflow_is_a_status_not_infinity():
    value, status = metrics.pgr_from_gap([1.0, 1.0], [5e-324, 0.5])
    assert status.tolist() == ["nonfinite", "ok"]
    assert np.isnan(value[0])
    assert value[1] == 2.0


def test_pgr_scalar_has_scalar_shape():
    value, status = metrics.pgr(0.4, 0.3, 0.2)
    assert value.shape == status.shape == ()
    assert (float(value), str(status)) == (pytest.approx(0.5), "ok")


def test_opr_is_nan_where_undefined():
    assert np.isnan(metrics.opr([1.0, 1.0, np.nan, np.inf], [0.0, -1.0, 1.0, 1.0])).all()


def test_squared_error_sums_outputs_and_averages_items():
    pred = np.array([[1.0, 2.0], [3.0, 4.0]])
    truth = np.array([[0.0, 0.0], [3.0, 1.0]])
    assert float(metrics.squared_error(pred, truth)) == (1 + 4 + 0 + 9) / 2
    assert float(metrics.misfit(pred, truth)) == float(metrics.pred_gap(pred, truth)) == 7.0
    assert metrics.squared_error(np.stack([pred, truth]), truth).tolist() == [7.0, 0.0]


def test_squared_error_runs_in_float64():
    rows = np.full((1_000_000, 1), 0.1, dtype=np.float32)
    expected = float(np.float32(0.1)) ** 2
    assert float(metrics.squared_error(rows, np.zeros_like(rows))) == pytest.approx(expected, rel=1e-12)


def test_nonfinite_predictions_are_data():
    pred = np.array([[np.inf], [1.0]])
    assert np.isinf(metrics.squared_error(pred, np.zeros((2, 1))))
    assert np.isnan(metrics.squared_error(pred, pred))


@pytest.mark.parametrize(("first", "second"), [((3,), (3,)), ((3, 1), (3, 2)), ((0, 2), (0, 2)), ((3, 2), (4, 2))])
def test_shapes_are_never_stretched(first, second):
    with pytest.raises(ValueError, match="predictions must"):
        metrics.squared_error(np.zeros(first), np.zeros(second))


@given(arrays(), arrays(), arrays())
def test_gain_minus_misfit_is_the_cross_term(student, weak, truth):
    gain = metrics.gain(metrics.squared_error(weak, truth), metrics.squared_error(student, truth))
    scale = sum(float(np.square(item).sum()) for item in (student, weak, truth))
    difference = gain - metrics.misfit(student, weak) - metrics.cross_term(student, weak, truth)
    assert np.abs(difference).max() <= 1e-13 * scale + 1e-300


@given(arrays(), arrays(), st.floats(0.1, 100.0))
def test_squared_error_scales_and_is_symmetric(first, second, scale):
    base = metrics.misfit(first, second)
    np.testing.assert_array_equal(base, metrics.misfit(second, first))
    np.testing.assert_allclose(metrics.misfit(scale * first, scale * second), scale**2 * base, rtol=1e-9, atol=1e-9)


@given(
    hnp.arrays(np.float64, 5, elements=st.floats(0.5, 2.0)),
    hnp.arrays(np.float64, 5, elements=st.floats(0.0, 2.0)),
    st.sampled_from([0.25, 2.0, 1024.0]),
)
def test_pgr_does_not_depend_on_the_unit(weak, student, unit):
    first, status = metrics.pgr(weak, student, 0.25)
    second, _ = metrics.pgr(unit * weak, unit * student, unit * 0.25)
    assert (status == "ok").all()
    np.testing.assert_array_equal(first, second)


def test_projection_has_gain_at_least_misfit():
    rng = np.random.default_rng(5)
    basis, _ = np.linalg.qr(rng.standard_normal((50, 8)))
    truth, weak = basis @ rng.standard_normal((8, 2)), rng.standard_normal((50, 2))
    student = basis @ (basis.T @ weak)
    assert abs(float(metrics.cross_term(student, weak, truth))) < 1e-12  # orthogonal projection: exactly equal


def test_zero_one_error_and_ties():
    scores = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])
    assert float(metrics.zero_one_error(scores, np.array([1, 0, 0, 1]))) == 0.25  # a tie is class 0
    both = np.stack([scores, -scores])
    assert metrics.zero_one_error(both, np.array([1, 0, 0, 1])).tolist() == [0.25, 0.75]


def test_zero_one_error_nan_is_nan():
    scores = np.zeros((2, 3, 2))
    scores[1, 2, 0] = np.nan
    result = metrics.zero_one_error(scores, np.array([0, 0, 1]))
    assert result[0] == pytest.approx(1 / 3)
    assert np.isnan(result[1])


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((3, 1)), [0, 0, 0], "k >= 2"),
        (np.zeros((3, 2)), [0, 0], "labels must be 3 integers"),
        (np.zeros((3, 2)), [0.0, 1.0, 0.0], "labels must be 3 integers"),
        (np.zeros((3, 2)), [0, 2, 0], "labels span 0..2"),
        (np.zeros((3, 2)), [-1, 1, 0], "labels span -1..1"),
    ],
)
def test_zero_one_error_refuses(scores, labels, message):
    with pytest.raises(ValueError, match=message):
        metrics.zero_one_error(scores, np.array(labels))


def test_agreement_and_disagreement():
    first = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.2, 0.2, 0.1]])
    second = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.3, 0.1, 0.1]])
    assert float(metrics.disagreement(first, second)) == 0.25
    assert np.isnan(metrics.disagreement(first * np.nan, second))
    with pytest.raises(ValueError, match="4 and 3 items"):
        metrics.disagreement(first, second[:3])


@given(hnp.arrays(np.float64, (6, 3), elements=NUMBERS), hnp.arrays(np.float64, (6, 3), elements=NUMBERS))
def test_disagreement_bounds_the_difference_of_errors(first, second):
    labels = np.arange(6) % 3
    difference = metrics.zero_one_error(first, labels) - metrics.zero_one_error(second, labels)
    assert abs(float(difference)) <= float(metrics.disagreement(first, second)) + 1e-15
