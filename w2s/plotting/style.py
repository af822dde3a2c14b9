"""Sizes of figures for paper and slides, and how lines are told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from w2s.figures.style import COLORS

__all__ = ["MOST_LINES", "STYLES", "Style", "StyleName", "line_style"]

StyleName = Literal["paper", "slides"]
MOST_LINES = 12
"""Lines that can be told apart in one panel."""
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
_MARKERS = "os^DvPX"


@dataclass(frozen=True)
class Style:
    """Widths in inches of a figure of one panel and of several, size of its text in points, and weights of its lines."""

    narrow: float
    wide: float
    size: float
    line: float
    marker: float
    ratio: float  # height of a panel over its width
    least: float  # height of a panel in inches
    titled: bool


STYLES = {
    "paper": Style(3.25, 6.75, 8.0, 1.2, 3.2, 0.72, 1.45, titled=False),
    "slides": Style(10.0, 10.0, 16.0, 2.4, 6.5, 0.5, 3.0, titled=True),
}
"""One column and two columns of a paper with letters of 8 points; a slide with letters that the last row can read."""


def line_style(place: int, count: int) -> dict[str, Any]:
    """Return colour, dashes and marker of a line: no two of twelve agree in colour and dashes.

    Up to seven lines have Okabe and Ito's colours; more take steps of one colour map, since they are steps of a number.
    """
    if count <= len(COLORS):
        color: Any = COLORS[place]
    else:
        from matplotlib import colormaps

        color = colormaps["viridis"](0.92 * place / (count - 1))
    return {"color": color, "linestyle": _DASHES[place % len(_DASHES)], "marker": _MARKERS[place % len(_MARKERS)]}
