"""Figures of the refinement study: errors against the number of demonstrations, and the threshold of the closest concept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds, spread
from w2s.summary import summarize
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_NOTE = "{seeds}; bands: 95 % over seeds, each with data of its own"


def _draw_demonstrations(table: DataFrame) -> Canvas | None:
    """Draw the error against m: naive, refined without a decoy, refined with decoys farther and nearer than the truth."""
    rows, held = fullest(table, ["n_transfer", "student", "decoy", "apart"])
    if rows["n_transfer"].nunique() < 4:
        return None
    refined = rows[rows["student"] == "refined"]
    lines = [("naive", rows[(rows["student"] == "naive") & (rows["decoy"] == rows["decoy"].min())])]
    lines += [("refined, no decoy", refined[refined["decoy"] == "absent"])]
    values = spread(sorted(refined["apart"].dropna().unique()), len(figures.COLORS) - len(lines))
    lines += [(f"refined, decoy {value_text(apart)} apart", refined[refined["apart"] == apart]) for apart in values]
    figure = figures.canvas(7.2, 4.2)
    ax = figures.panels(figure, 1, 1)[0, 0]
    for color, (label, part) in zip(figures.COLORS, lines, strict=False):
        if len(part):
            line = summarize(part, by=["n_transfer"], metrics=["student_error"])
            low, high = line["student_error_low"], line["student_error_high"]
            figures.band(ax, line["n_transfer"], line["student_error"], low, high, color=color, label=label)
            ax.plot([line["n_transfer"].max()], [part["limit_error_theory"].iloc[0]], "s", color=color, markersize=5)
    ax.axhline(rows["weak_error"].mean(), color="#000000", linewidth=0.9, linestyle=":", label="weak labels")
    ax.set(xscale="log", xlabel="weakly labelled demonstrations, m", ylabel="student's error", ylim=(-0.01, 0.55))
    figures.beside(ax)
    heading_over_seeds(
        figure, "naive finetuning keeps the bias, refinement the closest concept", rows, _NOTE, "squares: limits", held
    )
    return figure


def _draw_threshold(table: DataFrame) -> Canvas | None:
    """Draw the refined student's error against how far apart the decoy is, a line per m; black: the limit."""
    chosen = table[(table["student"] == "refined") & (table["decoy"] == "present")]
    rows, held = fullest(chosen, ["n_transfer", "apart"])
    if rows["apart"].nunique() < 4:
        return None
    figure = figures.canvas(6.8, 4.0)
    ax = figures.panels(figure, 1, 1)[0, 0]
    shown = spread(sorted(rows["n_transfer"].unique()), 6)
    for color, m in zip(figures.COLORS, shown, strict=False):
        part = rows[rows["n_transfer"] == m]
        line = summarize(part, by=["apart"], metrics=["student_error"])
        low, high = line["student_error_low"], line["student_error_high"]
        figures.band(ax, line["apart"], line["student_error"], low, high, color=color, label=f"m = {value_text(m)}")
        theory = part.groupby("apart")["student_error_theory"].mean()
        ax.plot(theory.index, theory, color=color, linewidth=1.0, linestyle="--")
    limit = rows.groupby("apart")["limit_error_theory"].mean()
    ax.plot(limit.index, limit, "s", color="#000000", markersize=4, label="limit")
    ax.axvline(float(rows["weak_error"].iloc[0]), color="#555555", linewidth=0.8, linestyle=":")
    ax.set(xlabel="part of the contexts that set the decoy apart", ylabel="refined student's error")
    figures.beside(ax)
    title = "refinement finds the closest concept; dotted: the bias"
    heading_over_seeds(figure, title, rows, _NOTE, "dashed: expectation", held)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "demonstrations",
        "Error against the number of demonstrations",
        _draw_demonstrations,
        ("naive_keeps_the_bias", "expectations", "refinement_overcomes_the_bias"),
    ),
    Figure("threshold", "The closest concept", _draw_threshold, ("refinement_overcomes_the_bias", "refinement_is_no_oracle")),
)
