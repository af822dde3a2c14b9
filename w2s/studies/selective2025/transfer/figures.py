"""The figure of the transfer study: AUROC of judges by the task where they learned and the task they are asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_SEEN = ("certainty", "states", "both")


def _draw_transfer(table: DataFrame) -> Canvas | None:
    """Draw a map of the mean AUROC for each kind of judge, with half the width of its interval, and that of the confidence."""
    rows, held = fullest(table, ("task", "asked_task", "sees"))
    tasks, seen = sorted(rows["task"].unique()), [name for name in _SEEN if (rows["sees"] == name).any()]
    if len(tasks) < 2 or sorted(rows["asked_task"].unique()) != tasks:
        return None
    figure = figures.canvas(1.6 + (0.5 + 0.6 * len(tasks)) * len(seen), 2.9 + 0.6 * len(tasks))
    axes = figures.panels(figure, 1, len(seen), sharey=True)[0]
    for ax, name in zip(axes, seen, strict=True):
        found = summarize(rows[rows["sees"] == name], by=["task", "asked_task"], metrics=["student_error"])
        means = 1.0 - found.set_index(["task", "asked_task"])["student_error"].unstack()
        ax.imshow(means.to_numpy(), vmin=0.3, vmax=0.9, cmap="PuOr_r")
        for row in found.to_dict("records"):
            task, asked = row["task"], row["asked_task"]
            half = 0.5 * (row["student_error_high"] - row["student_error_low"])
            text = f"{1.0 - row['student_error']:.2f}" + (f"\n±{half:.2f}" if half == half else "")
            ax.text(tasks.index(asked), tasks.index(task), text, ha="center", va="center", fontsize=7)
        confidence = 1.0 - rows.groupby("asked_task")["weak_error"].mean()
        labels = [f"{task}\n(confidence {confidence[task]:.2f})" for task in tasks]
        ax.set_xticks(range(len(tasks)), labels, rotation=60, ha="right")
        ax.set_yticks(range(len(tasks)), tasks)
        ax.grid(visible=False)
        ax.set_title(f"{name} seen", fontsize=9)
        ax.set_xlabel("asked about", fontsize=9)
    axes[0].set_ylabel("learned on", fontsize=9)
    note = "{seeds}; ± half of the 95 % interval, for these test items; in brackets the AUROC of the answer's own confidence"
    heading_over_seeds(figure, "AUROC of judges of a model's own answers", rows, note, held)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "transfer",
        "Judges from task to task",
        _draw_transfer,
        ("judge_knows_its_task", "certainty_knows_other_tasks", "states_know_other_tasks", "judge_beyond_confidence"),
    ),
)
