"""Figures of the random feature study: loss ratio over time, exponent, width of the student, ridge against flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds, hold, unshown_fields
from w2s.figures.symbols import axis_name, setting
from w2s.summary import best, summarize
from w2s.summary.text import value_text
from w2s.theory import medvedev2025 as theory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_SEEN = ("model", "student", "student_filter", "time", "ridge")
_ORACLE = "times selected by the truth, on the same seeds"


def _draw_times(table: DataFrame) -> Canvas | None:
    """Draw the loss ratio against time, a line per teacher width.

    Columns are dimensions, or parts of the target in degree 2.
    """
    rows, held = _held(_flow(_one_model(table)), ("d_weak", "d", "quadratic"), widest=("d_strong",))
    if rows["time"].nunique() < 5:
        return None
    together = _zipped(rows)
    column = "model" if together else "quadratic" if rows["quadratic"].nunique() > 1 else "d"
    values = sorted(rows[column].unique())[:4]
    if rows["d_weak"].nunique() > len(figures.COLORS):
        held = "; ".join(part for part in (held, f"the {len(figures.COLORS)} narrowest teachers") if part)
    figure, axes = _columns(len(values), "loss ratio over stopping time", rows, held)
    for ax, value in zip(axes, values, strict=True):
        part = rows[rows[column] == value]
        for color, width in zip(figures.COLORS, sorted(part["d_weak"].unique()), strict=False):
            line = summarize(part[part["d_weak"] == width], by=["time_scaled"], metrics=["loss_ratio"])
            low, high = line["loss_ratio_low"], line["loss_ratio_high"]
            label = setting("d_weak", width) + (
                f", {setting('d', _of(part[part['d_weak'] == width], 'd')[0])}" if together else ""
            )
            figures.band(ax, line["time_scaled"], line["loss_ratio"], low, high, color=color, label=label)
        ax.set_title(setting(column, value), fontsize=10)
        _ratio_axes(ax, "time x eigenvalue of the linear part")
    figures.beside(axes[-1])
    return figure


def _draw_exponent(table: DataFrame) -> Canvas | None:
    """Draw the best student error against the teacher's error on logarithmic axes.

    Lines show the proved slope, slope 2 and the bound.
    """
    found = []
    for model in ("relu", "linear"):
        rows = _flow(table[(table["model"] == model) & (table["student"] == "infinite")])
        rows = rows[~(rows["quadratic"] > 0) & ~(rows["quartic"] > 0)]
        lines = (
            [("linear network", rows)]
            if model == "linear"
            else [(f"ReLU, {setting('d', d)}", rows[rows["d"] == d]) for d in _of(rows, "d")]
        )
        found += [(model, label, _best(part, ["d_weak"])) for label, part in lines if part["d_weak"].nunique() >= 3]
    if not found:
        return None
    figure = figures.canvas(6.4, 4.6)
    ax = figures.panels(figure, 1, 1)[0, 0]
    for color, (_, label, line) in zip(figures.COLORS, found, strict=False):
        slope = np.polyfit(np.log(line["weak_error"]), np.log(line["student_error"]), 1)[0]
        ax.plot(line["weak_error"], line["student_error"], "o-", color=color, markersize=4, label=f"{label}: slope {slope:.2f}")
    least = min(float(line["weak_error"].min()) for _, _, line in found)
    _guides(ax, np.append(np.geomspace(0.8 * least, 0.9, 60), 1.0 - np.linspace(0.1, 0.0, 60) ** 2 * 10.0))
    ax.set(xscale="log", yscale="log", xlabel="teacher's error L", ylabel="best student error")
    ax.legend(fontsize=8, frameon=False)
    heading_over_seeds(figure, "best student error against the teacher's error", table, "{seeds}", _ORACLE)
    return figure


def _draw_widths(table: DataFrame) -> Canvas | None:
    """Draw the best loss ratio against the student's width, a line per teacher width; dotted: the infinite student."""
    rows = _flow(_one_model(table))
    rows, held = _held(rows, ("d_weak", "d_strong", *(("d",) if _zipped(rows) else ())), every=("student",))
    finite = rows[rows["student"] == "finite"]
    if finite["d_strong"].nunique() < 3:
        return None
    widths = finite.groupby("seed")["d_strong"].nunique()
    rows = rows[rows["seed"].isin(widths[widths == widths.max()].index)]  # wide students may have fewer seeds
    finite = rows[rows["student"] == "finite"]
    figure = figures.canvas(6.4, 4.2)
    ax = figures.panels(figure, 1, 1)[0, 0]
    limit = rows[rows["student"] == "infinite"]
    for color, width in zip(figures.COLORS, _of(finite, "d_weak"), strict=False):
        line = _best(finite[finite["d_weak"] == width], ["d_strong"])
        ratio = line["student_error"] / line["weak_error"]
        ax.plot(line["d_strong"], ratio, "o-", color=color, markersize=4, label=setting("d_weak", width))
        beyond = limit[limit["d_weak"] == width]
        if len(beyond):
            end = _best(beyond, ["d_weak"])
            ax.axhline(float((end["student_error"] / end["weak_error"]).iloc[0]), color=color, linewidth=1.0, linestyle=":")
    _ratio_axes(ax, f"width of the student, {axis_name('d_strong')}")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_ylabel("best student error / teacher's error", fontsize=9)
    ax.legend(fontsize=8, frameon=False)
    title = "best loss ratio against the student's width; dotted: infinite student"
    heading_over_seeds(figure, title, rows, "{seeds}", _ORACLE, held)
    return figure


def _draw_filters(table: DataFrame) -> Canvas | None:
    """Draw the loss ratio of flow against time and of ridge against 1/lambda.

    Both are in units of the linear part's eigenvalue.
    """
    if not {"flow", "ridge"} <= set(table["student_filter"]) or table["ridge"].nunique() < 5:
        return None
    both = _one_model(table)
    both = both[((both["student_filter"] == "ridge") | (both["time"] > 0)) & ~_endless(both)]
    rows, held = _held(
        both, ("d_weak", *(("d",) if _zipped(both) else ())), every=("student_filter", "time", "ridge"), widest=("d_strong",)
    )
    figure = figures.canvas(6.8, 4.4)
    ax = figures.panels(figure, 1, 1)[0, 0]
    unit = (rows["time_scaled"] / rows["time"]).max()
    for color, width in zip(figures.COLORS, _of(rows, "d_weak"), strict=False):
        for name, style in (("flow", "-"), ("ridge", (0, (4, 2)))):
            part = rows[(rows["d_weak"] == width) & (rows["student_filter"] == name)]
            line = part.groupby("time" if name == "flow" else "ridge")[["student_error", "weak_error"]].mean()
            x = line.index.to_numpy() * unit if name == "flow" else unit / line.index.to_numpy()
            label = f"{setting('d_weak', width)}, {name}"
            ax.plot(x, line["student_error"] / line["weak_error"], color=color, linestyle=style, linewidth=1.6, label=label)
    _ratio_axes(ax, "time, or 1 / ridge, x eigenvalue of the linear part")
    figures.beside(ax)
    heading_over_seeds(figure, "loss ratio by gradient flow and by ridge", rows, "{seeds}", held)
    return figure


def _one_model(table: DataFrame) -> DataFrame:
    """Keep the rows of the ReLU network, or of the linear one where there is no other."""
    chosen: DataFrame = table[table["model"] == table["model"].max()]
    return chosen


def _of(rows: DataFrame, name: str) -> list[Any]:
    return sorted(rows[name].dropna().unique())


def _endless(rows: DataFrame) -> Any:
    return (rows["time"] == np.inf) | (rows["ridge"] == 0)


def _flow(table: DataFrame) -> DataFrame:
    """Keep the rows of flow students at a finite time above zero."""
    return table[(table["student_filter"] == "flow") & (table["time"] > 0) & (table["time"] < np.inf)]


def _zipped(rows: DataFrame) -> bool:
    """Tell whether every teacher width has a dimension of its own, as in the linear network of the paper."""
    return bool((rows.groupby("d")["d_weak"].nunique() == 1).all() and rows["d"].nunique() > 1)


def _held(
    rows: DataFrame, shown: tuple[str, ...], *, every: tuple[str, ...] = (), widest: tuple[str, ...] = ()
) -> tuple[DataFrame, str]:
    """Keep one value of each field that makes no line, column or axis, and say which one.

    Of the fields in ``widest`` it is the largest.
    """
    held = []
    for name in unshown_fields(rows, (*shown, *every, "time")):
        if rows[name].nunique() < 2:
            continue
        if name == "student":
            rows, value = rows[rows["student"] == "infinite"], "infinite"
        elif name in widest:
            rows, value = rows[rows[name].isna() | (rows[name] == rows[name].max())], value_text(rows[name].max())
        else:
            rows, value = hold(rows, name)
        held.append(f"{axis_name(name)} = {value}")
    return rows, ", ".join(held)


def _best(rows: DataFrame, by: list[str]) -> DataFrame:
    """Choose the time of least mean student error, per group."""
    return best(rows, over="time", by=by, select_seeds="all", report_seeds="all", metrics=["student_error", "weak_error"])


def _guides(ax: Axes, loss: Any) -> None:
    ax.plot(loss, theory.lower_bound(loss), color="#000000", linewidth=1.2, label="lower bound")
    ax.plot(loss, loss, color="#555555", linewidth=0.8, linestyle=":", label="no gain: slope 1")
    ax.plot(loss, loss**1.49, color="#555555", linewidth=0.9, linestyle="--", label="proved for ReLU: slope 1.49")
    ax.plot(loss, loss**2, color="#555555", linewidth=0.9, linestyle="-.", label="slope 2")


def _ratio_axes(ax: Axes, label: str) -> None:
    figures.level(ax, 1.0)
    ax.set(xscale="log", yscale="log")
    ax.set_ylim(top=3.0)
    ax.yaxis.set_major_formatter("{x:g}")
    few = ax.get_ylim()[0] > 0.02
    ax.yaxis.set_minor_formatter(lambda y, _: figures.few_digits(y) if few else "")
    ax.tick_params(which="minor", labelsize=8, labelcolor="#555555")
    ax.set_xlabel(label, fontsize=9)


def _columns(count: int, title: str, rows: DataFrame, held: str) -> tuple[Canvas, Any]:
    figure = figures.canvas(3.6 * count + 1.6, 4.0)
    axes = figures.panels(figure, 1, count, sharey=True)[0]
    axes[0].set_ylabel("student error / teacher's error", fontsize=9)
    heading_over_seeds(figure, title, rows, "{seeds}", "bands: 95 % over seeds, each with data of its own", held)
    return figure, axes


FIGURES: tuple[Figure, ...] = (
    Figure(
        "loss_ratio",
        "Loss ratio over stopping time",
        _draw_times,
        ("wider_teacher_better_ratio", "anchor", "late_infinite", "late_finite", "starts_at_one", "linear_closed_form"),
    ),
    Figure(
        "exponent",
        "Best student error against the teacher's error",
        _draw_exponent,
        ("exponent", "exponent_above_proved", "quadratic_rate", "lower_bound", "lower_bound_approached"),
    ),
    Figure(
        "student_width",
        "Best loss ratio against the student's width",
        _draw_widths,
        ("wider_student_better_ratio", "no_gain_at_equal_width"),
    ),
    Figure("filters", "Ridge against gradient flow", _draw_filters),
)
