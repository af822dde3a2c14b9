"""Figures of the study on posterior means: gain over misfit against the number of teachers, and against the student's width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds, seeds_text
from w2s.theory import xu2025 as theory

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_STUDENTS = ("mean", "primal", "fitted")


def _ratios(rows: DataFrame, by: str) -> DataFrame:
    """Compute mean gain over mean misfit at every value of a field: errors are averaged before they are divided."""
    means = rows.groupby(by, as_index=False)[["gain", "misfit"]].mean()
    return means.assign(ratio=means["gain"] / means["misfit"])


def _draw_teachers(table: DataFrame) -> Canvas | None:
    """Draw gain / misfit beside fresh teachers against the number of teachers, a panel per task; dashed: (B - 1)/(B + 1)."""
    rows = table[table["beside"] == "fresh"]
    rows = rows[rows["d_strong"] == rows.groupby("d_strong")["teachers"].nunique().idxmax()] if len(rows) else rows
    tasks = [task for task in ("regression", "classification") if rows[rows["task"] == task]["teachers"].nunique() >= 3]
    if not tasks:
        return None
    figure = figures.canvas(4.0 * len(tasks) + 1.6, 3.8)
    axes = figures.panels(figure, 1, len(tasks), sharey=True)[0]
    for ax, task in zip(axes, tasks, strict=True):
        for color, student in zip(figures.COLORS, _STUDENTS, strict=False):
            part = rows[(rows["task"] == task) & (rows["student"] == student)]
            line = _ratios(part, "teachers")
            form, fill = ("o", "none") if student == "mean" else ("o-", "full")
            ax.plot(line["teachers"], line["ratio"], form, color=color, markersize=5, fillstyle=fill, label=student)
        counts = np.geomspace(1, rows["teachers"].max(), 80)
        ax.plot(counts, theory.fresh_teacher_ratio(counts), "--", color="#555555", label="(B - 1)/(B + 1)")
        figures.level(ax, 1.0)
        ax.set(xscale="log", xlabel="teachers, B")
        ax.set_title(f"{task}, {seeds_text(rows[rows['task'] == task])}", fontsize=10)
    axes[0].set_ylabel("mean gain / mean misfit")
    figures.beside(axes[-1])
    note = "a ratio of means over seeds; rings lie under the points where a fitted student is the mean"
    figures.heading(figure, "gain over misfit beside teachers that were not pooled", note)
    return figure


def _draw_widths(table: DataFrame) -> Canvas | None:
    """Draw gain / misfit of fitted students, and their distance to the mean of their teachers, against their width."""
    rows = table[(table["student"] == "fitted") & (table["beside"] == "pool")]
    if rows["d_strong"].nunique() < 3:
        return None
    rows = rows[rows["teachers"] == rows.groupby("teachers")["d_strong"].nunique().idxmax()]
    figure = figures.canvas(8.4, 3.8)
    left, right = figures.panels(figure, 1, 2)[0]
    for color, task in zip(figures.COLORS, ("regression", "classification"), strict=False):
        part = rows[rows["task"] == task]
        line = _ratios(part, "d_strong")
        far = part.groupby("d_strong")["distance_to_mean"].mean()
        left.plot(line["d_strong"], line["ratio"], "o-", color=color, markersize=4, label=task)
        right.plot(far.index, far, "o-", color=color, markersize=4)
    figures.level(left, 1.0)
    left.set(xlabel="features of the student", ylabel="mean gain / mean misfit")
    right.set(xlabel="features of the student", ylabel="distance to the mean of the teachers", ylim=(0, None))
    left.legend(fontsize=8, frameon=False)
    held = f"{int(rows['teachers'].iloc[0])} teachers"
    heading_over_seeds(figure, "larger students approach the mean of their teachers", rows, "{seeds}", held)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure("teachers", "Gain over misfit against the number of teachers", _draw_teachers, ("fresh_teachers", "ratio_rises")),
    Figure("widths", "Larger students approach the mean", _draw_widths, ("wider_students",)),
)
"""Figures of :class:`w2s.studies.xu2025.posterior_mean.study.PosteriorMean`."""
