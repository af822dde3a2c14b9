"""Figures of the surrogate study: error against the features that a surrogate keeps, and against the rows of the student."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.figures.symbols import setting
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_ERRORS = ["student_error", "ceiling_error", "student_error_theory", "ceiling_error_theory"]
_NAMES = {"truth": "true labels", "mask": "best mask", "optimal": "optimal surrogate"}
_NOTE = "{seeds}; bands: 95 % over seeds, each with data of its own; dashed: deterministic equivalent"


def _draw_keep(table: DataFrame) -> Canvas | None:
    """Draw the student's error over that on true labels, against the features its surrogate keeps; a panel per noise."""
    rows, held = fullest(table[table["surrogate"] == "first"], ["keep", "noise"])
    if rows["keep"].nunique() < 3:
        return None
    same = ["d", "decay", "signal_decay", "n_transfer", "ridge", "noise"]
    noises = sorted(rows["noise"].unique())[:3]
    figure = figures.canvas(3.0 * len(noises) + 2.2, 4.0)
    axes = figures.panels(figure, 1, len(noises), sharey=True)[0]
    for ax, noise in zip(axes, noises, strict=True):
        part = rows[rows["noise"] == noise]
        mean = part.groupby("keep")[_ERRORS].mean()
        ax.plot(mean.index, _simulated(mean), "o-", color=figures.COLORS[0], markersize=4, label="first features")
        ax.plot(mean.index, _expected(mean), color=figures.COLORS[0], linewidth=1.0, linestyle="--")
        for color, name in zip(figures.COLORS[1:], ("mask", "optimal"), strict=False):
            others = table[table["surrogate"] == name].merge(part[same].drop_duplicates(), on=same)
            if len(others):
                level = others[_ERRORS].mean()
                ax.axhline(_simulated(level), color=color, linewidth=1.4, label=_NAMES[name])
                ax.axhline(_expected(level), color=color, linewidth=1.0, linestyle="--")
        figures.level(ax, 1.0)
        ax.set(xlabel="features that the surrogate keeps", title=setting("noise", noise))
        ax.title.set_fontsize(10)
        ax.set_ylim(top=1.5, bottom=0.75)
    axes[0].set_ylabel("student's error / error on true labels")
    figures.beside(axes[-1])
    fixed = ", ".join(setting(name, rows[name].iloc[0]) for name in ("d", "n_transfer"))
    title = "a surrogate that keeps fewer features can be the better teacher"
    heading_over_seeds(figure, title, rows, "{seeds}; dashed: deterministic equivalent", fixed, held)
    return figure


def _simulated(mean: Any) -> Any:
    return mean["student_error"] / mean["ceiling_error"]


def _expected(mean: Any) -> Any:
    return mean["student_error_theory"] / mean["ceiling_error_theory"]


def _draw_scaling(table: DataFrame) -> Canvas | None:
    """Draw the student's error against its rows, and beside it the ratio to the error on true labels, a line per surrogate."""
    chosen = table[table["surrogate"].isin(list(_NAMES))]
    rows, held = fullest(chosen, ["n_transfer", "surrogate"])
    if rows["n_transfer"].nunique() < 3:
        return None
    figure = figures.canvas(8.0, 3.8)
    left, right = figures.panels(figure, 1, 2)[0]
    for color, (name, label) in zip(figures.COLORS[1:], _NAMES.items(), strict=False):
        part = rows[rows["surrogate"] == name]
        if not len(part):
            continue
        _line(left, part, "n_transfer", color, label)
        mean = part.groupby("n_transfer")[_ERRORS].mean()
        right.plot(mean.index, _simulated(mean), "o-", color=color, markersize=4, label=label)
        right.plot(mean.index, _expected(mean), color=color, linewidth=1.0, linestyle="--")
    left.set(xscale="log", yscale="log", xlabel="rows of the student", ylabel="student's excess risk")
    right.set(xscale="log", xlabel="rows of the student", ylabel="error / error on true labels")
    for ax in (left, right):
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(lambda x, _: figures.few_digits(x))
        ax.tick_params(which="minor", labelsize=8, labelcolor="#555555")
    figures.beside(right)
    fixed = setting("d", rows["d"].iloc[0])
    heading_over_seeds(figure, "a better surrogate: a smaller constant, the same exponent", rows, _NOTE, fixed, held)
    return figure


def _line(ax: Axes, rows: DataFrame, over: str, color: str, label: str) -> None:
    found = summarize(rows, by=[over], metrics=["student_error", "student_error_theory"])
    low, high = found["student_error_low"], found["student_error_high"]
    figures.band(ax, found[over], found["student_error"], low, high, color=color, label=label)
    theory = found.sort_values(over)
    ax.plot(theory[over], theory["student_error_theory"], color=color, linewidth=1.0, linestyle="--")


FIGURES: tuple[Figure, ...] = (
    Figure(
        "keep",
        "Error against the features that a surrogate keeps",
        _draw_keep,
        ("deterministic_equivalent", "weaker_teacher_better_student", "too_weak_hurts"),
    ),
    Figure("scaling", "Error against the rows of the student", _draw_scaling, ("optimal_below_truth", "exponent_unchanged")),
)
