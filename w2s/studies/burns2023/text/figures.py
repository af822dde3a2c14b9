"""Figures of the finetune study: accuracies of the four models by pair and method, agreement with the weak model, curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import seeds_text
from w2s.figures.symbols import axis_name, setting
from w2s.studies.burns2023.text.analysis_figures import ANALYSIS_FIGURES
from w2s.summary import columns, summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_MODELS = ("weak_model", "weak_models", "student_model", "chain")
_MOST_PAIRS, _MOST_METHODS, _MOST_BARS = 8, 6, 16


def _draw_accuracy(table: DataFrame) -> Canvas | None:
    """Draw one panel per task: accuracy of weak model, student (by method), strong baseline and ceiling for each pair."""
    rows = table[table["status"] == "ok"]
    tasks = list(dict.fromkeys(rows["task"]))[:4]
    if not tasks:
        return None
    figure = figures.canvas(1.6 + 4.6 * min(len(tasks), 2), 0.6 + 3.4 * -(-len(tasks) // 2))
    axes = figures.panels(figure, -(-len(tasks) // 2), min(len(tasks), 2), sharey=True)
    for ax, task in zip(axes.flat, tasks, strict=False):
        _accuracy_panel(ax, rows[rows["task"] == task])
        ax.set_title(task, fontsize=10)
    axes[0, 0].set_ylabel("accuracy on the test items", fontsize=9)
    axes[0, -1].legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figures.heading(figure, "Weak models, students, ceilings", _seeds(rows))
    return figure


def _draw_agreement(table: DataFrame) -> Canvas | None:
    """Draw the share of test items on which student and weak model agree.

    Items on which the weak model is right and wrong are shown apart.
    """
    rows = table[(table["status"] == "ok") & table["agreement_wrong"].notna()]
    if not len(rows):
        return None
    shown = _varied(rows, []) or ["student_model"]
    summary = summarize(rows, by=shown, metrics=["agreement_right", "agreement_wrong"], population="test_part")
    if "method" in shown:
        known = _methods(rows)
        others = [name for name in shown if name != "method"]
        summary = summary.sort_values(
            [*others, "method"], key=lambda c: c.map(known.index) if c.name == "method" else c.map(str)
        )
    every, summary = len(summary), summary.head(_MOST_BARS)
    figure = figures.canvas(max(4.2, 1.2 + 1.1 * len(summary)), 3.6)
    ax = figures.panels(figure, 1, 1)[0, 0]
    for k, name in enumerate(("agreement_right", "agreement_wrong")):
        places = np.arange(len(summary)) + 0.4 * (k - 0.5)
        _bars(ax, places, summary, name, 0.38, figures.COLORS[k], name.replace("agreement_", "weak model is "))
    labels = ["\n".join(_line(name, row[name]) for name in shown) for row in summary.to_dict("records")]
    ax.set_xticks(np.arange(len(summary)), labels, fontsize=7)
    ax.set_ylabel("agreement with the weak model", fontsize=9)
    ax.set_ylim(0, 1.05)
    ax.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    part = f"; the first {_MOST_BARS} of {every} settings" if every > _MOST_BARS else ""
    figures.heading(figure, "Does the student copy the weak model's errors?", _seeds(rows) + part)
    return figure


def _methods(rows: DataFrame) -> list[str]:
    """List the methods of a table: plain finetuning first, so that it has one colour everywhere."""
    return sorted(rows["method"].unique(), key=lambda name: (name != "naive", name))


def _varied(rows: DataFrame, apart: Sequence[str]) -> list[str]:
    """List the cell fields with several values, without the seed and those that stand ``apart``."""
    fields = [name for name in columns.cell_fields(rows) if name not in ("seed", *apart)]
    return [name for name in fields if rows[name].nunique(dropna=False) > 1]


def _line(name: str, value: Any) -> str:
    """Write a setting's value for a label: names of models and methods alone, numbers with what they are."""
    if value is None or value != value:
        return f"{axis_name(name)}: none"
    return _short(value) if isinstance(value, str) else setting(name, value)


def _settings(rows: DataFrame) -> list[tuple[str, DataFrame]]:
    """Divide rows into those of one setting, in which nothing but method and seed varies, each with the name of its own."""
    varied = _varied(rows, ("method", "task", *_MODELS))
    codes, keys = columns.group_codes(rows, [*(name for name in _MODELS if name in rows), *varied])
    found = []
    for code, key in enumerate(keys.to_dict("records")):
        weak, student = (_short(key.get(name)) for name in ("weak_model", "student_model"))
        others = [_line(name, key[name]) for name in varied]
        found.append(("\n".join([weak, f"to {student}", *others]), rows.iloc[np.flatnonzero(codes == code)]))
    return found


def _short(model: Any) -> str:
    """Cut a model's name to the end of its path."""
    return str(model).rpartition("/")[2] if model == model and model is not None else "several"


def _accuracy_panel(ax: Any, rows: DataFrame) -> None:
    settings = _settings(rows)[:_MOST_PAIRS]
    methods = _methods(rows)[:_MOST_METHODS]
    for k, (_, part) in enumerate(settings):
        anchors = _accuracies(part, [], ["weak", "strong", "ceiling"])
        for place, (name, style) in enumerate((("weak", "-"), ("strong", ":"), ("ceiling", "--"))):
            label = {"weak": "weak model", "strong": "strong baseline", "ceiling": "ceiling"}[name] if k == 0 else None
            value, ends = _ends(anchors, f"{name}_accuracy")
            ax.plot([k - 0.45, k + 0.45], [value[0], value[0]], color="#000000", linewidth=1.1, linestyle=style, label=label)
            ax.errorbar([k - 0.45 + 0.02 * place], value, yerr=ends, fmt="none", ecolor="#555555", elinewidth=0.8, capsize=2)
        students = _accuracies(part, ["method"], ["student"]).set_index("method").reindex(methods)
        width = 0.8 / len(methods)
        for m, method in enumerate(methods):
            one = students.iloc[[m]].reset_index()
            label = f"student, {method}" if k == 0 else None
            _points(ax, np.array([k - 0.4 + (m + 0.5) * width]), one, "student_accuracy", figures.COLORS[m], label)
    ax.set_xticks(range(len(settings)), [name for name, _ in settings], fontsize=7)


def _accuracies(rows: DataFrame, by: list[str], models: list[str]) -> DataFrame:
    """Compute mean accuracies with intervals over seeds and test items, from the 0-1 errors."""
    summary = summarize(rows, by=by, metrics=[f"{model}_error_01" for model in models], population="test_part")
    for model in models:
        for side, end in (("", ""), ("_low", "_high"), ("_high", "_low")):
            summary[f"{model}_accuracy{side}"] = 1.0 - summary[f"{model}_error_01{end}"]
    return summary


def _points(ax: Any, places: Any, summary: DataFrame, name: str, color: str, label: str | None) -> None:
    values, ends = _ends(summary, name)
    ax.errorbar(places, values, yerr=ends, fmt="o", markersize=5, color=color, capsize=2, label=label)


def _bars(ax: Any, places: Any, summary: DataFrame, name: str, width: float, color: str, label: str | None) -> None:
    values, ends = _ends(summary, name)
    ax.bar(places, values, width=width, color=color, alpha=0.75, label=label, yerr=ends, ecolor="#333333", capsize=2)


def _ends(summary: DataFrame, name: str) -> tuple[Any, Any]:
    """Return a metric of a summary and how far the ends of its intervals are; zero where there are none."""
    values = summary[name].to_numpy(dtype=float)
    low, high = (summary[f"{name}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    return values, np.nan_to_num(np.maximum(np.stack([values - low, high - values]), 0.0))


def _seeds(rows: DataFrame) -> str:
    several = rows["seed"].nunique() > 1
    return f"{seeds_text(rows)}, {'bars: at least 95 % over seeds and test items' if several else 'no intervals'}"


FIGURES: tuple[Figure, ...] = (
    Figure(
        "accuracy",
        "Accuracy of weak models, students and ceilings",
        _draw_accuracy,
        (
            "gap",
            "beats_weak",
            "recovers",
            "typical_pgr",
            "confidence",
            "random_errors",
            "overtraining",
            "oracle_stop",
            "bootstrapping",
        ),
    ),
    Figure(
        "agreement",
        "Agreement of students with their weak models",
        _draw_agreement,
        ("agreement", "inverse_scaling", "confidence_drops_errors", "shared_errors"),
    ),
    *ANALYSIS_FIGURES,
)
