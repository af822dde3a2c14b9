"""The figure of saliency: accuracies of the five ways to use a strong model, by task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import seeds_text
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_STEPS = {
    "probe_weak_error_01": "probe of\nweak labels",
    "probe_truth_error_01": "probe of\nthe truth",
    "student_error_01": "finetuned on\nweak labels",
    "tuned_probe_error_01": "finetuned on\nweak labels,\nprobe of the truth",
    "ceiling_error_01": "finetuned on\nthe truth",
}
_MARKERS = ("o", "s", "^", "D")
"""One for each task and pair that is drawn; the five ways are no steps of one axis, so no line joins them."""


def _draw_ladder(table: DataFrame) -> Canvas | None:
    """Draw accuracies with intervals over seeds, markers of a kind for each task and pair, the weak model as a dashed line."""
    rows = table[table["status"] == "ok"]
    if not len(rows):
        return None
    by = ["task", "weak_model", "student_model"]
    found = summarize(rows, by=by, metrics=["weak_error_01", *_STEPS], population="test_part").head(len(_MARKERS))
    figure = figures.canvas(7.4, 3.8)
    ax, places = figures.panels(figure, 1, 1)[0, 0], np.arange(len(_STEPS))
    for k, row in enumerate(found.to_dict("records")):
        values = np.array([1.0 - float(row[name]) for name in _STEPS])
        ends = np.array([[float(row[f"{name}_{end}"]) for name in _STEPS] for end in ("high", "low")])
        bars = np.nan_to_num(np.maximum(np.stack([values - (1.0 - ends[0]), (1.0 - ends[1]) - values]), 0.0))
        label = f"{row['task']}, {row['weak_model']} to {row['student_model']}"
        ax.errorbar(
            places + 0.12 * k, values, yerr=bars, color=figures.COLORS[k], fmt=_MARKERS[k], capsize=3, markersize=7, label=label
        )
        ax.axhline(1.0 - float(row["weak_error_01"]), color=figures.COLORS[k], linestyle="--", linewidth=0.9)
    ax.set_xticks(places, list(_STEPS.values()), fontsize=7)
    ax.set_ylabel("accuracy on the test items", fontsize=9)
    ax.legend(fontsize=7, frameon=False)
    figures.heading(figure, "Does finetuning on weak labels make the concept more salient?", seeds_text(rows))
    return figure


FIGURES: tuple[Figure, ...] = (Figure("ladder", "Probes before and after finetuning", _draw_ladder, ("salient",)),)
