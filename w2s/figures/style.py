"""How figures look: one style, no global state. Matplotlib is imported when the first figure is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.figures.texts import folded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLORS", "band", "beside", "canvas", "few_digits", "heading", "level", "panels"]

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, told apart by readers with any colour vision."""

_GREY = "#555555"
_HEADING = 10.0


def canvas(width: float, height: float) -> Figure:
    """Make an empty figure (inches) that belongs to no window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=160, layout="constrained", facecolor="white")


def panels(figure: Figure, rows: int, columns: int, **options: Any) -> npt.NDArray[Any]:
    """Make a grid of axes with few lines: array (rows, columns)."""
    axes: npt.NDArray[Any] = np.asarray(figure.subplots(rows, columns, squeeze=False, **options))
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8, color=_GREY)
        ax.grid(color="#e6e6e6", linewidth=0.6)
        ax.set_axisbelow(True)
    return axes


def band(
    ax: Axes, x: npt.ArrayLike, y: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, *, color: str, **line: Any
) -> None:
    """Draw a line with its interval."""
    x, y, low, high = (np.asarray(a, dtype=float) for a in (x, y, low, high))
    order = np.argsort(x)
    ax.plot(x[order], y[order], color=color, linewidth=1.6, **line)
    ax.fill_between(x[order], low[order], high[order], color=color, alpha=0.18, linewidth=0)


def level(ax: Axes, value: float) -> None:
    """Draw the horizontal line that a curve is read against."""
    ax.axhline(value, color="#000000", linewidth=0.9)


def beside(ax: Axes) -> None:
    """Put the legend at the right of the axes."""
    ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))


def heading(figure: Figure, title: str, note: str) -> None:
    """Write the title, and under it what is shown and what is held, folded to the width of the figure."""
    room = 0.97 * float(figure.get_figwidth())
    lines = [*folded(title, room, _HEADING), *folded(note, room, _HEADING)]
    figure.suptitle("\n".join(lines), fontsize=_HEADING, x=0.01, ha="left")


def few_digits(value: float) -> str:
    """Write the label of a minor tick of a logarithmic axis, at 2 and 5 only."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""
