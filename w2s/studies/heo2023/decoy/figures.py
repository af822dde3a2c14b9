"""Figures of the decoy study: every method at its best strengths, and errors over strengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.studies.heo2023.decoy.claims import STRENGTHS, choices
from w2s.studies.heo2023.pictures import share_over_seeds
from w2s.summary import columns, summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_METHODS = {"erm": "plain", "rrr": "RRR", "pgd": "PGD-Ex", "ibp": "IBP-Ex", "rrr_pgd": "RRR +\nPGD-Ex",
            "rrr_ibp": "RRR +\nIBP-Ex", "random_decoy": "reference"}  # fmt: skip
"""What the paper calls the methods."""
_SHOWN = (("student_error", "all"), ("student_worst_class", "worst class"), ("student_worst_pair", "worst class and decoy"),
          ("student_intact", "decoy intact"))  # fmt: skip
_LINES = (("rrr", "penalty"), ("pgd", "radius"), ("ibp", "radius"))


def _draw_methods(table: DataFrame) -> Canvas | None:
    """Draw four errors of each method at the strengths of its least error, a panel for each kind of inputs."""
    fields = [name for name in columns.cell_fields(table) if name not in ("seed", "method", *STRENGTHS)]
    codes, _ = columns.group_codes(table, fields)
    worlds = [table[codes == code] for code in dict.fromkeys(codes)]
    worlds = [rows for rows in worlds if rows["method"].nunique() > 2][:4]
    if not worlds:
        return None
    figure = figures.canvas(max(3.9 * len(worlds) + 1.6, 7.2), 3.8)
    axes = figures.panels(figure, 1, len(worlds), sharey=True)[0]
    for ax, rows in zip(axes, worlds, strict=True):
        names = [name for name in _METHODS if name in set(rows["method"])]
        for place, (column, label) in enumerate(_SHOWN):
            for x, name in enumerate(names):
                part = choices(rows, [name])[0]
                mean, ends = share_over_seeds(part[column].to_numpy(float))
                at = x + 0.18 * (place - 1.5)
                told = label if x == 0 and ax is axes[-1] else None
                ax.errorbar(at, mean, ends, fmt="o", ms=4, color=figures.COLORS[place], capsize=2, label=told)
        ax.set_xticks(range(len(names)), [_METHODS[name] for name in names], fontsize=7)
        first = rows.iloc[0]
        side = (
            f", decoy on {'a random side' if first['side'] == 'random' else 'the left'}"
            if first["side"] == first["side"]
            else ""
        )
        ax.set_title(f"{first['law']}{side}", fontsize=9)
    axes[0].set_ylabel("share of wrong classes", fontsize=9)
    axes[0].set_ylim(-0.02, 1.02)
    figures.beside(axes[-1])
    note = "{seeds}; strengths of the least error, by truth; bars: 95 % over seeds"
    heading_over_seeds(figure, "errors by method", table, note)
    return figure


def _draw_strengths(table: DataFrame) -> Canvas | None:
    """Draw the errors over a strength's part of the largest, for lambda and for the square of eps."""
    rows, held = fullest(table[table["law"] == "toy"], ("method", *STRENGTHS))
    lines = [(method, name, rows[rows["method"] == method]) for method, name in _LINES]
    lines = [line for line in lines if line[2][line[1]].nunique() > 2]
    if not lines:
        return None
    figure = figures.canvas(7.6, 3.6)
    axes = figures.panels(figure, 1, 2, sharey=True)[0]
    titles = ("student_error", "random decoys"), ("student_worst_pair", "worst class and decoy")
    for ax, (column, title) in zip(axes, titles, strict=True):
        for color, (method, name, part) in zip(figures.COLORS, lines, strict=False):
            some = part[part[name] > 0]
            line = summarize(some, by=[name], metrics=[column])
            share = line[name] / line[name].max()
            x = share if method == "rrr" else share**2
            figures.band(
                ax, x, line[column], line[f"{column}_low"], line[f"{column}_high"], color=color, label=_METHODS[method]
            )
        for style, who in (("--", "weak"), (":", "ceiling")):
            label = "plain training" if who == "weak" else "without a decoy"
            level = float(rows[column.replace("student", who)].mean())
            ax.axhline(level, color="#555555", linewidth=0.9, linestyle=style, label=label)
        ax.set_xscale("log")
        ax.set_title(title, fontsize=9)
        ax.set_xlabel("part of the largest lambda, or of eps squared", fontsize=9)
    axes[0].set_ylabel("share of wrong classes", fontsize=9)
    figures.beside(axes[-1])
    heading_over_seeds(figure, "errors over the strength of a method", rows, "{seeds}", "bands: 95 % over seeds", held)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "methods",
        "Errors by method",
        _draw_methods,
        ("erm_takes_the_decoy", "methods_repair", "robust_at_least_gradient", "combination_best", "bounds_need_one_mask"),
    ),
    Figure("strengths", "Errors over strength", _draw_strengths, ("penalty_degrades_first",)),
)
