"""Figures of the study on molecules: gain against misfit by table, and the rule that chooses a weak model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import seeds_text
from w2s.studies.charikar2024.ladder import DRAW, ladder, table_name
from w2s.studies.charikar2024.synthetic.figures import scatter_panel, selection_canvas
from w2s.summary.selection import select

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]


def _draw_gain(table: DataFrame) -> Canvas | None:
    """Draw gain against misfit, a panel for every table, a point for every weak model and split (means over seeds)."""
    rows = table[table["evaluate"] == "fresh"]
    if rows["weak_features"].nunique() < 3:
        return None
    names = sorted(rows["data"].unique())
    figure = figures.canvas(3.4 * len(names) + 1.6, 3.7)
    axes = figures.panels(figure, 1, len(names))[0]
    for ax, name in zip(axes, names, strict=True):
        points = _per_model(rows[rows["data"] == name], ["split"] if rows["split"].notna().any() else [])
        points = points.assign(seed=0, order=points["weak_features"].map(_bits)).sort_values("order", kind="stable")
        scatter_panel(ax, points, table_name(name), groups="weak_features")
        ax.set_xlabel("misfit", fontsize=9)
    axes[0].set_ylabel("gain", fontsize=9)
    axes[-1].legend(fontsize=7.5, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    note = f"a point is one split, mean over {seeds_text(rows)}; solid: gain = misfit; errors on test molecules"
    figures.heading(figure, "Gain against misfit on molecules", note)
    return figure


def _draw_selection(table: DataFrame) -> Canvas | None:
    """Draw Table 1 as a picture, for lipophilicity if the table has it.

    It shows the error that is known when choosing, the error that is asked for, and the ranks of the choices.
    """
    rows = ladder(table)
    if not len(rows) or rows["selection_score"].isna().all():
        return None
    lipo = rows[rows["data"].astype(str).str.contains("lipo", case=False)]
    shown = lipo if len(lipo) else rows[rows["data"] == rows["data"].iloc[0]]
    return selection_canvas(shown, select(rows, "weak_features", by=DRAW), "weak_features")


def _per_model(table: DataFrame, by: list[str]) -> DataFrame:
    names = ["gain", "misfit", "student_error", "selection_score", "weak_error"]
    return table.groupby([*by, "weak_features"], as_index=False)[names].mean()


def _bits(name: str) -> int:
    argument = name.partition(":")[2]
    return int(argument) if argument.isdecimal() else 0


FIGURES: tuple[Figure, ...] = (
    Figure(
        "gain_misfit", "Gain against misfit, figures 2d to 2f", _draw_gain, ("gains_follow_misfits", "points_near_the_line")
    ),
    Figure(
        "selection",
        "Choosing a weak model by weak_error - misfit, Table 1",
        _draw_selection,
        ("student_error_exceeds_score", "misfit_helps_to_choose"),
    ),
)
"""Figures of :class:`w2s.studies.charikar2024.molecules.study.Molecules`."""
