"""Skewness of samples of tiny spread, and how far it moves the ends of intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from w2s.measure.closed_forms import adjusted_skewness, corrected_quantiles, t_quantile


@pytest.mark.parametrize("scale", [1.0, 1e-60, 1e-120, 1e-200, 0.0])
def test_tiny_spreads_have_no_skewness_and_no_warning(scale: float) -> None:
    sample = scale * np.array([0.0, 0.0, 1.0])
    second, third = (np.mean((sample - sample.mean()) ** power) for power in (2, 3))
    expected = np.sqrt(3.0) if scale >= 1e-60 else 0.0
    assert float(adjusted_skewness(second, third, 3)) == pytest.approx(expected, rel=1e-9)


def test_the_page_says_how_far_an_end_moves_with_skewness() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "statistics.md").read_text()
    _, _, after = page.partition("| seeds | 0 | 0.5 | 1 | 1.5 | 2 | 3 |\n|---|---|---|---|---|---|---|\n")
    lines = [[float(cell) for cell in line.strip("|").split("|")] for line in after.splitlines()[:3]]
    assert [line[0] for line in lines] == [10, 20, 40]
    for seeds, *told in lines:
        skewness = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0]) / np.sqrt(seeds)
        lower, _ = corrected_quantiles(t_quantile(seeds, 0.95), skewness)
        np.testing.assert_allclose(-lower, told, atol=0.0051)


def test_an_end_moves_steeply_but_without_a_step() -> None:
    skewness = np.linspace(0.0, 3.0, 300_001) / np.sqrt(10.0)
    lower, upper = corrected_quantiles(t_quantile(10, 0.95), skewness)
    assert np.abs(np.diff(lower)).max() < 0.2
    assert np.abs(np.diff(upper)).max() < 1e-3
