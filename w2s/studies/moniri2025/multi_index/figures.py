"""Figures of the multi-index study: features and errors of teacher and student against steps and pretraining."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_AXES = (
    ("step_weak", "teacher's step / sqrt(width)"),
    ("step", "student's step / sqrt(width)"),
    ("pretraining", "pretraining"),
)
_LINES = {
    "step_weak": (("easy_weak", "easy, teacher", 0), ("hard_weak", "hard, teacher", 1)),
    "step": (("easy_after", "easy, student", 2), ("hard_after", "hard, student", 3)),
    "pretraining": (("easy_after", "easy, student", 2), ("hard_after", "hard, student", 3)),
}


def _panels(table: DataFrame, least: int) -> list[tuple[str, str, DataFrame, str]]:
    """List the axes along which a table has some values, with their rows at one setting of everything else."""
    found = []
    for name, label in _AXES:
        rows, held = fullest(table, (name, "head", "seed"))
        if rows[name].nunique() >= least:
            found.append((name, label, rows, held))
    return found


def _elsewhere(panels: list[tuple[str, str, DataFrame, str]]) -> str:
    """Say what is held in the panels that do not show it."""
    held = dict.fromkeys(part for *_, text in panels for part in text.split(", ") if part)
    return f"elsewhere {', '.join(held)}" if held else ""


def _draw_features(table: DataFrame) -> Canvas | None:
    """Draw squared projections of both axes on the top two right singular vectors, with the limit of a spike in noise."""
    panels = _panels(table, 4)
    if not panels:
        return None
    figure = figures.canvas(3.6 * len(panels) + 1.6, 3.9)
    axes = figures.panels(figure, 1, len(panels), sharey=True)[0]
    for ax, (name, label, rows, _) in zip(axes, panels, strict=True):
        one = rows[rows["head"] == rows["head"].min()]
        for column, says, color in _LINES[name]:
            _line(ax, one, name, column, figures.COLORS[color], says)
            if f"{column}_theory" in one:
                limit = one.groupby(name)[f"{column}_theory"].mean()
                ax.plot(limit.index, limit, color="#000000", linewidth=1.2, linestyle="--")
        _scaled(ax, rows, name, label)
        ax.legend(fontsize=8, frameon=False, loc="center right", bbox_to_anchor=(1.0, 0.33))
    axes[0].set_ylim(0.0, 1.05)
    axes[0].set_ylabel("projection on top two directions", fontsize=9)
    note = "bands: 95 % over seeds; dashed: a spike in noise"
    heading_over_seeds(figure, "features of the first layer after one step", table, "{seeds}", note, _elsewhere(panels))
    return figure


def _draw_errors(table: DataFrame) -> Canvas | None:
    """Draw the errors of teacher, both students and ceiling."""
    panels = _panels(table, 4)
    if not panels:
        return None
    figure = figures.canvas(3.6 * len(panels) + 1.9, 3.9)
    axes = figures.panels(figure, 1, len(panels), sharey=True)[0]
    for ax, (name, label, rows, _) in zip(axes, panels, strict=True):
        one = rows[rows["head"] == rows["head"].min()]
        _line(ax, one, name, "weak_error", "#000000", "teacher")
        for color, head, says in ((figures.COLORS[0], "readout", "readout"), (figures.COLORS[1], "kept", "keeps hard head")):
            if head in set(rows["head"]):
                _line(ax, rows[rows["head"] == head], name, "student_error", color, f"student, {says}")
        _line(ax, one, name, "ceiling_error", figures.COLORS[2], "ceiling: true labels")
        _scaled(ax, rows, name, label)
    axes[0].set_ylim(bottom=0.0)
    axes[0].set_ylabel("excess risk / power of the target", fontsize=9)
    figures.beside(axes[-1])
    note = "bands: 95 % over seeds"
    heading_over_seeds(figure, "errors after one step", table, "{seeds}", note, _elsewhere(panels))
    return figure


def _line(ax: Axes, rows: DataFrame, x: str, column: str, color: str, label: str) -> None:
    line = summarize(rows, by=[x], metrics=[column])
    figures.band(ax, line[x], line[column], line[f"{column}_low"], line[f"{column}_high"], color=color, label=label)


def _scaled(ax: Axes, rows: DataFrame, name: str, label: str) -> None:
    """Make a logarithmic axis for steps, linear below the smallest one above zero."""
    above = rows.loc[rows[name] > 0, name].min()
    if name != "pretraining":
        ax.set_xscale("symlog", linthresh=float(above), linscale=0.3)
        ax.xaxis.set_major_formatter("{x:g}")
        ticks = [value for value in (0.0, 0.1, 1.0, 10.0) if value <= rows[name].max()]
        ax.set_xticks(np.array(ticks))
    ax.set_xlabel(label, fontsize=9)


FIGURES: tuple[Figure, ...] = (
    Figure(
        "features", "Features of the first layer after one step", _draw_features, ("features_as_predicted", "both_features")
    ),
    Figure(
        "errors",
        "Errors after one step",
        _draw_errors,
        ("kept_head_gains", "readout_does_not_gain", "gain_rises_with_step", "gain_rises_with_pretraining"),
    ),
)
