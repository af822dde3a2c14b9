"""Figures of students on images: correction and forgetting along the steps, and what inputs with both digits are worth."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.studies.oh2025.patches.figures import FIGURES as PATCHES
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]


def _draw_bridges(table: DataFrame) -> Canvas | None:
    """Draw the accuracy on hard-only inputs along the steps, a curve for each share of inputs with both digits."""
    rows, held = fullest(table[(table["student"] == "relu") & (table["step"] > 0)], ("step", "p_both"))
    if rows["step"].nunique() < 3 or rows["p_both"].nunique() < 2:
        return None
    figure = figures.canvas(6.4, 4.2)
    ax = figures.panels(figure, 1, 1)[0, 0]
    shown = rows.assign(hard=1.0 - rows["student_error_hard"], weak=1.0 - rows["weak_error_hard"])
    for color, (share, part) in zip(figures.COLORS, shown.groupby("p_both"), strict=False):
        line = summarize(part, by=["step"], metrics=["hard"])
        curve = (line[name] for name in ("step", "hard", "hard_low", "hard_high"))
        figures.band(ax, *curve, color=color, label=f"student, {share:g}")
    ax.axhline(shown["weak"].mean(), color="#555555", linestyle="--", linewidth=1.2, label="teacher")
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_ylim(0.38, 1.02)
    ax.set_xlabel("step", fontsize=9)
    ax.set_ylabel("accuracy on hard-only inputs", fontsize=9)
    ax.legend(fontsize=8, frameon=False, loc="upper right", ncols=2, title="share of inputs with both digits", title_fontsize=8)
    text = "\n".join(textwrap.wrap(held, 80))
    heading_over_seeds(figure, "hard digits are learnt from inputs with both", rows, "{seeds}", "bands: 95 % over seeds", text)
    return figure


_STEPS = replace(PATCHES[0], claims=("labels_are_corrected", "correction_is_forgotten", "overtraining_costs"))

FIGURES: tuple[Figure, ...] = (
    _STEPS,
    Figure("bridges", "What inputs with both digits teach", _draw_bridges, ("hard_digits_are_learnt", "no_bridge_no_gain")),
)
