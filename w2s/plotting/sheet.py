"""The sheet that a figure is drawn on: panels, and around them title, legend and notes, each in a place of its own.

Texts are measured before the sheet gets its height, so nothing is cut off and nothing lies on something else.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from w2s.errors import nearest
from w2s.figures.symbols import axis_in_words, short_value
from w2s.figures.texts import folded, text_width, thin_labels
from w2s.plotting.style import STYLES, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "Legend", "Sheet", "picture_bytes"]

PictureFormat = Literal["png", "svg", "pdf"]
FORMATS: tuple[str, ...] = get_args(PictureFormat)
_GREY = "#555555"
_MARGIN = 0.05
_SURE = 0.98
"""Part of a width that texts may fill: drawn on a grid of points they are a little wider than measured."""
_LINE = 1.3
"""Height of a line of text, in heights of its letters."""


@dataclass(frozen=True)
class Legend:
    """What lines stand for: marks, their names, and the axis whose values these are."""

    marks: Sequence[Any] = ()
    labels: Sequence[str] = ()
    title: str = ""

    @classmethod
    def of(cls, marks: Mapping[int, Any], values: Sequence[Any], axis: str | None) -> Legend:
        """Name the marks of the values of an axis, by their places; nothing is named where there is no axis."""
        if axis is None:
            return cls()
        places = sorted(marks)
        return cls([marks[k] for k in places], [short_value(values[k]) for k in places], axis_in_words(axis))

    @classmethod
    def named(cls, marks: Mapping[int, Any], names: Sequence[str]) -> Legend:
        """Give marks their names, by their places."""
        places = sorted(marks)
        return cls([marks[k] for k in places], [names[k] for k in places])


@dataclass
class Sheet:
    """A figure with its panels; :meth:`finish` adds what stands around them."""

    figure: Figure
    axes: list[Axes]
    style: Style
    rows: int
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, style_name: str, panels: int, *, share: bool = True) -> Sheet:
        """Make a sheet with so many panels, at most three side by side; panels share their axes where ``share`` says so.

        Raises ValueError for an unknown style.
        """
        from matplotlib.figure import Figure

        if style_name not in STYLES:
            raise ValueError(f"style={style_name!r} is not one of: {', '.join(STYLES)}{nearest(style_name, STYLES)}")
        style = STYLES[style_name]
        columns = min(panels, 3) if panels != 4 else 2
        rows = math.ceil(panels / columns)
        figure = Figure(figsize=(style.narrow if panels == 1 else style.wide, 3.0), dpi=200, layout="constrained")
        figure.set_facecolor("white")
        made: Any = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)
        axes = list(made.flat)
        for ax in axes[panels:]:
            ax.remove()
        for k, ax in enumerate(axes[:panels]):
            _plain(ax, style)
            if k + columns >= panels:  # nothing is below it, so it shows the values of its axis
                ax.tick_params(labelbottom=True)
        return cls(figure, axes[:panels], style, rows)

    @property
    def columns(self) -> int:
        """Panels that stand side by side."""
        return math.ceil(len(self.axes) / self.rows)

    @property
    def panel_width(self) -> float:
        """Width that a panel has about, in inches, with what stands at its left."""
        return float(self.figure.get_figwidth()) / self.columns

    @property
    def panel_height(self) -> float:
        """Height that a panel has about, in inches, with what stands below it."""
        style = self.style
        return min(max(self.panel_width * style.ratio, style.least), 0.8 * style.narrow)

    def label(self, x: str, y: str) -> None:
        """Write what the axes are, below the lowest panels and at the left of the first ones."""
        for k, ax in enumerate(self.axes):
            if k + self.columns >= len(self.axes):
                ax.set_xlabel("\n".join(folded(x, 0.75 * self.panel_width, self.style.size)), fontsize=self.style.size)
            if k % self.columns == 0:
                ax.set_ylabel("\n".join(folded(y, 0.75 * self.panel_height, self.style.size)), fontsize=self.style.size)

    def title(self, ax: Axes, text: str) -> None:
        """Write what a panel shows above it, folded to its width."""
        size = self.style.size
        ax.set_title("\n".join(folded(text, 0.8 * self.panel_width, size)), fontsize=size, pad=0.4 * size)

    def finish(self, title: str, notes: Sequence[str], legend: Legend | None = None) -> Figure:
        """Give the sheet its height, and write title (on slides), legend and notes; returns the figure."""
        legend = legend or Legend()
        style, size, width = self.style, self.style.size, float(self.figure.get_figwidth())
        room, line = _SURE * (width - 2 * _MARGIN), _LINE * size / 72.0
        top = folded(title, room, 1.1 * size) if style.titled else []
        bottom = folded(" ".join([*notes, *self.notes]), room, size)
        columns, lines = _legend_shape(legend, room, size)
        above = len(top) * 1.15 * line + lines * line + (0.3 * line if lines or top else 0.0) + _MARGIN
        below = len(bottom) * line + 0.5 * line
        height = self.panel_height * self.rows + above + below
        self.figure.set_size_inches(width, height)
        engine: Any = self.figure.get_layout_engine()
        engine.set(rect=(0.0, below / height, 1.0, 1.0 - (above + below) / height), w_pad=0.03, h_pad=0.03)
        left, y = _MARGIN / width, 1.0 - _MARGIN / height
        if top:
            self._write(left, y, "\n".join(top), 1.1 * size, "top")
            y -= len(top) * 1.15 * line / height
        if legend.labels:
            self._legend(legend, columns, left, y)
        self._write(left, 0.25 * line / height, "\n".join(bottom), size, "bottom", color=_GREY)
        self.figure.set_label(" ".join([f"{title}.", *notes, *self.notes]))
        return self.figure

    def _write(self, x: float, y: float, text: str, size: float, where: str, color: str = "#000000") -> None:
        written = self.figure.text(x, y, text, fontsize=size, ha="left", va=where, color=color, linespacing=1.15)
        written.set_in_layout(False)

    def _legend(self, legend: Legend, columns: int, x: float, y: float) -> None:
        made = self.figure.legend(
            legend.marks,
            legend.labels,
            title=legend.title or None,
            loc="upper left",
            bbox_to_anchor=(x, y),
            ncols=columns,
            fontsize=self.style.size,
            title_fontsize=self.style.size,
            frameon=False,
            borderpad=0.0,
            borderaxespad=0.0,
            handlelength=2.6,
            columnspacing=1.2,
            labelspacing=0.25,
            alignment="left",
        )
        made.set_in_layout(False)


def _legend_shape(legend: Legend, room: float, size: float) -> tuple[int, int]:
    """Choose columns of a legend that fit into ``room`` inches, and count its lines."""
    if not legend.labels:
        return 1, 0
    each = max(text_width(label, size) for label in legend.labels) + 4.6 * size / 72.0
    columns = max(min(len(legend.labels), int(room / each)), 1)
    return columns, math.ceil(len(legend.labels) / columns) + bool(legend.title)


def _plain(ax: Axes, style: Style) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=style.size, color=_GREY, width=0.4 * style.line, length=0.35 * style.size)
    ax.grid(color="#e6e6e6", linewidth=0.5 * style.line)
    ax.set_axisbelow(True)
    for spine in ax.spines.values():
        spine.set_linewidth(0.5 * style.line)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_offset_text().set_fontsize(style.size)


def picture_bytes(figure: Figure, form: str = "png", dpi: float | None = None) -> bytes:
    """Write a figure as ``png``, ``svg`` or ``pdf``; fonts are embedded as TrueType, and the same figure gives the same bytes.

    ``dpi`` are points per inch of a PNG; None takes the figure's own.

    Raises ValueError for another format.
    """
    import matplotlib as mpl

    if form not in FORMATS:
        raise ValueError(f"format={form!r} is not one of: {', '.join(FORMATS)}{nearest(form, FORMATS)}")
    thin_labels(figure)
    buffer = io.BytesIO()
    undated: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    with mpl.rc_context({"pdf.fonttype": 42, "svg.hashsalt": "w2s", "svg.fonttype": "path"}):
        figure.savefig(buffer, format=form, dpi=dpi or "figure", metadata=undated[form])
    return buffer.getvalue()
