"""Figures of the toy: PredGap against the formula, errors against scores, and students whose ridge goes to zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.figures.symbols import setting
from w2s.studies.xue2025.pictures import draw_predicted, draw_scores
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_LINES = {
    "pred_gap": ("PredGap", "-"),
    "pred_gap_theory": ("principal kernels", "--"),
    "pred_gap_full_theory": ("full kernels", ":"),
}


def _draw_predicted(table: DataFrame) -> Canvas | None:
    """Draw PredGap against the formula: weak models that miss coordinates, and weak models that see all of them in part."""
    rows, held = _sights(table)
    return draw_predicted(rows, _WEAK, held)


def _draw_scores(table: DataFrame) -> Canvas | None:
    """Draw the student's error against scores, for the same weak models."""
    rows, held = _sights(table)
    return draw_scores(rows, _WEAK, held)


_WEAK = ("d_weak", "cosine")


def _sights(table: DataFrame) -> tuple[DataFrame, str]:
    """Keep the rows with known principal directions, of the setting with most weak models; say what is held."""
    return fullest(table[table["principal"] == "latent"], _WEAK)


def _draw_ridges(table: DataFrame) -> Canvas | None:
    """Draw PredGap and its predictions (left) and what the student misses of its own labels (right) against its ridge."""
    rows, held = fullest(table, ("d_weak", "ridge"))
    if rows["ridge"].nunique() < 3:
        return None
    figure = figures.canvas(10.4, 3.6)
    left, right = figures.panels(figure, 1, 2)[0]
    for color, (d_weak, part) in zip(figures.COLORS, rows.groupby("d_weak"), strict=False):
        line = summarize(part, by=["ridge"], metrics=[*_LINES, "student_fit_error", "misfit"])
        for column, (_, style) in _LINES.items():
            low, high = line[f"{column}_low"], line[f"{column}_high"]
            label = setting("d_weak", d_weak) if column == "pred_gap" else None
            figures.band(left, line["ridge"], line[column], low, high, color=color, linestyle=style, label=label)
        for column, style in (("misfit", "-"), ("student_fit_error", "--")):
            low, high = line[f"{column}_low"], line[f"{column}_high"]
            figures.band(right, line["ridge"], line[column], low, high, color=color, linestyle=style)
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xlabel(r"ridge of the student, $\beta_s$", fontsize=9)
    left.set_title("solid: PredGap; dashed: principal kernels; dotted: full", fontsize=9)
    left.set_ylim(bottom=0.0)
    right.set_title("misfit; solid: population; dashed: its own rows", fontsize=9)
    right.set_yscale("log")
    left.set_ylabel("PredGap", fontsize=9)
    handles, labels = left.get_legend_handles_labels()
    right.legend(handles, labels, fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    title = "Students that fit every weak label forget what is outside their principal directions"
    heading_over_seeds(figure, title, rows, "{seeds}, bands: 95 %", held)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "predicted",
        "PredGap against the formula",
        _draw_predicted,
        (
            "same_sample_identity",
            "principal_kernels_predict",
            "eigengap_predicts",
            "full_kernels_understate",
            "closed_form_of_many_rows",
        ),
    ),
    Figure(
        "scores",
        "The student's error against scores of its weak model",
        _draw_scores,
        (
            "prediction_orders_students",
            "trace_score_orders_students",
            "operator_score_orders_partial_sights",
            "operator_score_saturates",
        ),
    ),
    Figure("ridges", "Students whose ridge goes to zero", _draw_ridges, ("fitted_and_forgotten",)),
)
"""Figures of :class:`w2s.studies.xue2025.toy.study.Toy`."""
