"""Which of many values a figure shows."""

from __future__ import annotations

import pytest

from w2s.figures.held import spread


@pytest.mark.parametrize(
    ("count", "most", "chosen"), [(11, 5, [0, 2, 5, 8, 10]), (3, 5, [0, 1, 2]), (1, 4, [0]), (0, 4, []), (9, 1, [0])]
)
def test_values_are_spread_over_their_places(count: int, most: int, chosen: list[int]) -> None:
    assert spread(list(range(count)), most) == chosen
