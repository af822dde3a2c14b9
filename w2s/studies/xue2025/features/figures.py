"""Figures of the study on real features: PredGap against the formula, and errors against scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.studies.xue2025.orders import MODEL
from w2s.studies.xue2025.pictures import draw_predicted, draw_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]


def _draw_predicted(table: DataFrame) -> Canvas | None:
    """Draw PredGap against the formula, a panel for each setting."""
    return draw_predicted(table, _points(table))


def _draw_scores(table: DataFrame) -> Canvas | None:
    """Draw the student's error against the formula and two scores without labels."""
    return draw_scores(table, _points(table))


def _points(table: DataFrame) -> tuple[str, ...]:
    """Return the fields of a point: a weak model, and one of several published splits."""
    return (*MODEL, "split") if table["split"].nunique() > 1 else MODEL


FIGURES: tuple[Figure, ...] = (
    Figure(
        "predicted",
        "PredGap against the formula",
        _draw_predicted,
        ("formula_orders_gaps", "formula_near_gap_of_narrow_models", "formula_is_the_gap"),
    ),
    Figure(
        "scores",
        "The student's error against scores of its weak model",
        _draw_scores,
        ("formula_orders_students", "trace_score_orders_students", "operator_score_orders_students"),
    ),
)
"""Figures of :class:`w2s.studies.xue2025.features.study.Features`."""
