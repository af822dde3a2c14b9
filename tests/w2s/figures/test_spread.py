"""Which of many values a figure shows."""

from __future__ import annotations

import pandas as pd
import pytest

from w2s.figures.held import fullest, spread
from w2s.figures.symbols import axis_name


@pytest.mark.parametrize(
    ("count", "most", "chosen"), [(11, 5, [0, 2, 5, 8, 10]), (3, 5, [0, 1, 2]), (1, 4, [0]), (0, 4, []), (9, 1, [0])]
)
def test_values_are_spread_over_their_places(count: int, most: int, chosen: list[int]) -> None:
    assert spread(list(range(count)), most) == chosen


def test_a_field_without_effect_is_not_said_to_be_held() -> None:
    rows = pd.DataFrame({"n": [1, 2, 3, 1], "student_filter": ["flow"] * 3 + ["ridge"], "ridge": [None, None, None, 0.1]})
    rows.attrs["w2s"] = {"fields": ["n", "student_filter", "ridge"]}
    kept, held = fullest(rows, ["n"])
    assert (len(kept), held) == (3, "student filter = flow")


def test_fields_of_a_model_are_read_in_the_order_of_words() -> None:
    names = ["step_weak", "width_strong", "weak_tuning", "d_weak", "weak"]
    assert [axis_name(name) for name in names] == ["weak step", "strong width", "weak tuning", "$d_w$", "weak"]
