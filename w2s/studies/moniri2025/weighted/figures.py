"""Figures of the weighted study: the best error against the ratio of the weights, and the error against the ridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.summary import best, summarize
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]


def _draw_ratio(table: DataFrame) -> Canvas | None:
    """Draw the least student error over the teacher's against the ratio, a line for each share and covariance."""
    rows, held = fullest(table[table["ridge"] > 0], ("share", "decay", "ratio", "ridge", "seed"))
    if rows["ratio"].nunique() < 4 or rows["ridge"].nunique() < 4:
        return None
    figure = figures.canvas(6.6, 4.3)
    ax = figures.panels(figure, 1, 1)[0, 0]
    kinds = rows[["decay", "share"]].drop_duplicates().sort_values(["decay", "share"], ascending=[True, False])
    for color, (_, kind) in zip(figures.COLORS, kinds.iterrows(), strict=False):
        part = rows[(rows["decay"] == kind["decay"]) & (rows["share"] == kind["share"])]
        names = ["student_error", "weak_error"]
        line = best(part, over="ridge", by=["ratio"], select_seeds="all", report_seeds="all", metrics=names)
        limit = part.groupby("ratio")["student_error_theory"].min() / part["weak_error_theory"].mean()
        inputs = "isotropic" if kind["decay"] == 0 else f"eigenvalues $i^{{-{value_text(kind['decay'])}}}$"
        label = f"{inputs}, {kind['share']:.0%} of the target in the first half"
        ax.plot(line["ratio"], line["student_error"] / line["weak_error"], "o", color=color, markersize=4, label=label)
        ax.plot(limit.index, limit, color=color, linewidth=1.4)
    figures.level(ax, 1.0)
    ax.set(xscale="log", xlabel="ratio: weights 1/ratio in the first half, ratio in the second")
    ax.set_ylabel("best student error / teacher's error", fontsize=9)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(fontsize=8, frameon=False)
    note = "points: means, ridge selected by the truth; lines: limits"
    heading_over_seeds(figure, "gain by weights that fit the target", rows, "{seeds}", note, held)
    return figure


def _draw_ridge(table: DataFrame) -> Canvas | None:
    """Draw the student's error against its ridge, a line for each ratio."""
    chosen = (table["share"] == table["share"].max()) & (table["decay"] == table["decay"].min()) & (table["ridge"] > 0)
    rows, held = fullest(table[chosen], ("ratio", "ridge", "seed"))
    if rows["ratio"].nunique() < 2 or rows["ridge"].nunique() < 4:
        return None
    figure = figures.canvas(7.4, 4.3)
    ax = figures.panels(figure, 1, 1)[0, 0]
    for color, ratio in zip(figures.COLORS, sorted(rows["ratio"].unique()), strict=False):
        _line(ax, rows[rows["ratio"] == ratio], color, f"ratio {value_text(ratio)}")
    figures.level(ax, float(rows["weak_error_theory"].iloc[0]))
    ax.set(xscale="log", xlabel="student's ridge")
    ax.set_ylabel("student's excess risk", fontsize=9)
    figures.beside(ax)
    note = "points: means, bands of 95 %; lines: limits; black: the teacher's limit"
    heading_over_seeds(figure, "students with weights against their ridge", rows, "{seeds}", note, held)
    return figure


def _line(ax: Axes, rows: DataFrame, color: str, label: str) -> None:
    line = summarize(rows, by=["ridge"], metrics=["student_error"])
    order = np.argsort(line["ridge"].to_numpy(float))
    names = ("ridge", "student_error", "student_error_low", "student_error_high")
    at, mean, low, high = (line[name].to_numpy(float)[order] for name in names)
    ax.fill_between(at, low, high, color=color, alpha=0.18, linewidth=0)
    ax.plot(at, mean, "o", color=color, markersize=3)
    limit = rows.groupby("ridge")["student_error_theory"].mean()
    ax.plot(limit.index, limit, color=color, linewidth=1.4, label=label)


FIGURES: tuple[Figure, ...] = (
    Figure("ratio", "Gain by weights that fit the target", _draw_ratio, ("gains_over_tuned_teacher", "gain_rises_with_ratio")),
    Figure(
        "ridge",
        "Students with weights against their ridge",
        _draw_ridge,
        ("weighted_limit", "no_gain_without_weights", "wrong_weights_lose"),
    ),
)
