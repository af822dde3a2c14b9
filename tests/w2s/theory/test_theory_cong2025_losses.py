"""Losses of preferences: hand values, and what they are at no and at any margin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.theory import cong2025 as theory

DOMAINS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "dpo_loss": ((1.0, -1.0, 0.1), (1.0, -1.0, 0.0)),
    "wspo_loss": ((0.3, 0.05, 0.1), (0.3, 0.05, -0.1)),
}
ratios = st.floats(-30.0, 30.0)


def test_hand_values() -> None:
    assert float(theory.dpo_loss(1.0, -1.0, 0.1)) == pytest.approx(0.598139, abs=1e-6)
    assert float(theory.wspo_loss(0.3, 0.05, 0.1)) == pytest.approx(0.0004, abs=1e-12)


@given(ratios, ratios, st.floats(0.01, 2.0))
def test_dpo_is_the_cross_entropy_of_a_preference(chosen: float, rejected: float, beta: float) -> None:
    first, second = np.exp(beta * chosen), np.exp(beta * rejected)
    assert float(theory.dpo_loss(chosen, rejected, beta)) == pytest.approx(
        -np.log(first / (first + second)), rel=1e-6, abs=1e-9
    )


@given(ratios, st.floats(0.01, 2.0))
def test_wspo_is_zero_where_the_student_has_the_ratio_times_one_over_gamma(weak: float, gamma: float) -> None:
    assert float(theory.wspo_loss(weak / gamma, weak, gamma)) == pytest.approx(0.0, abs=1e-20)
