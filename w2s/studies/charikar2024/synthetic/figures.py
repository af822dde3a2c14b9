"""Pictures of the synthetic study: gain against misfit, one point per task, one panel per figure of the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import seeds_text
from w2s.figures.symbols import axis_name
from w2s.studies.charikar2024.synthetic.paper_panels import PANELS, ladder, panel, per_seed
from w2s.summary.selection import select
from w2s.summary.text import value_text
from w2s.theory.charikar2024 import gap_bound

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES", "scatter_panel", "selection_canvas"]

COLUMNS = 3
POINTS = 600
"""Points of a panel; of more, every k-th is shown."""

INSIDE = 0.98
"""Share of the points that decides the axes: a rare task of a student with an almost dead unit lies far outside."""

HEAD_TITLES = {
    "least_squares": "least squares",
    "descent": "gradient descent",
    "nonnegative": "nonnegative",
    "sparse": "sparse",
    "relu": "ReLU after the head",
    "all_layers": "all layers trained",
}


def _draw_gain(table: DataFrame) -> Canvas | None:
    """Draw gain against misfit on fresh rows with least-squares heads, a panel for every figure of the paper in the table."""
    rows = _fresh(table)
    rows = rows[rows["head"] == "least_squares"]
    names = panel(rows)
    parts = [(title, rows[names == name]) for name, title in PANELS.items() if (names == name).any()]
    return _panels(parts, "Gain against misfit, one point per task", bound=True) if parts else None


def _draw_heads(table: DataFrame) -> Canvas | None:
    """Draw gain against misfit for every class of heads, with perturbed representations."""
    rows = _fresh(table)
    rows = rows[panel(rows) == "perturbed"]
    parts = [(title, rows[rows["head"] == head]) for head, title in HEAD_TITLES.items() if (rows["head"] == head).any()]
    return _panels(parts, "Gain against misfit for other heads, perturbed representations") if len(parts) > 1 else None


def _draw_selection(table: DataFrame) -> Canvas | None:
    """Draw, for a ladder of weak models, ``student_error`` against ``weak_error - misfit``, and how well the rule chose.

    The former error is asked for, the latter is known when choosing.
    """
    found = ladder(_fresh(table))
    if found is None:
        return None
    field, rows = found
    scaled = rows.assign(**{name: rows[name] / rows["label_power"] for name in ("selection_score", "student_error")})
    return selection_canvas(scaled, select(rows, field, by=["seed", "task"]), field)


def _fresh(table: DataFrame) -> DataFrame:
    return table[(table["status"] != "failed") & (table["evaluate"] == "fresh")]


def _panels(parts: list[tuple[str, DataFrame]], title: str, *, bound: bool = False) -> Canvas:
    """Draw a panel for every part; with ``bound`` the band that holds least-squares heads, where gains are positive."""
    columns = min(COLUMNS, len(parts))
    height = -(-len(parts) // columns)
    figure = figures.canvas(3.4 * columns + 0.4, 3.3 * height + 0.9)
    axes = figures.panels(figure, height, columns)
    for ax in axes.flat[len(parts) :]:
        ax.set_axis_off()
    for ax, (name, part) in zip(axes.flat, parts, strict=False):
        scale = part.groupby("seed")["label_power"].transform("mean").to_numpy(float)
        scaled = {key: part[key] / scale for key in ("gain", "misfit", "epsilon")}
        scatter_panel(ax, part.assign(**scaled), name)
        if bound and not _mirrored(part):
            _band(ax, float(scaled["epsilon"].mean()))
    for k in range(len(parts)):
        if k % columns == 0:
            axes.flat[k].set_ylabel("gain / mean Var f*", fontsize=9)
        if k + columns >= len(parts):
            axes.flat[k].set_xlabel("misfit / mean Var f*", fontsize=9)
    largest = max((part for _, part in parts), key=lambda part: part["seed"].nunique())
    lines = "solid: gain = misfit" + ("; dashed: gain = -misfit" if any(_mirrored(part) for _, part in parts) else "")
    lines += "; grey: gain within 2 sqrt(misfit epsilon) of misfit, at the mean epsilon" if bound else ""
    note = f"{seeds_text(largest)}, numbers are medians over them; errors on fresh rows; axes show {INSIDE:.0%} of the points"
    figures.heading(figure, title, f"{lines}\n{note}")
    return figure


def scatter_panel(ax: Any, rows: DataFrame, title: str, groups: str | None = None) -> None:
    """Draw gain against misfit, with the line of slope one, or minus one where most gains are negative.

    Colours show the values of ``groups``; slope and correlation are written in the corner.
    """
    misfit, gain = rows["misfit"].to_numpy(float), rows["gain"].to_numpy(float)
    top = 1.08 * float(np.quantile(misfit, INSIDE))
    low, high = (float(np.quantile(gain, q)) for q in (1 - INSIDE, INSIDE))
    mirrored = _mirrored(rows)
    ax.plot(
        [0, top], [0, -top if mirrored else top], color="#000000", linewidth=1.0, linestyle=(0, (4, 3)) if mirrored else "-"
    )
    ax.axhline(0, color="#555555", linewidth=0.7)
    shown = np.arange(0, len(rows), max(1, -(-len(rows) // POINTS)))
    labels = np.full(len(rows), "") if groups is None else rows[groups].map(value_text).to_numpy()
    for k, label in enumerate(dict.fromkeys(labels)):
        at = shown[labels[shown] == label]
        color = figures.COLORS[k % len(figures.COLORS)]
        marker = "o" if k < len(figures.COLORS) else "s"
        ax.scatter(misfit[at], gain[at], s=11, color=color, alpha=0.55, linewidths=0, marker=marker, label=label or None)
    margin = 0.08 * (max(high, top if low >= 0 else 0.0) - min(low, 0.0))
    ax.set_xlim(0, top)
    ax.locator_params(axis="x", nbins=5)
    ax.set_ylim(min(low, 0.0) - margin, max(high, 0.0) + 2.5 * margin)
    ax.set_title(title, fontsize=10, loc="left")
    place = (0.97, "right") if mirrored else (0.03, "left")
    ax.text(place[0], 0.97, _numbers(rows), transform=ax.transAxes, fontsize=8, va="top", ha=place[1])


def _band(ax: Any, epsilon: float) -> None:
    """Shade where gain and misfit differ by no more than the bound for this ``epsilon``; the axes stay as they are."""
    (left, right), limits = ax.get_xlim(), ax.get_ylim()
    misfit = np.linspace(left, right, 200)
    width = gap_bound(misfit, epsilon)
    ax.fill_between(misfit, misfit - width, misfit + width, color="#000000", alpha=0.07, linewidth=0)
    ax.set_ylim(limits)


def _mirrored(rows: DataFrame) -> bool:
    return bool(rows["gain"].median() < 0)


def _numbers(rows: DataFrame) -> str:
    slope, correlation = per_seed(rows, "slope")["value"], per_seed(rows, "correlation")["value"]
    return f"slope {slope.median():.2f}, r {correlation.median():.2f}"


def selection_canvas(rows: DataFrame, chosen: DataFrame, candidates: str) -> Canvas:
    """Draw the errors of every candidate at the left, and the ranks of the chosen ones at the right.

    The errors are mean ``student_error`` against mean ``selection_score``.
    """
    means = rows.groupby(candidates)[["selection_score", "student_error"]].mean()
    figure = figures.canvas(8.6, 3.8)
    left, right = figures.panels(figure, 1, 2)[0]
    low, high = float(means.to_numpy().min()), float(means.to_numpy().max())
    margin = 0.06 * (high - low)
    left.plot([low - margin, high + margin], [low - margin, high + margin], color="#000000", linewidth=1.0)
    left.scatter(means["selection_score"], means["student_error"], s=26, color=figures.COLORS[0])
    places = [((5, -9), "left"), ((-5, 4), "right")]
    for k, (name, point) in enumerate(means.sort_values("student_error").iterrows()):
        offset, side = places[k % 2]
        at = (point["selection_score"], point["student_error"])
        left.annotate(value_text(name).rpartition(":")[2], at, textcoords="offset points", xytext=offset, ha=side, fontsize=7)
    left.set_xlabel("weak model's error - misfit  (known)", fontsize=9)
    left.set_ylabel("student's error  (asked)", fontsize=9)
    left.set_title(
        f"a point for each {axis_name(candidates)}, means over {rows['seed'].nunique()} seeds", fontsize=10, loc="left"
    )
    count = int(chosen["candidates"].iloc[0])
    share = np.bincount(chosen["rank"], minlength=count + 1)[1:] / len(chosen)
    right.bar(np.arange(1, count + 1), share, color=figures.COLORS[0])
    right.axhline(1 / count, color="#000000", linewidth=1.0, linestyle=(0, (4, 3)))
    right.set_xlabel("rank of the chosen one by its student's error", fontsize=9)
    right.set_ylabel("share of draws (dashed: chance)", fontsize=9)
    right.set_title(f"{len(chosen)} draws", fontsize=10, loc="left")
    figure.suptitle("Choosing a weak model by the least error minus misfit", fontsize=11, x=0.01, ha="left")
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "gain_misfit",
        "Gain against misfit, figures 2a to 3c",
        _draw_gain,
        (
            "gap_within_band",
            "realizable_median",
            "realizable_correlation",
            "pretrained_correlation",
            "pretrained_slope",
            "perturbed_slope",
            "pretrained_swapped_slope",
            "perturbed_swapped_slope",
            "low_sample_reverses",
        ),
    ),
    Figure(
        "heads",
        "Gain against misfit for other classes of heads",
        _draw_heads,
        ("convex_gain_exceeds_misfit", "convex_inequality_is_strict", "nonconvex_heads_follow"),
    ),
    Figure("selection", "Choosing a weak model by weak_error - misfit", _draw_selection, ("misfit_helps_to_choose",)),
)
"""Figures of :class:`w2s.studies.charikar2024.Synthetic`."""
