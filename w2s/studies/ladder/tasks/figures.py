"""The figure of a ladder on tasks: accuracy by size, all tasks, with what the smallest model's labels teach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds
from w2s.studies.ladder.tasks.claims import accuracies
from w2s.summary.intervals import mean_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_ROLES = {"ceiling_error_01": "true labels", "student_error_01": "the smallest model's labels"}


def _draw_accuracies(table: DataFrame) -> Canvas | None:
    """Draw accuracies by size for every task, of probes on true labels and on the weak model's; bars are over seeds."""
    tasks = list(accuracies(table))
    if not tasks:
        return None
    figure = figures.canvas(3.0 * len(tasks) + 1.2, 3.4)
    panels = figures.panels(figure, 1, len(tasks))[0]
    for (error, label), color in zip(_ROLES.items(), figures.COLORS, strict=False):
        known = accuracies(table, error)
        for task, ax in zip(tasks, panels, strict=True):
            if task not in known:
                continue
            _, sizes, values = known[task]
            found, means = mean_interval(values.T), values.mean(axis=0)
            ends = np.nan_to_num(np.abs(np.stack([means - found.low, found.high - means])))
            ax.errorbar(sizes, means, yerr=ends, marker="o", markersize=4, color=color, capsize=2, label=label)
            ax.set(xscale="log", xlabel="parameters", title=task)
    panels[0].set_ylabel("accuracy on test items")
    panels[0].legend(fontsize="small")
    heading_over_seeds(figure, "What sizes of a ladder are worth", table, "{seeds}", "bars: 95 % over draws of items")
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure("accuracies", "Accuracy by size and task", _draw_accuracies, ("accuracy_rises_with_size", "largest_beats_smallest")),
)
