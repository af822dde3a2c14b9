"""Values and intervals as text."""

from __future__ import annotations

import math

import pytest

from w2s.summary.text import value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (math.nan, "-"),
        (2000001.0, "2000001"),  # an integer field with nulls in its column
        (2000002.0, "2000002"),
        (1e16, "1e+16"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        (math.inf, "inf"),
        (3, "3"),
        ("ridge", "ridge"),
    ],
)
def test_values_that_differ_read_differently(value: object, text: str) -> None:
    assert value_text(value) == text
