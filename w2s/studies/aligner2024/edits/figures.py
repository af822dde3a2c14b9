"""The figure of corrections: error along the rounds, for several shares of broken answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.summary import summarize
from w2s.theory import aligner2024 as theory

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_LINES = 6


def _draw_rounds(table: DataFrame) -> Canvas | None:
    """Draw the error against the number of rounds, a line per share of broken answers; rings: the closed form."""
    rows, _ = fullest(table[table["fix"] > 0], ("rounds", "breaks"))
    if rows["rounds"].nunique() < 3:
        return None
    figure = figures.canvas(6.8, 4.0)
    ax = figures.panels(figure, 1, 1)[0, 0]
    for color, share in zip(figures.COLORS, sorted(rows["breaks"].unique())[:_LINES], strict=False):
        part = rows[rows["breaks"] == share]
        line = summarize(part, by=["rounds"], metrics=["student_error"])
        figures.band(
            ax,
            line["rounds"],
            line["student_error"],
            line["student_error_low"],
            line["student_error_high"],
            color=color,
            label=f"b = {share:g}",
        )
        expected = part.groupby("rounds")["student_error_theory"].mean()
        ax.plot(expected.index, expected, "o", color=color, markersize=6, fillstyle="none")
        fix = float(part["fix"].iloc[0])
        if fix + share > 0:
            ax.axhline(1.0 - float(theory.resting_accuracy(fix, share)), color=color, linewidth=0.7, linestyle=":")
    ax.set_xticks(np.unique(rows["rounds"]))
    ax.set(xlabel="rounds of corrections", ylabel="share of wrong answers", ylim=(0, None))
    figures.beside(ax)
    first = rows.iloc[0]
    held = f"accuracy {first['accuracy']:g}, f = {first['fix']:g}; rings: closed form; dotted: where it leads"
    heading_over_seeds(figure, "errors over rounds of corrections", rows, "{seeds}", held)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "rounds",
        "Errors over rounds of corrections",
        _draw_rounds,
        ("accounting", "closed_form", "no_edits_change_nothing", "good_models_are_harmed"),
    ),
)
