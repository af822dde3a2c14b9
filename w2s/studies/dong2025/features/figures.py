"""Figures of the study on real features: PGR and OPR against what the correlation dimension leaves, and the dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.figures.symbols import math_name
from w2s.summary import summarize
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_WAYS = {
    "uncentred": ("d_weak_99", "d_overlap_99"),
    "centred": ("d_weak_99_centred", "d_overlap_99_centred"),
    "projected, as in the paper's code": ("d_weak_99", "d_overlap_projected"),
}

_SHARED = math_name("d_overlap")


def _models(table: DataFrame) -> tuple[DataFrame, str]:
    """Keep the rows of the setting with most weak models, with their names in ``model``.

    Also returns what is held in that setting.
    """
    rows, held = fullest(table, ("weak_features", "d_weak"))
    widths = rows["d_weak"].astype(object).where(rows["d_weak"].notna(), None)
    names = [f if d is None else f"{f} {value_text(d)}" for f, d in zip(rows["weak_features"], widths, strict=True)]
    named = rows.assign(model=names)
    named.attrs = table.attrs
    return named, held


def _draw_order(table: DataFrame) -> Canvas | None:
    """Draw PGR (top) and OPR (bottom) of every weak model against 1 - d_sw/d_w, by three ways to measure it."""
    rows, held = _models(table)
    if rows["model"].nunique() < 3:
        return None
    figure = figures.canvas(11.4, 6.4)
    axes = figures.panels(figure, 2, 3, sharey="row", sharex="col")
    for k, (way, (weak, overlap)) in enumerate(_WAYS.items()):
        axes[0, k].set_title(way, fontsize=10)
        for row, metric in enumerate(("pgr", "opr")):
            _points(axes[row, k], rows, (1.0 - rows[overlap] / rows[weak]).round(9), metric)
        axes[1, k].set_xlabel(rf"$1 - {_SHARED} / d_w$", fontsize=9)
    axes[0, 0].set_ylabel("PGR", fontsize=9)
    axes[1, 0].set_ylabel("OPR", fontsize=9)
    figures.beside(axes[0, 2])
    title = "PGR and OPR against the part of the weak dimensions that the student does not share"
    heading_over_seeds(figure, title, rows, "ratios of means, bars: 95 % over {seeds}, for this data set", held)
    return figure


def _points(ax: Any, rows: DataFrame, apart: Any, metric: str) -> None:
    figures.level(ax, 1 if metric == "opr" else 0)
    for k, (model, part) in enumerate(rows.groupby("model")):
        found = summarize(part, by=["model"], metrics=[metric]).iloc[0]
        value = float(found[metric])
        ends = np.abs([[value - float(found[f"{metric}_low"])], [float(found[f"{metric}_high"]) - value]])
        color, marker = figures.COLORS[k % len(figures.COLORS)], "os^D"[k // len(figures.COLORS) % 4]
        ax.errorbar(apart[part.index].mean(), value, yerr=ends, fmt=marker, color=color, markersize=5, label=model)


def _draw_dimensions(table: DataFrame) -> Canvas | None:
    """Draw the intrinsic and correlation dimensions of every weak model."""
    rows, _ = _models(table)
    names = list(rows.groupby("model")["d_weak_99_centred"].mean().sort_values().index)
    if len(names) < 2:
        return None
    figure = figures.canvas(9.4, 1.8 + 0.34 * len(names))
    ax = figures.panels(figure, 1, 1)[0, 0]
    places = np.arange(len(names))
    shown = {
        "d_weak_99": ("$d_w$", 0, "o", "none"),
        "d_weak_99_centred": ("$d_w$, centred", 0, "o", "full"),
        "d_overlap_99": (f"${_SHARED}$", 1, "s", "none"),
        "d_overlap_99_centred": (f"${_SHARED}$, centred", 1, "s", "full"),
    }
    means = rows.groupby("model")[[*shown, "d_overlap_projected", "d_overlap_projected_sd"]].mean().loc[names]
    for column, (label, color, marker, fill) in shown.items():
        style: dict[str, Any] = {"marker": marker, "linestyle": "none", "fillstyle": fill, "label": label}
        ax.plot(means[column], places, color=figures.COLORS[color], **style)
    spread = means["d_overlap_projected_sd"]
    ax.errorbar(
        means["d_overlap_projected"],
        places,
        xerr=spread,
        fmt="x",
        color=figures.COLORS[2],
        label=f"${_SHARED}$, projected (sd)",
    )
    ax.set_yticks(places, names, fontsize=8)
    ax.set(xscale="log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(lambda x, _: figures.few_digits(x))
    ax.tick_params(axis="x", which="minor", labelsize=8)
    ax.set_xlabel("dimensions at 99 % of the energy", fontsize=9)
    figures.beside(ax)
    strong = rows[["d_strong_99", "d_strong_99_centred"]].mean()
    text = f"strong features: $d_s$ = {strong.iloc[0]:.3g}, centred {strong.iloc[1]:.3g}"
    figures.heading(figure, "intrinsic and correlation dimensions of the weak features", text)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure("order", "PGR and OPR against 1 - d_sw/d_w", _draw_order, ("pgr_follows_overlap",)),
    Figure("dimensions", "Intrinsic and correlation dimensions", _draw_dimensions, ("overlap_of_rows_orders_better",)),
)
