"""Where the values of an axis are drawn: on a line, on a logarithmic line, or one beside the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from w2s.figures.held import spread
from w2s.figures.symbols import short_value
from w2s.figures.texts import text_width
from w2s.summary.digits import fewest_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Places", "limits", "places"]

FloatArray = npt.NDArray[np.float64]
Kind = Literal["linear", "log", "words"]
_MOST_TICKS = 4


@dataclass(frozen=True)
class Places:
    """Coordinates of the values of an axis.

    ``kind`` is ``log`` for positive values over a decade or more, ``linear`` for other numbers, and ``words`` for values that
    are none: these stand at 0, 1, 2, ... Zero and infinity stand at the ends of a logarithmic axis, under ticks that say so.
    """

    kind: Kind
    values: tuple[Any, ...]
    at: tuple[float, ...]

    def of(self, column: Iterable[Any]) -> FloatArray:
        """Return the coordinates of values."""
        known: Mapping[Any, float] = dict(zip(self.values, self.at, strict=True))
        return np.array([known[None if value is None or value != value else value] for value in column], dtype=float)

    def edges(self) -> FloatArray:
        """Return the borders of cells around the coordinates (one more than there are), half-way between them."""
        at = np.asarray(self.at)
        scaled = np.log10(at) if self.kind == "log" else at
        if len(scaled) == 1:
            borders = np.array([scaled[0] - 0.5, scaled[0] + 0.5])
        else:
            inner = (scaled[1:] + scaled[:-1]) / 2.0
            borders = np.concatenate([[2 * scaled[0] - inner[0]], inner, [2 * scaled[-1] - inner[-1]]])
        return 10.0**borders if self.kind == "log" else borders

    def draw(self, ax: Axes, which: Literal["x", "y"], size: float, room: float, *, at_values: bool = False) -> None:
        """Give an axis of a panel its scale and few ticks; ``room`` is its length in inches.

        With ``at_values`` ticks stand at values alone: at all of them, or at as many as have room.
        """
        axis = ax.xaxis if which == "x" else ax.yaxis
        setter: Any = ax.set_xscale if which == "x" else ax.set_yscale
        if at_values and self.kind != "words":
            setter(self.kind)
            self._ticks_at_values(axis, size, room, upright=which == "y")
        elif self.kind == "log":
            setter("log")
            self._log_ticks(axis)
        elif self.kind == "words":
            self._words(ax, which, size, room)
        elif len(self.values) <= _MOST_TICKS and which == "x":
            axis.set_ticks(list(self.at), [short_value(value) for value in self.values])
        else:
            from matplotlib.ticker import MaxNLocator

            axis.set_major_locator(MaxNLocator(_MOST_TICKS, steps=[1, 2, 2.5, 5, 10]))

    def _ticks_at_values(self, axis: Any, size: float, room: float, *, upright: bool) -> None:
        from matplotlib.ticker import FixedLocator, NullFormatter

        texts = fewest_digits([float(value) for value in self.values])
        labels = {at: _power(value) or text for value, at, text in zip(self.values, self.at, texts, strict=True)}
        widest = max(text_width(label, size) for label in labels.values()) + 0.08 if not upright else 1.5 * size / 72.0
        shown = spread(self.at, max(min(len(self.at), int(room / widest)), 2))
        axis.set_ticks(list(shown), [labels[at] for at in shown])
        axis.set_minor_locator(FixedLocator([at for at in self.at if at not in shown]))
        axis.set_minor_formatter(NullFormatter())
        axis.set_tick_params(which="minor", width=0.5, length=2.0)

    def _log_ticks(self, axis: Any) -> None:
        from matplotlib.ticker import NullLocator

        inside = [at for value, at in zip(self.values, self.at, strict=True) if value > 0 and math.isfinite(value)]
        decades = math.log10(inside[-1] / inside[0])
        if decades >= 2.0:
            powers = range(math.ceil(math.log10(inside[0]) - 1e-9), math.floor(math.log10(inside[-1]) + 1e-9) + 1)
            step = math.ceil(len(powers) / _MOST_TICKS)
            ticks = {10.0**k: rf"$10^{{{k}}}$" for k in powers if (k - powers[-1]) % step == 0}
        else:
            shown = spread(inside, 3)
            ticks = dict(zip(shown, fewest_digits(shown), strict=True))
        for value, at in zip(self.values, self.at, strict=True):
            if not (value > 0 and math.isfinite(value)):
                ticks[at] = "0" if value == 0 else r"$\infty$"
        axis.set_ticks(list(ticks), list(ticks.values()))
        axis.set_minor_locator(NullLocator())

    def _words(self, ax: Axes, which: Literal["x", "y"], size: float, room: float) -> None:
        labels = [short_value(value, 18) for value in self.values]
        axis = ax.xaxis if which == "x" else ax.yaxis
        axis.set_ticks(list(self.at), labels)
        widest = max(text_width(label, size) for label in labels)
        if which == "x" and (widest + 0.08) * len(labels) > room:
            ax.tick_params(axis="x", labelrotation=90)
        lower, upper = self.at[0] - 0.5, self.at[-1] + 0.5
        (ax.set_xlim if which == "x" else ax.set_ylim)(lower, upper)


def places(values: Sequence[Any], least: int = 1) -> Places:
    """Choose where sorted distinct values are drawn; None, a null, is a word, and so are fewer than ``least`` numbers."""
    if len(values) < least or not all(map(_is_number, values)):
        return Places("words", tuple(values), tuple(float(k) for k in range(len(values))))
    numbers = [float(value) for value in values]
    inside = [value for value in numbers if value > 0 and math.isfinite(value)]
    if len(inside) < 2 or min(numbers) < 0 or (inside[-1] < 10.0 * inside[0] and len(inside) == len(numbers)):
        finite = all(map(math.isfinite, numbers))
        return Places("linear", tuple(values), tuple(numbers)) if finite else places([str(value) for value in values])
    if len(inside) < len(numbers) and not _geometric(inside):
        return Places("linear", tuple(values), tuple(numbers))
    if len(inside) == len(numbers) and len(numbers) > 2 and not _geometric(inside):
        return Places("linear", tuple(values), tuple(numbers))
    beyond = max((inside[-1] / inside[0]) ** 0.15, 1.5)
    at = [inside[0] / beyond if value == 0 else inside[-1] * beyond if math.isinf(value) else value for value in numbers]
    return Places("log", tuple(values), tuple(at))


def _power(value: float) -> str:
    """Write a power of ten that is far from one as such; an empty text for other numbers."""
    exponent = math.log10(value) if 0 < value < math.inf else 0.0
    return rf"$10^{{{round(exponent)}}}$" if abs(exponent) > 2.5 and abs(exponent - round(exponent)) < 1e-9 else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)


def _geometric(values: Sequence[float]) -> bool:
    """Tell whether sorted positive values are spread by ratios rather than by differences."""
    if len(values) < 3 or values[-1] < 3.0 * values[0]:
        return False
    gaps, ratios = np.diff(values), np.diff(np.log(values))
    return bool(np.std(ratios) / np.mean(ratios) < np.std(gaps) / np.mean(gaps))


def limits(value: FloatArray, low: FloatArray, high: FloatArray) -> tuple[float, float] | None:
    """Choose limits that show all values and all but unusually wide intervals; None for no value.

    An interval is shown as far as the range of the values, or three usual widths of an interval, beyond them.
    """
    seen = value[np.isfinite(value)]
    if not len(seen):
        return None
    spans = np.concatenate([low[np.isfinite(low)], high[np.isfinite(high)], seen])
    widths = (high - low)[np.isfinite(high - low)]
    usual = 3.0 * float(np.median(widths)) if len(widths) else 0.0
    spread_of = max(float(seen.max() - seen.min()), usual) or abs(float(seen[0])) or 1.0
    bottom = max(float(spans.min()), float(seen.min()) - spread_of)
    top = min(float(spans.max()), float(seen.max()) + spread_of)
    pad = 0.06 * ((top - bottom) or spread_of)
    return bottom - pad, top + pad
