"""Figures of the analyses: structures of errors, accuracy by step, what students copy by their size, PGR by the gap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import seeds_text
from w2s.finetune.methods.text import parse_method
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["ANALYSIS_FIGURES"]

_MOST_TASKS, _MOST_METHODS = 4, 6
_TEACHER = ["task", "weak_model", "n_labeled"]
_PLACES = {"random": "random\nitems", "long": "long\nitems", "hard": "hard\nitems", "sure": "sure\nitems"}


def _good(table: DataFrame) -> DataFrame:
    rows: DataFrame = table[table["status"] == "ok"]
    return rows


def _spread(summary: DataFrame, name: str) -> Any:
    """Compute lengths of error bars (2, n) from a summary's interval; zero where there is none."""
    values = summary[name].to_numpy(dtype=float)
    low, high = (summary[f"{name}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    lengths = np.stack([values - low, high - values])
    return np.where(np.isfinite(lengths), np.maximum(lengths, 0.0), 0.0)


def _draw_structures(table: DataFrame) -> Canvas | None:
    """Draw the error of students of planted errors by where the errors are, a panel for each task, as the weak model's own."""
    rows = _good(table)
    methods = {text: parse_method(str(text)) for text in rows["method"].unique()}
    names = {text: _PLACES[str(m.settings.get("where", "random"))] for text, m in methods.items() if m.name == "planted"}
    if not names:
        return None
    names |= {text: "the weak\nmodel's own" for text in methods if text == "naive"}
    tasks = list(dict.fromkeys(rows["task"]))[:_MOST_TASKS]
    figure = figures.canvas(1.0 + 3.4 * len(tasks), 3.6)
    axes = figures.panels(figure, 1, len(tasks))[0]
    for ax, task in zip(axes, tasks, strict=True):
        part = rows[(rows["task"] == task) & rows["method"].isin(list(names))]
        found = summarize(part, by=["method"], metrics=["student_error_01"], population="test_part")
        found = found.set_index("method").reindex([text for text in names if text in set(part["method"])]).reset_index()
        places = np.arange(len(found))
        values = found["student_error_01"].to_numpy(dtype=float)
        ax.bar(places, values, color=figures.COLORS[0], alpha=0.75, yerr=_spread(found, "student_error_01"), capsize=2)
        for model, style in (("weak", "-"), ("ceiling", "--")):
            label = "weak model" if model == "weak" else "ceiling"
            ax.axhline(float(part[f"{model}_error_01"].mean()), color="#000000", linestyle=style, linewidth=1.0, label=label)
        ax.set_xticks(places, [names[text] for text in found["method"]], fontsize=6.5)
        ax.set_title(str(task), fontsize=10)
    axes[0].set_ylabel("student's share of wrong answers", fontsize=9)
    axes[0].legend(fontsize=7, frameon=False, loc="upper left")
    figures.heading(figure, "As many wrong labels, at other items", seeds_text(rows))
    return figure


def _draw_steps(table: DataFrame) -> Canvas | None:
    """Draw the student's test accuracy by step, means over seeds, a panel for each task and a line for each method."""
    rows = _good(table)
    rows = rows[rows["accuracy_by_step"].notna()] if "accuracy_by_step" in rows else rows.iloc[:0]
    rows = rows[[parse_method(str(text)).stop == "end" for text in rows["method"]]]
    if not len(rows):
        return None
    tasks, methods = list(dict.fromkeys(rows["task"]))[:_MOST_TASKS], list(dict.fromkeys(rows["method"]))[:_MOST_METHODS]
    figure = figures.canvas(1.0 + 3.6 * len(tasks), 3.4)
    axes = figures.panels(figure, 1, len(tasks))[0]
    for ax, task in zip(axes, tasks, strict=True):
        for k, method in enumerate(methods):
            part = rows[(rows["task"] == task) & (rows["method"] == method)]
            curves = [{int(step): value for step, value in json.loads(text).items()} for text in part["accuracy_by_step"]]
            if not curves:
                continue
            steps = sorted(set.intersection(*(set(curve) for curve in curves)))
            ax.plot(
                steps, [np.mean([curve[step] for curve in curves]) for step in steps], color=figures.COLORS[k], label=method
            )
        for model, style in (("weak", ":"), ("ceiling", "--")):
            level = 1.0 - float(rows.loc[rows["task"] == task, f"{model}_error_01"].mean())
            label = "weak model" if model == "weak" else "ceiling, at the end"
            ax.axhline(level, color="#000000", linestyle=style, linewidth=1.0, label=label)
        ax.set_title(str(task), fontsize=10)
        ax.set_xlabel("step", fontsize=9)
    axes[0].set_ylabel("accuracy on the test items", fontsize=9)
    axes[-1].legend(fontsize=7, frameon=False)
    figures.heading(figure, "Does the student train too long?", seeds_text(rows))
    return figure


def _draw_copying(table: DataFrame) -> Canvas | None:
    """Draw the agreement with the weak model's errors by the student's weights: of student and ceiling, naive students only."""
    rows = _good(table)
    rows = rows[(rows["method"] == "naive") & rows["chain"].isna()] if "chain" in rows else rows[rows["method"] == "naive"]
    named = {"agreement_wrong": "student", "ceiling_agreement_wrong": "ceiling"}
    if not set(named) <= set(rows) or rows["student_parameters"].nunique() < 2:
        return None
    found = summarize(
        rows, by=["task", "weak_model", "n_labeled", "student_parameters"], metrics=list(named), population="test_part"
    ).sort_values("student_parameters")
    lines = [(key, part) for key, part in found.groupby(_TEACHER, sort=False) if len(part) > 1][:_MOST_TASKS]
    if not lines:
        return None
    figure = figures.canvas(6.0, 3.8)
    ax = figures.panels(figure, 1, 1)[0, 0]
    for k, ((task, weak, labelled), part) in enumerate(lines):
        for (name, model), style in zip(named.items(), ("-", "--"), strict=True):
            label = f"{model}, {task}, {weak} of {labelled} items"
            places, values = part["student_parameters"] / 1e6, part[name].to_numpy(dtype=float)
            ink = figures.COLORS[k]
            ax.errorbar(
                places, values, yerr=_spread(part, name), color=ink, linestyle=style, marker="o", capsize=2, label=label
            )
    ax.set_xlabel("weights of the student, millions", fontsize=9)
    ax.set_ylabel("agreement where the weak model is wrong", fontsize=9)
    ax.legend(fontsize=7, frameon=False)
    figures.heading(figure, "Who repeats the weak model's errors?", seeds_text(rows))
    return figure


def _draw_gaps(table: DataFrame) -> Canvas | None:
    """Draw the PGR by the gap between weak model and ceiling: a line for each task, a point for each teacher of one student."""
    rows = _good(table)
    rows = rows[rows["method"] == "naive"]
    if not len(rows):
        return None
    by = ["task", "student_model", "weak_model", "n_labeled"]
    found = summarize(rows, by=by, metrics=["weak_error_01", "ceiling_error_01", "pgr_01"], population="test_part")
    found["gap"] = found["weak_error_01"] - found["ceiling_error_01"]
    lines = [(key, part) for key, part in found.groupby(["task", "student_model"], sort=False) if len(part) > 2][:_MOST_TASKS]
    if not lines:
        return None
    figure = figures.canvas(6.0, 3.8)
    ax = figures.panels(figure, 1, 1)[0, 0]
    for k, ((task, student), unordered) in enumerate(lines):
        part = unordered.sort_values("gap")
        values, label = part["pgr_01"].to_numpy(dtype=float), f"{task}, {student}"
        bars = _spread(part, "pgr_01")
        ax.errorbar(part["gap"], values, yerr=bars, color=figures.COLORS[k], marker="o", capsize=2, label=label)
    ax.axhline(0.0, color="#000000", linewidth=0.8)
    ax.set_xlabel("weak model's error - ceiling's error", fontsize=9)
    ax.set_ylabel("PGR", fontsize=9)
    ax.legend(fontsize=7, frameon=False)
    figures.heading(figure, "Is less recovered of a larger gap?", seeds_text(rows))
    return figure


ANALYSIS_FIGURES: tuple[Figure, ...] = (
    Figure("structures", "Errors at other items", _draw_structures, ("structured_errors", "hard_errors", "random_errors")),
    Figure("steps", "Accuracy by step", _draw_steps, ("overtraining", "oracle_stop")),
    Figure("copying", "Who repeats the weak model's errors", _draw_copying, ("shared_errors", "agreement_slope")),
    Figure("gaps", "PGR by the size of the gap", _draw_gaps, ("larger_gap",)),
)
