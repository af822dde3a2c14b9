"""Figures of the study on limits: what happens along training, for both kinds of errors and both losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_METRICS = (
    ("student_error", "error, nats", "weak_error"),
    ("student_calibration", "calibration error", "weak_calibration"),
    ("disagreement", "disagreement with the teacher", None),
)


def _draw_steps(table: DataFrame) -> Canvas | None:
    """Draw error, calibration and disagreement against steps, a line for each kind of errors and each loss."""
    rows, held = fullest(table[table["steps"] > 0], ("steps", "errors", "loss"))
    if rows["steps"].nunique() < 4:
        return None
    figure = figures.canvas(12.0, 3.8)
    axes = figures.panels(figure, 1, len(_METRICS))[0]
    for ax, (name, label, teacher) in zip(axes, _METRICS, strict=True):
        for color, errors in zip(figures.COLORS, ("structured", "random"), strict=False):
            for line, loss in (("-", "forward"), ("--", "reverse")):
                part = rows[(rows["errors"] == errors) & (rows["loss"] == loss)]
                if len(part):
                    found = summarize(part, by=["steps"], metrics=[name])
                    figures.band(
                        ax, found["steps"], found[name], found[f"{name}_low"], found[f"{name}_high"],
                        color=color, label=f"{errors} errors, {loss} loss", linestyle=line,
                    )  # fmt: skip
        if teacher:
            figures.level(ax, float(rows[teacher].mean()))
        ax.set(xscale="log", xlabel="steps")
        ax.set_ylabel(label, fontsize=9)
    axes[0].set_yscale("log")
    figures.beside(axes[-1])
    note = "{seeds}, bands of 95 %; black lines: the teachers' mean"
    heading_over_seeds(figure, "a student of weak labels along its training", rows, note, held)
    return figure


def _draw_bounds(table: DataFrame) -> Canvas | None:
    """Draw the difference of errors against its bound, a point for every row, for shares of errors and for variation."""
    if len(table) < 10:
        return None
    figure = figures.canvas(8.6, 4.0)
    left, right = figures.panels(figure, 1, 2)[0]
    pairs = (
        (left, (table["student_error_01"] - table["weak_error_01"]).abs(), table["disagreement"], "disagreement"),
        (
            right,
            (table["student_variation"] - table["weak_variation"]).abs(),
            table["variation_bound_theory"],
            "sqrt(misfit / 2)",
        ),
    )
    for ax, difference, bound, label in pairs:
        for color, errors in zip(figures.COLORS, ("structured", "random"), strict=False):
            chosen = (table["errors"] == errors) & (bound > 1e-4) & (difference > 1e-6)
            ax.plot(bound[chosen], difference[chosen], ".", color=color, markersize=3, alpha=0.5, label=f"{errors} errors")
        ends = [1e-4, 1.0]
        ax.plot(ends, ends, color="#000000", linewidth=0.9)
        ax.set(xscale="log", yscale="log", xlabel=f"bound: {label}")
    left.set_ylabel("|difference of errors|")
    right.set_ylabel("|difference of variations|")
    right.legend(fontsize=8, frameon=False, markerscale=3)
    heading_over_seeds(figure, "differences from the teacher and their bounds", table, "{seeds}; a point is a row")
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "steps",
        "Error, calibration and disagreement along training",
        _draw_steps,
        ("overtraining", "errors_taken_over", "random_errors_stay_out", "reverse_is_bolder"),
    ),
    Figure("bounds", "Differences from the teacher and their bounds", _draw_bounds, ("error_bound", "variation_bound")),
)
"""Figures of :class:`w2s.studies.yao2025.limits.study.Limits`."""
