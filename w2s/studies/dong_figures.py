"""Figures of the regression study: PGR and OPR against sample counts, with the closed forms on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s import figures
from w2s.studies.holding import hold, settings
from w2s.study import Figure
from w2s.summary import summarize
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_SHOWN = ("d_overlap", "rho_weak")


def draw_counts(table: DataFrame) -> Canvas | None:
    """PGR (top) and OPR (bottom) against ``n_labeled`` or ``n_transfer``; a line per overlap, a column per ``rho_weak``."""
    axis = next((name for name in ("n_labeled", "n_transfer") if table[name].nunique() >= 3), None)
    if axis is None:
        return None
    table, held = _hold(table, axis)
    columns = sorted(table["rho_weak"].unique())[:4]
    figure = figures.canvas(3.8 * len(columns) + 1.4, 6.2)
    axes = figures.panels(figure, 2, len(columns), sharex=True, sharey="row")
    for k, rho in enumerate(columns):
        part = table[table["rho_weak"] == rho]
        axes[0, k].set_title(f"rho_weak = {value_text(rho)}", fontsize=10)
        for row, ratio in enumerate(("pgr", "opr")):
            _draw_ratio(axes[row, k], part, axis, ratio)
        axes[1, k].set_xlabel(axis, fontsize=9)
    axes[0, 0].set_ylabel("PGR", fontsize=9)
    axes[1, 0].set_ylabel("OPR", fontsize=9)
    axes[0, -1].legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    figure.suptitle(
        f"PGR and OPR against {axis}; dashed: closed form\n"
        f"ratios of means over {table['seed'].nunique()} seeds, bands: 95 % intervals" + (f";  {held}" if held else ""),
        fontsize=11,
        x=0.01,
        ha="left",
    )
    return figure


def _hold(table: DataFrame, axis: str) -> tuple[DataFrame, str]:
    """Keep the first value of every field that makes no line, column or x axis, and say which."""
    held = []
    for name in settings(table, (*_SHOWN, axis)):
        if table[name].nunique(dropna=False) > 1:
            table, value = hold(table, name)
            held.append(f"{name} = {value}")
    return table, ", ".join(held)


def _draw_ratio(ax: Any, part: DataFrame, axis: str, ratio: str) -> None:
    ax.axhline(0 if ratio == "pgr" else 1, color="#000000", linewidth=0.9)
    for k, overlap in enumerate(sorted(part["d_overlap"].unique())[: len(figures.COLORS)]):
        rows = part[part["d_overlap"] == overlap]
        summary = summarize(rows, by=[axis], metrics=[ratio, f"{ratio}_theory"])
        color = figures.COLORS[k]
        low, high = summary[f"{ratio}_low"], summary[f"{ratio}_high"]
        figures.band(ax, summary[axis], summary[ratio], low, high, color=color, label=f"d_overlap = {value_text(overlap)}")
        ax.plot(summary[axis], summary[f"{ratio}_theory"], color="#000000", linewidth=0.9, linestyle=(0, (4, 3)))
    ax.set_xscale("log")


FIGURES: tuple[Figure, ...] = (Figure("counts", "PGR and OPR against a sample count", draw_counts),)
