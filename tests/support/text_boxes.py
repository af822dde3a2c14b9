"""The texts of a figure: whether any is cut off by the edge of the figure, lies on another one, or is the name of a column."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import combinations
from typing import NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

_SLACK = 1.5
"""Pixels (of 72 a letter of 8 points is 8) by which boxes may meet: letters do not fill their boxes."""


class _Box(NamedTuple):
    text: str
    x0: float
    y0: float
    x1: float
    y1: float


def faults(figure: Figure) -> list[str]:
    """List texts that are cut off and pairs of texts that overlap, as drawn."""
    figure.set_dpi(72)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = []
    for text in figure.findobj(Text):
        if not (isinstance(text, Text) and text.get_visible() and text.get_text().strip()):
            continue
        if not _shown(figure, text):
            continue
        place = text.get_window_extent(renderer)
        if place.width and place.height:
            boxes.append(_Box(text.get_text(), place.x0, place.y0, place.x1, place.y1))
    width, height = canvas.get_width_height()
    cut = [
        f"cut off: {box.text!r}"
        for box in boxes
        if box.x0 < -_SLACK or box.y0 < -_SLACK or box.x1 > width + _SLACK or box.y1 > height + _SLACK
    ]
    return cut + [f"{one.text!r} lies on {other.text!r}" for one, other in combinations(boxes, 2) if _meet(one, other)]


def raw_names(figure: Figure, columns: Collection[str]) -> list[str]:
    """List texts with a name of a column that no person would write: one with an underscore, outside of notation."""
    raw = {name for name in columns if "_" in name}
    texts = dict.fromkeys(text.get_text() for text in figure.findobj(Text))
    return [
        f"{text!r} names a column" for text in texts if raw & set(re.findall(r"[A-Za-z]\w*", re.sub(r"\$[^$]*\$", "", text)))
    ]


def _shown(figure: Figure, text: Text) -> bool:
    """Tell whether a text is drawn: tick labels outside the limits of their axis are not."""
    for ax in figure.axes:
        for axis, place in ((ax.xaxis, 0), (ax.yaxis, 1)):
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            for tick in ticks:
                if text in (tick.label1, tick.label2):
                    low, high = sorted(axis.get_view_interval())
                    pad = 1e-9 * (abs(low) + abs(high))
                    drawn = low - pad <= tick.get_loc() <= high + pad
                    return bool(
                        ax.get_visible()
                        and ax.axison
                        and axis.get_visible()
                        and drawn
                        and text.get_position()[place] is not None
                    )
    return True


def _meet(one: _Box, other: _Box) -> bool:
    return min(one.x1, other.x1) - max(one.x0, other.x0) > _SLACK and min(one.y1, other.y1) - max(one.y0, other.y0) > _SLACK
