"""Numbers with as many digits as their intervals support."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = [
    "MOST_DECIMALS",
    "column_decimals",
    "decimals",
    "fewest_digits",
    "interval_digits",
    "needed_decimals",
    "number_digits",
]

MOST_DECIMALS = 5
_MOST_MORE = 1
"""Decimals that an end near zero may have beyond those of the half width."""
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


def needed_decimals(low: Any, high: Any) -> int | None:
    """Return the decimals of an interval: those of its half width, and more where an end would read 0 and is not.

    Where an end would need more than one further decimal its sign alone is told: ``-0.00``. None without an interval.
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None
    low, high = float(low), float(high)
    places = decimals((high - low) / 2.0)
    return None if places is None else max(_that_show(low, places), _that_show(high, places))


def _that_show(end: float, places: int) -> int:
    """Return the decimals with which an end does not read 0; ``places`` where a few more do not help."""
    if abs(end) >= 10.0**-places:  # most ends, without writing them
        return places
    return next((k for k in range(places, places + _MOST_MORE + 1) if end == 0 or float(f"{end:.{k}f}") != 0), places)


def column_decimals(ends: Iterable[tuple[Any, Any]]) -> int | None:
    """Return the decimals that all intervals of a column get: the most that one needs, at most two more than the middle one.

    An interval that is so much narrower than the others keeps digits of its own. None for a column without intervals.
    """
    needed = sorted(places for low, high in ends if (places := needed_decimals(low, high)) is not None)
    return min(needed[-1], needed[(len(needed) - 1) // 2] + 2) if needed else None


def interval_digits(value: Any, low: Any, high: Any, status: str = "", least: int | None = None) -> str:
    """Write ``0.57 [0.52, 0.63]`` with digits from the half width; three digits and the reason where there is no interval.

    ``least`` are the decimals of its column (:func:`column_decimals`). No end that is below zero or above it reads 0.
    """
    if value is None or not math.isfinite(value):
        return _WORDS.get(status, status.replace("_", " ")) or "-"
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return f"{number_digits(value)} ({_WORDS.get(status, status.replace('_', ' ')) or 'one seed'})"
    places = needed_decimals(low, high)
    if places is None:
        return f"{number_digits(value)} [{number_digits(low)}, {number_digits(high)}]"
    if places > MOST_DECIMALS and (own := decimals((float(high) - float(low)) / 2.0) or 0) > MOST_DECIMALS:
        top = math.floor(math.log10(max(abs(float(low)), abs(float(high)))))
        digits = max(own + top, 0)
        return f"{value:.{digits}e} [{low:.{digits}e}, {high:.{digits}e}]"
    places = max(places, min(least or 0, MOST_DECIMALS))
    return f"{_fixed(value, places)} [{_end(low, places)}, {_end(high, places)}]"


def fewest_digits(values: Sequence[float]) -> list[str]:
    """Write numbers with as few significant digits, two or more, as tell the different ones apart: ``3.2`` for 3.16228.

    Whole numbers below a million keep all their digits.
    """
    whole = [value.is_integer() and abs(value) < 1e6 for value in map(float, values)]
    texts: list[str] = []
    for digits in range(2, 13):
        texts = [f"{value:.0f}" if plain else f"{value:.{digits}g}" for value, plain in zip(values, whole, strict=True)]
        if len(set(texts)) == len({value for value in values if value == value}) + any(value != value for value in values):
            break
    return texts


def number_digits(value: float) -> str:
    """Write a number that has no interval, to three digits."""
    return f"{float(value):.3g}"


def _fixed(value: float, places: int) -> str:
    text = f"{float(value):.{places}f}"
    return text.removeprefix("-") if text[0] == "-" and float(text) == 0 else text


def _end(value: float, places: int) -> str:
    """Write an end of an interval; one too near to zero for its digits keeps its sign."""
    if abs(value) >= 10.0**-places:
        return f"{float(value):.{places}f}"
    text = f"{float(value):.{places}f}"
    if value == 0 or float(text) != 0:
        return _fixed(value, places)
    return text if value < 0 else f"+{text}"
