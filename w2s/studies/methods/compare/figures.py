"""Figures of the comparison: what every method changes against naive, task by task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, seeds_text
from w2s.studies.methods.compare.table import METRIC, baseline_of
from w2s.summary import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_MOST_TASKS = 4
_INK = {"better": figures.COLORS[2], "worse": figures.COLORS[1]}
_GREY = "#777777"
_LONGEST = 42


def _draw_differences(table: DataFrame) -> Canvas | None:
    """Draw the error of every method minus that of naive, with its interval, in a panel for each task."""
    rows, held = fullest(table[table["status"] == "ok"], ("task", "method"))
    baseline = baseline_of(rows)
    if baseline is None or rows["method"].nunique() < 2 or rows["seed"].nunique() < 2:
        return None
    found = compare(rows, baseline=baseline, metric=METRIC, by=["task"])
    tasks = list(dict.fromkeys(found["task"]))[:_MOST_TASKS]
    methods = found.groupby("method")["difference"].mean().sort_values(ascending=False).index.tolist()
    figure = figures.canvas(3.0 + 3.0 * len(tasks), 1.3 + 0.26 * len(methods))
    axes = figures.panels(figure, 1, len(tasks), sharey=True)[0]
    for ax, task in zip(axes, tasks, strict=True):
        part = found[found["task"] == task].set_index("method")
        for place, method in enumerate(methods):
            if method not in part.index:
                continue
            row = part.loc[method]
            color, value = _INK.get(str(row["conclusion"]), _GREY), 100 * float(row["difference"])
            low, high = (100 * float(row[end]) for end in ("low", "high"))
            if np.isfinite(low) and np.isfinite(high):
                ax.plot([low, high], [place, place], color=color, linewidth=1.6)
            ax.plot([value], [place], "o", color=color, markersize=4.5)
        ax.axvline(0.0, color="#000000", linewidth=0.9)
        weak, ceiling = (float(rows.loc[rows["task"] == task, f"{name}_error_01"].mean()) for name in ("weak", "ceiling"))
        naive = float(part["baseline_mean"].iloc[0])
        ax.set_title(f"{task}\nweak {weak:.3f}, naive {naive:.3f}, ceiling {ceiling:.3f}", fontsize=9)
        ax.set_xlabel("error - error of naive, points", fontsize=9)
    axes[0].set_yticks(range(len(methods)), [_short(name) for name in methods], fontsize=8)
    note = f"{seeds_text(rows)}, lines of 95 %, paired by seed; colour: significant after Holm's correction over the figure"
    figures.heading(figure, "Methods against naive", "\n".join(text for text in (note, held) if text))
    return figure


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."


FIGURES = (
    Figure(
        "differences",
        "What every method changes against naive",
        _draw_differences,
        ("naive_gains", "selective_better", "selective_beats_confidence", "own_answers_matter"),
    ),
)
"""Figures of :class:`w2s.studies.methods.compare.study.Compare`."""
