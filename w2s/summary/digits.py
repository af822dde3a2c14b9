"""Numbers with as many digits as their intervals support."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["decimals", "interval_digits", "number_digits"]

_MOST_DECIMALS = 5
_WORDS = {"no_item_noise": "items unknown"}


def decimals(half_width: float) -> int | None:
    """Return the decimals that a half width supports: one digit of it, two where it begins with a 1; None where it is none.

    A half width of .055 gives 2, of .012 gives 3, of 40 gives 0.
    """
    if not (math.isfinite(half_width) and half_width > 0):
        return None
    exponent = math.floor(math.log10(half_width))
    leading = round(half_width / 10.0**exponent, 6)
    return max((1 if leading < 2 else 0) - exponent, 0)


def interval_digits(value: Any, low: Any, high: Any, status: str = "") -> str:
    """Write ``0.57 [0.52, 0.63]`` with digits from the half width; three digits and the reason where there is no interval."""
    if value is None or not np.isfinite(value):
        return _WORDS.get(status, status.replace("_", " ")) or "-"
    if low is None or high is None or not (np.isfinite(low) and np.isfinite(high)):
        return f"{number_digits(value)} ({_WORDS.get(status, status.replace('_', ' ')) or 'one seed'})"
    places = decimals((float(high) - float(low)) / 2.0)
    if places is None:
        return f"{number_digits(value)} [{number_digits(low)}, {number_digits(high)}]"
    if places > _MOST_DECIMALS:
        top = math.floor(math.log10(max(abs(float(low)), abs(float(high)))))
        digits = max(places + top, 0)
        return f"{value:.{digits}e} [{low:.{digits}e}, {high:.{digits}e}]"
    return f"{_fixed(value, places)} [{_fixed(low, places)}, {_fixed(high, places)}]"


def number_digits(value: float) -> str:
    """Write a number that has no interval, to three digits."""
    return f"{float(value):.3g}"


def _fixed(value: float, places: int) -> str:
    text = f"{float(value):.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text
