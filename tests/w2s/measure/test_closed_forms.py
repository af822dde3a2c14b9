"""Skewness of samples whose spread is too small for its own third power."""

from __future__ import annotations

import numpy as np
import pytest

from w2s.measure.closed_forms import adjusted_skewness


@pytest.mark.parametrize("scale", [1.0, 1e-60, 1e-120, 1e-200, 0.0])
def test_tiny_spreads_have_no_skewness_and_no_warning(scale: float) -> None:
    sample = scale * np.array([0.0, 0.0, 1.0])
    second, third = (np.mean((sample - sample.mean()) ** power) for power in (2, 3))
    expected = np.sqrt(3.0) if scale >= 1e-60 else 0.0
    assert float(adjusted_skewness(second, third, 3)) == pytest.approx(expected, rel=1e-9)
