"""Figures of the similarity study: gain against similarity, and what the student reaches between teacher and oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.figures.symbols import setting
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_MODELS = (
    ("weak_error_01", "supervisor"),
    ("student_error_01", "student"),
    ("strong_error_01", "strong baseline"),
    ("ceiling_error_01", "ceiling"),
    ("mean_error_01", "mean of both models"),
    ("oracle_error_01", "oracle of both models"),
)


def _draw_gain(table: DataFrame) -> Canvas | None:
    """Draw gain against similarity, a panel for each width of the supervisor's view, a line for each of the student's."""
    rows, held = fullest(table, ("overlap", "d_weak", "d_strong"))
    if rows["overlap"].nunique() < 3:
        return None
    widths = sorted(rows["d_weak"].unique())[:4]
    figure = figures.canvas(3.2 * len(widths) + 1.4, 3.6)
    axes = figures.panels(figure, 1, len(widths), sharey=True)[0]
    for ax, width in zip(axes, widths, strict=True):
        part = rows[rows["d_weak"] == width]
        for color, strong in zip(figures.COLORS, sorted(rows["d_strong"].unique()), strict=False):
            line = part[part["d_strong"] == strong]
            if not len(line):
                ax.plot([], [], color=color, label=setting("d_strong", strong))  # the legend is that of the last panel
                continue
            found = summarize(line, by=["overlap"], metrics=["gain_01", "similarity"])
            figures.band(
                ax, found["similarity"], found["gain_01"], found["gain_01_low"], found["gain_01_high"],
                color=color, label=setting("d_strong", strong), marker="o", markersize=3.5,
            )  # fmt: skip
        figures.level(ax, 0.0)
        ax.set_title(setting("d_weak", width), fontsize=10)
        ax.set_xlabel("similarity before training", fontsize=9)
    axes[0].set_ylabel("gain, share of items", fontsize=9)
    figures.beside(axes[-1])
    title = "gain against similarity of supervisor and strong baseline; a point is a number of shared features"
    heading_over_seeds(figure, title, rows, "{seeds}, bands of 95 %", held)
    return figure


def _draw_models(table: DataFrame) -> Canvas | None:
    """Draw the errors of all models and of both combinations against the number of shared features."""
    wide = table[table["d_strong"] == table["d_strong"].max()]
    rows, held = fullest(wide, ("overlap",))
    if rows["overlap"].nunique() < 3:
        return None
    figure = figures.canvas(7.4, 4.0)
    ax = figures.panels(figure, 1, 1)[0, 0]
    for color, (name, label) in zip(figures.COLORS, _MODELS, strict=False):
        found = summarize(rows, by=["overlap"], metrics=[name])
        figures.band(
            ax, found["overlap"], found[name], found[f"{name}_low"], found[f"{name}_high"],
            color=color, label=label, marker="o", markersize=3.5,
        )  # fmt: skip
    ax.set(xlabel="features that both see", ylabel="share of wrong answers", ylim=(0, None))
    figures.beside(ax)
    heading_over_seeds(figure, "models and their combinations", rows, "{seeds}, bands of 95 %", held)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure("gain_similarity", "Gain against similarity", _draw_gain, ("gain_falls_with_similarity", "nested_view_copies")),
    Figure(
        "models",
        "Errors of models and combinations",
        _draw_models,
        ("independent_views", "complementary_view_gains", "nested_view_copies", "below_the_mean_of_both"),
    ),
)
"""Figures of :class:`w2s.studies.goel2025.similarity.study.Similarity`."""
