"""How wide a text of a figure is, where it folds, and which labels of an axis have room."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["folded", "text_width", "thin_labels"]

_WORDS = re.compile(r"(?:\\\$|\$[^$]*\$|\S)+")


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """Measure a text (mathematical notation too) in inches, by the points of its outlines.

    Curves of usual fonts begin and end where they are widest, so these points are as wide as the curves.
    """
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    outline = TextPath((0, 0), text, size=size)
    across = outline.vertices[outline.codes != outline.CLOSEPOLY, 0]  # that code has no point of its own
    return float(across.max() - across.min()) / 72.0


def folded(text: str, width: float, size: float) -> list[str]:
    """Fold a text at blanks to lines of at most ``width`` inches; a longer word keeps a line of its own.

    Mathematical notation is one word, blanks and all.
    """
    lines = [""]
    for word in _WORDS.findall(text):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def thin_labels(figure: Figure) -> None:
    """Leave out labels of axes that would lie on the one before them: of two numbers without room one is enough."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            shown = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            shown += [tick.label1 for tick in axis.get_minor_ticks() if low <= tick.get_loc() <= high]
            kept: list[Any] = []
            for label in shown:
                if not (label.get_visible() and label.get_text()):
                    continue
                box = label.get_window_extent(renderer)
                if any(box.overlaps(other) for other in kept):
                    label.set_visible(False)
                else:
                    kept.append(box)
