"""The figure of kinds of tasks: accuracy of weak model, student, baseline and both ceilings, by task and method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_MODELS = {
    "weak": "weak model",
    "student": "student",
    "strong": "strong baseline",
    "ceiling": "ceiling",
    "adjusted_ceiling": "ceiling with the stage",
}


def _draw_kinds(table: DataFrame) -> Canvas | None:
    """Draw accuracies of the models for each task and method, with intervals over seeds and test items."""
    rows = table[table["status"] == "ok"]
    if not len(rows):
        return None
    errors = [f"{model}_error_01" for model in _MODELS if rows[f"{model}_error_01"].notna().any()]
    found = summarize(rows, by=["task", "method"], metrics=errors, population="test_part")
    figure = figures.canvas(7.6, 1.4 + 0.5 * len(found))
    ax = figures.panels(figure, 1, 1)[0, 0]
    heights = np.arange(len(found))[::-1]
    for k, name in enumerate(errors):
        error, low, high = (found[f"{name}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
        ends = np.nan_to_num(np.maximum(np.stack([high - error, error - low]), 0.0))
        label = _MODELS[name.removesuffix("_error_01")]
        ax.errorbar(
            1.0 - error,
            heights + 0.3 - 0.15 * k,
            xerr=ends,
            fmt="o",
            color=figures.COLORS[k],
            markersize=4,
            capsize=2,
            label=label,
        )
    ax.axvline(0.5, color="#555555", linewidth=0.9, linestyle=":", label="a coin")
    ax.set_yticks(heights, [f"{row['task']}\n{row['method']}" for row in found.to_dict("records")], fontsize=8)
    ax.set(xlabel="accuracy on test items", ylim=(-0.6, len(found) - 0.4))
    figures.beside(ax)
    heading_over_seeds(figure, "Rewards, classes, words", rows, "{seeds}", "bars: at least 95 % over seeds and test items")
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "kinds",
        "Accuracy by kind of task",
        _draw_kinds,
        ("reward_gap", "reward_is_weakest", "typical_pgr", "generative_stage", "generative_ceiling", "words_vary_more"),
    ),
)
