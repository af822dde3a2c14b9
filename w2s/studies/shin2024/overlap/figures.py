"""The figure of the overlap density: gain over the share of inputs with both patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.figures.symbols import axis_name
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_LINES = 6


def _draw_density(table: DataFrame) -> Canvas | None:
    """Draw the gain against the overlap density, a line per step."""
    rows, held = fullest(table[table["student"] == "relu"], ("p_both", "step"))
    if rows["p_both"].nunique() < 3:
        return None
    figure = figures.canvas(6.6, 4.2)
    ax = figures.panels(figure, 1, 1)[0, 0]
    for color, step in zip(figures.COLORS, sorted(rows["step"].unique())[:_LINES], strict=False):
        line = summarize(rows[rows["step"] == step], by=["p_both"], metrics=["gain"])
        figures.band(ax, line["p_both"], line["gain"], line["gain_low"], line["gain_high"], color=color, label=f"step {step}")
    ax.axhline(float(rows["weak_error"].mean()), color="#555555", linewidth=0.9, linestyle=":", label="all there is to gain")
    figures.level(ax, 0.0)
    ax.set_xlabel(f"overlap density, {axis_name('p_both')}", fontsize=9)
    ax.set_ylabel("gain: teacher's error - student's error", fontsize=9)
    figures.beside(ax)
    heading_over_seeds(figure, "gain over the overlap density", rows, "{seeds}", "bands: 95 % over seeds", held)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "density",
        "Gain over the overlap density",
        _draw_density,
        ("no_overlap_no_gain", "gain_follows_overlap", "dense_overlap_gains"),
    ),
)
