"""Figures of the regions study: labels and students along the judge's threshold, and along the smoothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.summary import summarize
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_NOTE = "{seeds}; bands: 95 % over seeds, each with data of its own"
_SHARES = {
    "label_accuracy": "chosen labels",
    "own_accuracy_selected": "own answers, selected",
    "smoothed_accuracy_rest": "weak labels, the rest",
    "selected_share": "share with own answers",
}
_ERRORS = {"student_error": "student", "naive_error": "student of weak labels", "self_error": "student of own answers"}
_ERRORS |= {"ceiling_error": "ceiling"}


def _lines(ax: Axes, rows: DataFrame, axis: str, names: dict[str, str]) -> None:
    for color, (name, label) in zip(figures.COLORS, names.items(), strict=False):
        known = rows.dropna(subset=[name])
        if len(known):
            line = summarize(known, by=[axis], metrics=[name])
            figures.band(ax, line[axis], line[name], line[f"{name}_low"], line[f"{name}_high"], color=color, label=label)


def _draw_threshold(table: DataFrame) -> Canvas | None:
    """Draw accuracies and the share of own answers, and errors of students, against a fixed threshold."""
    rows, held = fullest(table[table["rule"] == "fixed"], ["threshold"])
    if rows["threshold"].nunique() < 3:
        return None
    figure = figures.canvas(11.4, 3.9)
    left, right = figures.panels(figure, 1, 2)[0]
    _lines(left, rows, "threshold", _SHARES)
    _lines(right, rows, "threshold", _ERRORS)
    left.axhline(rows["weak_label_accuracy"].mean(), color="#555555", linewidth=1.0, linestyle=":", label="weak labels, all")
    right.axhline(rows["weak_error"].mean(), color="#555555", linewidth=1.0, linestyle=":", label="weak model")
    left.set(xlabel="threshold of the judge", ylabel="share of the transfer items", ylim=(-0.02, 1.02))
    right.set(xlabel="threshold of the judge", ylabel="share of wrong classes", ylim=(0.0, None))
    figures.beside(left)
    figures.beside(right)
    heading_over_seeds(figure, "own answers above the threshold, weak labels below it", rows, _NOTE, held)
    return figure


def _draw_smoothing(table: DataFrame) -> Canvas | None:
    """Draw the accuracy of weak labels on items without own answers, and the student's error, against beta."""
    rows, held = fullest(table[table["rule"] != "fixed"], ["beta", "errors", "k"])
    if rows["beta"].nunique() < 3:
        return None
    figure = figures.canvas(10.6, 3.9)
    left, right = figures.panels(figure, 1, 2)[0]
    settings = rows[["errors", "k"]].drop_duplicates().sort_values(["errors", "k"], ascending=[False, True])
    for color, (errors, k) in zip(figures.COLORS, settings.itertuples(index=False), strict=False):
        part = rows[(rows["errors"] == errors) & (rows["k"] == k)]
        for ax, name in ((left, "smoothed_accuracy_rest"), (right, "student_error")):
            line = summarize(part, by=["beta"], metrics=[name])
            ends = line[f"{name}_low"], line[f"{name}_high"]
            figures.band(ax, line["beta"], line[name], *ends, color=color, label=f"{errors} errors, k = {value_text(k)}")
    left.set(xlabel="beta", ylabel="accuracy of smoothed weak labels\nwhere no own answer is used")
    right.set(xlabel="beta", ylabel="student's share of wrong classes")
    figures.beside(right)
    heading_over_seeds(figure, "weak labels smoothed along the strong model's features", rows, _NOTE, held)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "threshold",
        "Labels and students by the judge's threshold",
        _draw_threshold,
        (
            "chosen_labels_are_better",
            "labels_follow_the_arithmetic",
            "chance_judge_no_better_labels",
            "chance_judge_no_better_student",
            "coinciding_errors_hurt",
        ),
    ),
    Figure("smoothing", "Smoothing of weak labels", _draw_smoothing, ("smoothing_helps",)),
)
