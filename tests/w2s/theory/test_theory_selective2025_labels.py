"""Closed forms of chosen labels: hand values, and the AUROC of a region by pairs of right and wrong answers."""

from __future__ import annotations

import numpy as np
import pytest

from w2s.theory.selective2025.labels import label_accuracy, region_auroc

DOMAINS = {
    "label_accuracy": ((0.5, 0.95, 0.76), (1.5, 0.95, 0.76)),
    "region_auroc": ((0.5, 0.95, 0.55), (0.5, 1.0, 1.0)),
}


def test_hand_values() -> None:
    assert label_accuracy(0.5, 0.95, 0.76) == pytest.approx(0.855)
    assert region_auroc(0.5, 0.95, 0.55) == pytest.approx(0.5 + 0.5 * (0.475 / 0.75 - 0.025 / 0.25))
    assert region_auroc(0.5, 0.7, 0.7) == pytest.approx(0.5)
    assert region_auroc(0.3, 1.0, 0.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("known", "inside", "outside"), [(0.5, 0.95, 0.55), (0.2, 0.6, 0.9), (0.7, 0.8, 0.1)])
def test_auroc_by_pairs(known: float, inside: float, outside: float) -> None:
    """Scores 1 in the region and 0 elsewhere; a pair of equal scores counts one half."""
    cells = [(1.0, known * inside, known * (1 - inside)), (0.0, (1 - known) * outside, (1 - known) * (1 - outside))]
    right, wrong = sum(c[1] for c in cells), sum(c[2] for c in cells)
    pairs = sum((a > b) * r * w + 0.5 * (a == b) * r * w for a, r, _ in cells for b, _, w in cells)
    assert region_auroc(known, inside, outside) == pytest.approx(pairs / (right * wrong))
    assert np.isnan(region_auroc(known, 1.0, 1.0))
