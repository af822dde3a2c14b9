"""Pictures that both studies draw: PredGap against its prediction, and the student's error against scores of weak models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds, unshown_fields
from w2s.measure.ranking import rank_correlation
from w2s.studies.xue2025.orders import SIZES, table_name
from w2s.summary import summarize
from w2s.summary.columns import group_codes
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["draw_predicted", "draw_scores", "panels_of"]

_KERNELS = {"pred_gap_theory": ("principal kernels", "o", 0), "pred_gap_full_theory": ("full kernels", "^", 1)}
_SCORES = {
    "pred_gap_theory": "formula, with labels",
    "score_trace": r"$\|P_s(I-P_w)\|_F^2$ / tr $P_s$",
    "score_operator": r"$\|P_s(I-P_w)\|_{op}^2$",
}
_MOST = 5


def panels_of(table: DataFrame, model: Sequence[str], fewest: int = 3) -> list[tuple[str, DataFrame]]:
    """Return the settings with most weak models, at most five, each with the text that tells it from the others."""
    others = unshown_fields(table, model)
    codes, _ = group_codes(table, others)
    parts = [part for _, part in table.groupby(codes)]
    counts = [len(part.drop_duplicates(list(model))) for part in parts]
    most = max(counts, default=0)
    found = [part for part, count in zip(parts, counts, strict=True) if count == most and count >= fewest][:_MOST]
    names = [name for name in others if len({value_text(part[name].iloc[0]) for part in found}) > 1]
    if "data" in names:
        names = [name for name in names if name not in SIZES]
    for part in found:
        part.attrs = table.attrs
    return [("\n".join(_said(name, part[name].iloc[0]) for name in names[:3]), part) for part in found]


def _point(model: Sequence[str]) -> str:
    return "a weak model and split" if "split" in model else "a weak model"


def _said(name: str, value: Any) -> str:
    return table_name(value) if name == "data" else f"{name} = {value_text(value)}"


def draw_predicted(table: DataFrame, model: Sequence[str], held: str = "") -> Canvas | None:
    """Draw PredGap against the formula with principal and with full kernels, a point for every weak model; line: equal.

    ``model`` are the fields of a point, ``held`` says what else is fixed.
    """
    parts = panels_of(table, model)
    if not parts:
        return None
    figure = figures.canvas(3.1 * len(parts) + 1.9, 3.7)
    axes = figures.panels(figure, 1, len(parts))[0]
    for ax, (name, part) in zip(axes, parts, strict=True):
        means = summarize(part, by=list(model), metrics=["pred_gap", *_KERNELS])
        ends = _ends(means, "pred_gap")
        for column, (label, marker, color) in _KERNELS.items():
            style: dict[str, Any] = {"color": figures.COLORS[color], "markersize": 4, "elinewidth": 0.8, "label": label}
            ax.errorbar(means[column], means["pred_gap"], yerr=ends, fmt=marker, **style)
        limit = 1.05 * float(means[["pred_gap", *_KERNELS]].max().max())
        ax.plot([0, limit], [0, limit], color="#000000", linewidth=0.9)
        ax.set(xlim=(0, limit), ylim=(0, limit))
        ax.locator_params(nbins=5)
        ax.set_title(name, fontsize=9)
        ax.set_xlabel("predicted", fontsize=9)
    axes[0].set_ylabel("PredGap, measured", fontsize=9)
    figures.beside(axes[-1])
    note = f"a point is {_point(model)}, mean over {{seeds}}; bars: 95 % over seeds"
    heading_over_seeds(figure, "PredGap against the formula; line: equal", parts[0][1], note, held)
    return figure


def draw_scores(table: DataFrame, model: Sequence[str], held: str = "") -> Canvas | None:
    """Draw the student's error against the formula and two scores without labels, a row for each setting.

    Colours are families of weak models; every panel has its rank correlation over points. ``held`` says what else is fixed.
    """
    parts = panels_of(table, model)
    if not parts:
        return None
    figure = figures.canvas(10.6, 2.4 * len(parts) + 1.0)
    axes = figures.panels(figure, len(parts), len(_SCORES), sharey="row")
    kinds = sorted({kind for _, part in parts for kind in _families(part, model)})
    for place, (row, (name, part)) in enumerate(zip(axes, parts, strict=True), 1):
        means = summarize(part, by=list(model), metrics=["student_error", *_SCORES])
        families = np.array(_families(means, model))
        for ax, (column, label) in zip(row, _SCORES.items(), strict=True):
            for number, kind in enumerate(kinds):
                chosen = means[families == kind]
                style: dict[str, Any] = {"color": figures.COLORS[number % len(figures.COLORS)], "markersize": 4, "label": kind}
                bars = _ends(chosen, "student_error")
                ax.errorbar(chosen[column], chosen["student_error"], yerr=bars, fmt="o", elinewidth=0.8, **style)
            ax.locator_params(axis="x", nbins=5)
            order = rank_correlation(means[column], means["student_error"])
            ax.set_title(f"rank correlation {order:.2f}" if np.isfinite(order) else "no order", fontsize=9)
            if place == len(parts):
                ax.set_xlabel(label, fontsize=9)
        row[0].set_ylabel("\n".join(filter(None, [name, "student's error"])), fontsize=8.5)
    if len(kinds) > 1:
        figures.beside(axes[0, -1])
    note = f"a point is {_point(model)}, mean over {{seeds}}; bars: 95 % over seeds"
    heading_over_seeds(figure, "The student's error against scores of its weak model", parts[0][1], note, held)
    return figure


def _families(rows: DataFrame, model: Sequence[str]) -> list[str]:
    """Name the family of every row's weak model: a network, whole or cut, or a kind of features or of sights."""
    if "weak_features" in model:
        return [_family(str(value)) for value in rows["weak_features"]]
    return ["all seen, in part" if cosine < 1 else "some not seen" for cosine in rows["cosine"]]


def _family(name: str) -> str:
    words = name.split(":")
    if words[0] != "encoder":
        return words[0]
    return f"{words[1]}, first coordinates" if "/" in words[-1] else words[1]


def _ends(means: DataFrame, name: str) -> Any:
    """Compute the lengths of the two halves of error bars, (2, rows)."""
    value = means[name].to_numpy(float)
    low, high = (means[f"{name}_{end}"].to_numpy(float) for end in ("low", "high"))
    return np.nan_to_num(np.maximum(np.stack([value - low, high - value]), 0.0))
