"""Figures of the correction study: student against teacher by the structure of errors, and errors on silent points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds, spread
from w2s.figures.symbols import setting
from w2s.summary import summarize
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_NOTE = "{seeds}; bands: 95 % over seeds, each with data of its own"
_WHERE = {"random": "silent at random", "across": "silent across both classes", "along": "silent about one class"}


def _draw_correction(table: DataFrame) -> Canvas | None:
    """Draw the student's error and the measured expansion against the teacher's error, a line per part of it in a region."""
    rows, held = fullest(table[table["abstains"] == "nowhere"], ["teacher_error", "structured"])
    if rows["teacher_error"].nunique() < 3:
        return None
    figure = figures.canvas(9.2, 4.0)
    left, right = figures.panels(figure, 1, 2)[0]
    for color, part in zip(figures.COLORS, spread(sorted(rows["structured"].unique()), len(figures.COLORS)), strict=False):
        line = summarize(rows[rows["structured"] == part], by=["teacher_error"], metrics=["student_error"])
        label = setting("structured", part)
        low, high = line["student_error_low"], line["student_error_high"]
        figures.band(left, line["teacher_error"], line["student_error"], low, high, color=color, label=label)
        same = rows[rows["structured"] == part].dropna(subset=["expansion_correction"])
        if len(same):
            found = summarize(same, by=["teacher_error"], metrics=["expansion_correction"])
            ends = found["expansion_correction_low"], found["expansion_correction_high"]
            figures.band(right, found["teacher_error"], found["expansion_correction"], *ends, color=color, label=label)
        limit = rows[rows["structured"] == part].groupby("teacher_error")["student_error_theory"].mean()
        left.plot(limit.index, limit, color=color, linewidth=1.0, linestyle="--")
    diagonal = np.array([0.0, float(rows["teacher_error"].max())])
    left.plot(diagonal, diagonal, color="#000000", linewidth=0.9)
    left.set(xlabel="teacher's error", ylabel="student's error")
    right.set(xlabel="teacher's error", ylabel="expansion from right to wrong labels")
    right.set_ylim(bottom=0.0)
    figures.beside(right)
    title = "errors at random are corrected, errors that fill a region are inherited"
    heading_over_seeds(figure, title, rows, _NOTE, "dashed: unlimited labels; black: no correction", held)
    return figure


def _draw_coverage(table: DataFrame) -> Canvas | None:
    """Draw errors on covered and on silent points against the share of silent ones, a panel per kind of silence."""
    rows, held = fullest(table[table["abstains"] != "nowhere"], ["abstain", "abstains"])
    kinds = [kind for kind in _WHERE if rows[rows["abstains"] == kind]["abstain"].nunique() >= 3]
    if not kinds:
        return None
    figure = figures.canvas(2.9 * len(kinds) + 2.2, 3.9)
    axes = figures.panels(figure, 1, len(kinds), sharey=True)[0]
    lines = {
        "student_error": "student, covered points",
        "student_error_uncovered": "student, silent points",
        "ceiling_error_uncovered": "ceiling, silent points",
    }
    for ax, kind in zip(axes, kinds, strict=True):
        part = rows[rows["abstains"] == kind]
        for color, (name, label) in zip(figures.COLORS, lines.items(), strict=False):
            line = summarize(part, by=["abstain"], metrics=[name])
            figures.band(ax, line["abstain"], line[name], line[f"{name}_low"], line[f"{name}_high"], color=color, label=label)
        ax.axhline(part["weak_error"].mean(), color="#555555", linewidth=1.0, linestyle=":", label="teacher, covered points")
        ax.set(xlabel="share of silent points", yscale="log", title=_WHERE[kind])
        ax.title.set_fontsize(10)
        ax.yaxis.set_major_formatter("{x:g}")
    axes[0].set_ylabel("share of wrong classes")
    figures.beside(axes[-1])
    fixed = f"teacher's error = {value_text(rows['teacher_error'].iloc[0])}"
    heading_over_seeds(figure, "coverage expands to silent points with labelled neighbours", rows, _NOTE, fixed, held)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "correction",
        "Student against teacher, by the structure of errors",
        _draw_correction,
        ("region_errors_inherited", "random_errors_corrected", "structure_decides"),
    ),
    Figure("coverage", "Errors on silent points", _draw_coverage, ("coverage_expands", "no_expansion_no_coverage")),
)
