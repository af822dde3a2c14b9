"""The figures of a study, drawn from the finished rows: PNG files, the smaller copies that the page holds, and their words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweeper.report.text import clip
from sweeper.review.table import RunTable
from w2s.contract.study import Figure
from w2s.figures.symbols import without_math
from w2s.plotting import default_figures, picture_bytes
from w2s.summary.columns import usable
from w2s.summary.stored import Rows
from w2s.user_files import told

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["Picture", "draw_pictures"]

MOST_BYTES = 700_000
"""Of all PNGs that the page holds; in base64 they take a third more."""
_LEAST_DPI = 50
_PIXELS = 115.0  # of the page for an inch of a figure: letters of 8 points are as large as the text of a table
_MOST_HEIGHT = 900.0  # of a figure, in pixels of the page: that of a sheet of paper
_MOST_TEXT, _MOST_AXES = 300, 6


@dataclass(frozen=True)
class Picture:
    """A figure, drawn: ``png`` is the file beside the page, ``inline`` what the page holds; None where it has no room.

    ``width`` is that on the page, in its pixels; ``text`` says in words what the axes are; ``claims`` are the ids of the claims
    that it bears on.
    """

    id: str
    title: str
    png: bytes
    inline: bytes | None
    width: int
    text: str
    claims: tuple[str, ...]


def draw_pictures(table: RunTable) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    """Draw the figures of the study and those that all have, from rows with numbers; skip one whose axes the table lacks.

    Of a run that is too large for memory those of the study's own are of its first seeds, the others of all rows.
    Also returns a line for each figure that could not be drawn.
    """
    some, every = _usable(table.rows), _usable(table.every)
    pictures: list[Picture] = []
    undrawn: list[str] = []
    own, common = (table.grid.study.figures, default_figures()) if len(some) else ((), ())
    room = MOST_BYTES
    # The study's own figures come first and share all the room; those that every study has get what they leave.
    plans = [
        (len(figures) - k, figure, rows) for figures, rows in ((own, some), (common, every)) for k, figure in enumerate(figures)
    ]
    for left, figure, rows in plans:
        try:
            canvas = figure.draw(rows)
            if canvas is not None:
                picture = _picture(figure, canvas, room // left)
                pictures.append(picture)
                room -= len(picture.inline or b"")
        except Exception as error:
            # One broken figure must not keep the others, the table and the claims from being shown.
            undrawn.append(clip(f"figure {figure.id} could not be drawn: {told(error)}", _MOST_TEXT))
    return tuple(pictures), tuple(undrawn)


def _usable(rows: Rows) -> Any:
    kept = usable(rows)
    return rows if kept.all() else rows[kept]


def _picture(figure: Figure, canvas: Canvas, most: int) -> Picture:
    png = inline = picture_bytes(canvas)
    dpi = float(canvas.dpi)
    while len(inline) > most and dpi > _LEAST_DPI:
        dpi = max(_LEAST_DPI, dpi * 0.75)
        inline = picture_bytes(canvas, dpi=dpi)
    kept = inline if len(inline) <= most else None
    return Picture(figure.id, figure.title, png, kept, _width(canvas), _words(canvas), figure.claims)


def _width(canvas: Canvas) -> int:
    """Choose the width on the page: letters of all figures have one size there, unless a figure is too high for a screen."""
    width, height = (float(inches) for inches in canvas.get_size_inches())
    return round(width * min(_PIXELS, _MOST_HEIGHT / height))


def _words(canvas: Canvas) -> str:
    """Say what a figure shows, for those who do not see it: what lies along its axes, and what its legends name."""
    panels = canvas.get_axes()
    axes = dict.fromkeys(f"{ax.get_ylabel()} against {ax.get_xlabel()}" for ax in panels if ax.get_ylabel() and ax.get_xlabel())
    named = dict.fromkeys(text for ax in panels for text in _legend(ax))
    words = [f"{len(panels)} panels" if len(panels) > 1 else ""]
    words += ["; ".join(list(axes)[:_MOST_AXES])]
    words += [f"lines and points: {', '.join(list(named)[: 2 * _MOST_AXES])}" if named else ""]
    return clip(without_math(". ".join(word.replace("\n", " ") for word in words if word)), _MOST_TEXT)


def _legend(ax: Any) -> Iterator[str]:
    if legend := ax.get_legend():
        yield from (text.get_text() for text in legend.get_texts())
