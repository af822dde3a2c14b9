"""Figures of the study on pretrained networks: gain against misfit with the fitted line, and Table 1 as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import seeds_text
from w2s.studies.charikar2024.ladder import ladder, table_name
from w2s.studies.charikar2024.over_tables import fitted_line, order
from w2s.studies.charikar2024.synthetic.figures import scatter_panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES", "points_of"]

_MEANS = ["gain", "misfit", "student_error", "weak_error"]


def points_of(table: DataFrame) -> list[tuple[str, DataFrame]]:
    """Return the points of every table with eight weak models: a row for every weak model and split, means over seeds."""
    found = []
    for data, rows in ladder(table).groupby("data"):
        by = ["weak_features", *(["split"] if rows["split"].notna().any() else [])]
        found.append((table_name(data), rows.groupby(by, as_index=False)[_MEANS].mean()))
    return found


def _draw_gain(table: DataFrame) -> Canvas | None:
    """Draw gain against misfit, a panel for every table, with the line gain = misfit and the one fitted to the points."""
    parts = points_of(table)
    if not parts:
        return None
    figure = figures.canvas(3.4 * len(parts) + 1.9, 3.7)
    axes = figures.panels(figure, 1, len(parts))[0]
    for ax, (name, points) in zip(axes, parts, strict=True):
        ordered = points.assign(seed=0, weak_features=points["weak_features"].map(_short)).sort_values(
            "weak_error", ascending=False, kind="stable"
        )
        scatter_panel(ax, ordered, name, groups="weak_features")
        line = fitted_line(points["misfit"], points["gain"])
        ends = np.array([0.0, ax.get_xlim()[1]])
        ax.plot(ends, line.intercept + line.slope * ends, color="#000000", linewidth=0.9, linestyle=":")
        text = f"gain = {line.intercept:.2f} + {line.slope:.2f} misfit\n$R^2$ {line.r2:.2f}"
        ax.text(0.97, 0.03, text, transform=ax.transAxes, fontsize=8, va="bottom", ha="right")
        ax.set_xlabel("misfit", fontsize=9)
    axes[0].set_ylabel("gain", fontsize=9)
    axes[-1].legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    lines = "solid: gain = misfit, dotted: fitted; slope above: through the origin"
    note = f"a point is a weak model{_and_split(table)}, mean over {seeds_text(table)}\n{lines}"
    figures.heading(figure, "Gain against misfit over pretrained weak models", note)
    return figure


def _draw_order(table: DataFrame) -> Canvas | None:
    """Draw ``student_error`` against ``weak_error - misfit``, the columns of Table 1, a panel for every table."""
    parts = points_of(table)
    if not parts:
        return None
    figure = figures.canvas(3.4 * len(parts) + 1.9, 3.7)
    axes = figures.panels(figure, 1, len(parts))[0]
    for ax, (name, points) in zip(axes, parts, strict=True):
        means = points.groupby("weak_features")[_MEANS].mean().sort_values("weak_error", ascending=False)
        for place, (feature, row) in enumerate(means.iterrows()):
            style: dict[str, Any] = {"color": figures.COLORS[place % len(figures.COLORS)], "label": _short(str(feature))}
            ax.plot(row["weak_error"] - row["misfit"], row["student_error"], "o" if place < 8 else "s", markersize=5, **style)
        found = order({column: means[column].to_numpy() for column in _MEANS})
        ax.set_title(f"{name}: rank correlation {found:.2f}", fontsize=9.5, loc="left")
        ax.set_xlabel("weak model's error - misfit", fontsize=9)
    axes[0].set_ylabel("student's error", fontsize=9)
    axes[-1].legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    note = f"a point is a weak model, mean over {seeds_text(table)}{' and splits' if _and_split(table) else ''}"
    figures.heading(figure, "student_error against the score of its teacher", note)
    return figure


def _and_split(table: DataFrame) -> str:
    return " and split" if table["split"].notna().any() else ""


def _short(features: str) -> str:
    """Write ``encoder:16:2`` as ``16, layer 2``."""
    _, _, rest = features.partition(":")
    model, _, layer = rest.rpartition(":")
    return f"{model}, layer {layer}" if model else features


FIGURES: tuple[Figure, ...] = (
    Figure(
        "gain_misfit",
        "Gain against misfit over pretrained weak models, figures 2d to 2f",
        _draw_gain,
        ("gains_follow_misfits", "slope_of_one", "points_near_the_line"),
    ),
    Figure("order", "The student's error against weak_error - misfit, Table 1", _draw_order, ("score_orders_students",)),
)
"""Figures of :class:`w2s.studies.charikar2024.transformers.study.Transformers`."""
