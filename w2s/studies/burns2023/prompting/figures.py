"""Figure of prompts: accuracy against the number of examples, with weak and with true labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import seeds_text
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_LINES = (
    ("student_error_01", "prompt, weak labels", "-"),
    ("ceiling_error_01", "prompt, true labels", "--"),
)
_LEVELS: tuple[tuple[str, str, Any], ...] = (
    ("weak_error_01", "weak model", ":"),
    ("probe_error_01", "probe, all weak labels", "-."),
    ("probe_ceiling_error_01", "probe, all true labels", (0, (1, 3))),
)
_MOST = 6


def _draw_shots(table: DataFrame) -> Canvas | None:
    """Draw a panel for each task and model; the answers are as they are, or with the one calibration that there is."""
    rows = table[table["calibration"] == ("none" if "none" in set(table["calibration"]) else table["calibration"].iloc[0])]
    pairs = list(dict.fromkeys(zip(rows["task"], rows["student_model"], strict=True)))[:_MOST]
    if rows["shots"].nunique() < 2:
        return None
    figure = figures.canvas(1.9 + 2.7 * len(pairs), 3.4)
    axes = figures.panels(figure, 1, len(pairs), sharey=True)[0]
    for ax, (task, model) in zip(axes, pairs, strict=True):
        _panel(ax, rows[(rows["task"] == task) & (rows["student_model"] == model)])
        ax.set_title(f"{task}\n{model}", fontsize=8)
        ax.set_xlabel("examples in the prompt", fontsize=8)
    axes[0].set_ylabel("accuracy on the test items", fontsize=9)
    figures.beside(axes[-1])
    several = rows["seed"].nunique() > 1
    note = "bands: at least 95 % over seeds and test items" if several else "no intervals"
    figures.heading(figure, "Few-shot prompts with weak and with true labels", f"{seeds_text(rows)}; {note}")
    return figure


def _panel(ax: Any, rows: DataFrame) -> None:
    names = [name for name, _, _ in _LINES]
    summary = summarize(rows, by=["shots"], metrics=names, population="test_part").sort_values("shots")
    for color, (name, label, style) in zip(figures.COLORS, _LINES, strict=False):
        ends = 1.0 - summary[f"{name}_high"], 1.0 - summary[f"{name}_low"]
        figures.band(ax, summary["shots"], 1.0 - summary[name], *ends, color=color, linestyle=style, label=label)
    for name, label, dashes in _LEVELS:
        if rows[name].notna().any():
            ax.axhline(1.0 - rows[name].mean(), color="#555555", linewidth=1.0, linestyle=dashes, label=label)


FIGURES: tuple[Figure, ...] = (
    Figure(
        "shots",
        "Accuracy against the number of examples",
        _draw_shots,
        ("examples_help", "prompt_beats_weak", "truth_helps", "competitive"),
    ),
)
