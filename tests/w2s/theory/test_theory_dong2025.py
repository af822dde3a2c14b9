"""Closed forms against the numbers of the paper, and against each other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from w2s.laws.gaussian import Geometry
from w2s.measure import metrics
from w2s.theory import dong2025 as theory

DOMAINS = {
    "in_sample_variance_student": ((40, 20, 10, 80, 60, 1.0), (40, 20, 10, 41, 60, 1.0)),
    "fresh_variance_student": ((40, 20, 10, 80, 60, 1.0), (40, 20, 10, 80, 21, 1.0)),
}
PAPER = [
    # d_weak, d_strong, d_overlap, n, N, in-sample, fresh
    (40, 20, 10, 80, 60, 0.51282, 0.65089),
    (40, 20, 6.55, 100, 200, 0.16771, 0.17436),
    (40, 20, 20, 100, 200, 0.37288, 0.37686),
    (40, 20, 0, 60, 100, 0.42105, 0.53298),
]
COUNTS = np.array([110, 200, 400, 1000, 4000, 20_000])
SCALING = {
    0.001: ([0.889, 0.896, 0.909, 0.940, 0.975, 0.644], [0.68, 2.87, 3.46, 3.20, 1.84, 0.55]),
    0.01: ([0.886, 0.866, 0.821, 0.706, 0.393, 0.108], [0.64, 2.14, 1.82, 1.00, 0.29, 0.06]),
}


def errors(geometry: Geometry, **fields: Any) -> dict[str, Any]:
    defaults = {"noise": 1.0, "evaluate": "fresh", "risk": "excess", "ceiling": "labeled+transfer"}
    fields = {name: np.asarray(value) for name, value in (defaults | fields).items()}
    shape = {name: getattr(geometry, name) for name in ("d_weak", "d_strong", "d_overlap", "signal", "rho_weak", "rho_strong")}
    return theory.errors(**shape, products=np.array(theory.target_products(geometry)), **fields)


def scaling(rho_weak: float, n_labeled: Any, n_transfer: Any = 4000, d_overlap: float = 10) -> tuple[Any, Any]:
    """PGR and OPR of the scaling example: fresh risk, ceiling on all rows, nothing outside the strong features."""
    found = errors(
        Geometry(100, 50, d_overlap, "aligned", 1.0, rho_weak, 0.0), noise=0.5, n_labeled=n_labeled, n_transfer=n_transfer
    )
    pgr, status = metrics.pgr(found["weak"], found["student"], found["ceiling"])
    assert (status == "ok").all()
    return pgr, metrics.opr(found["strong"], found["student"])


@pytest.mark.parametrize(("d_weak", "d_strong", "d_overlap", "n", "rows", "inside", "fresh"), PAPER)
def test_student_variance_has_the_stated_values(
    d_weak: int, d_strong: int, d_overlap: float, n: int, rows: int, inside: float, fresh: float
) -> None:
    sizes = (d_weak, d_strong, d_overlap, n, rows)
    assert theory.in_sample_variance_student(*sizes) == pytest.approx(inside, abs=5e-6)
    assert theory.fresh_variance_student(*sizes) == pytest.approx(fresh, abs=5e-6)
    geometry = Geometry(d_weak, d_strong, d_overlap, "spread", 0.0, 0.0, 0.0)
    for evaluate, value in (("transfer", inside), ("fresh", fresh)):
        found = errors(geometry, n_labeled=n, n_transfer=rows, evaluate=evaluate)
        assert found["student"] == pytest.approx(value, abs=5e-6)


@pytest.mark.parametrize(
    ("n", "rows", "weak", "strong", "ceiling"), [(60, 100, 2.267, 0.1446, 0.0661), (120, 400, 0.9452, 0.0794, 0.0415)]
)
def test_a_part_outside_the_features_is_noise(n: int, rows: int, weak: float, strong: float, ceiling: float) -> None:
    fields = {"d_weak": 40, "d_strong": 15, "d_overlap": 6.48, "signal": 1.0, "rho_weak": 0.527, "rho_strong": 0.032}
    fields |= {"noise": np.sqrt(0.3), "n_labeled": n, "n_transfer": rows, "products": np.zeros(4)}
    names = {"evaluate": np.array("fresh"), "risk": np.array("excess"), "ceiling": np.array("labeled+transfer")}
    found = theory.errors(**{k: np.asarray(v) for k, v in fields.items()}, **names)
    # rho_s is known to three decimals only, which is 2 % of the ceiling.
    assert found["weak"] == pytest.approx(weak, abs=2e-3)
    assert found["strong"] == pytest.approx(strong, abs=1e-3)
    assert found["ceiling"] == pytest.approx(ceiling, abs=7e-4)


@pytest.mark.parametrize("rho_weak", list(SCALING))
def test_scaling_in_labelled_rows_has_the_stated_values(rho_weak: float) -> None:
    pgr, opr = scaling(rho_weak, COUNTS)
    np.testing.assert_allclose(pgr, SCALING[rho_weak][0], atol=5.1e-4)
    np.testing.assert_allclose(opr, SCALING[rho_weak][1], atol=5.1e-3)


def test_both_ratios_rise_and_then_fall_with_labelled_rows() -> None:
    counts = np.unique(np.geomspace(110, 200_000, 200).astype(int))
    tops = []
    for rho_weak in (0.001, 0.003, 0.01):
        pgr, opr = scaling(rho_weak, counts)
        top = int(np.argmax(opr))
        assert (np.diff(opr)[:top] > 0).all()
        assert (np.diff(opr)[top:] < 0).all()
        tops.append(counts[top])
        if rho_weak == 0.001:
            peak = int(np.argmax(pgr))
            assert 0 < peak < len(counts) - 1
            assert (np.diff(pgr)[:peak] > 0).all()
            assert (np.diff(pgr)[peak:] < 0).all()
    assert tops == sorted(tops, reverse=True)
    assert all(2 * 100 <= top <= 8 * 100 for top in tops)


def test_more_transfer_rows_help_and_saturate() -> None:
    rows = np.array([60, 100, 300, 1000, 3000, 10_000, 10**6, 10**8])
    pgr, opr = scaling(0.0, 400, rows)
    assert (np.diff(opr) > 0).all()
    assert opr[-1] == pytest.approx(opr[-2], rel=1e-3)
    # The student cannot use what it does not share with its teacher; the ceiling, trained on the same rows, goes on to improve.
    assert pgr[-1] == pytest.approx(1 - 10 / 100, rel=1e-6)
    assert pgr[0] < pgr[-1] < pgr.max()


def test_less_overlap_helps() -> None:
    ratios = [scaling(0.0, 400, d_overlap=overlap) for overlap in (5.0, 10.0, 25.0, 50.0)]
    for smaller, larger in itertools.pairwise(ratios):
        assert smaller[0] > larger[0]
        assert smaller[1] > larger[1]


@pytest.mark.parametrize("sizes", [{"n_labeled": 41}, {"n_labeled": 20}, {"n_transfer": 21}, {"n_transfer": 10}])
def test_an_infinite_mean_is_null(sizes: dict[str, int]) -> None:
    geometry = Geometry(40, 20, 10, "aligned", 0.0, 0.0, 0.0)
    found = errors(geometry, **({"n_labeled": 80, "n_transfer": 60} | sizes), ceiling="transfer")
    assert np.isnan(found["student"])
    assert np.isnan(found["ceiling" if "n_transfer" in sizes else "weak"])


def test_noisy_risk_adds_the_noise_on_fresh_inputs_only() -> None:
    geometry = Geometry(12, 8, 4, "aligned", 1.0, 0.2, 0.1)
    sizes = {"n_labeled": 60, "n_transfer": 60, "noise": 0.7}
    for evaluate in ("fresh", "transfer", "labeled"):
        excess, noisy = (errors(geometry, evaluate=evaluate, risk=risk, **sizes) for risk in ("excess", "noisy"))
        for model in excess:
            assert np.isnan(noisy[model]) if evaluate != "fresh" else noisy[model] == pytest.approx(excess[model] + 0.49)


@given(
    st.integers(1, 30),
    st.integers(1, 30),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["aligned", "spread"]),
)
@example(1, 1, 0.25, 1 - 1e-16, 0.25, "aligned")
@example(1, 1, 1 - 1e-16, 0.125, 0.125, "aligned")
def test_products_come_from_the_maps(
    d_weak: int, d_strong: int, share: float, rho_weak: float, rho_strong: float, overlap: str
) -> None:
    geometry = Geometry(d_weak, d_strong, share * min(d_weak, d_strong), overlap, 2.0, rho_weak, rho_strong)
    if geometry.problem() is not None:
        return
    power, image, bias, cross = theory.target_products(geometry)
    assert power == pytest.approx(2.0 * (1 - rho_weak), abs=1e-9)
    assert image <= power + 1e-9
    # |s - Cu|^2 = |s|^2 - 2 u'C's + |Cu|^2
    assert bias == pytest.approx(2.0 * (1 - rho_strong) - 2 * cross + image, abs=1e-9)


def test_same_features_student_has_the_weak_variance() -> None:
    geometry = Geometry(9, 9, 9, "aligned", 1.0, 0.1, 0.1)
    assert geometry.problem() is None
    found = errors(geometry, n_labeled=40, n_transfer=50, evaluate="transfer")
    assert found["student"] == pytest.approx(float(found["weak"]), rel=1e-12)
