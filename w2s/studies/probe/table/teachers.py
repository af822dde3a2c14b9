"""The picture of the teacher: what a student gains when the teacher's own ridge is small, larger, or tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds
from w2s.figures.symbols import setting
from w2s.summary import best
from w2s.summary.population import about
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["REGULARISER", "draw_teachers", "rule_color"]

REGULARISER = ("student_filter", "ridge", "time", "steps", "step_size")
"""Fields of the student's regularisation, over which the best is chosen."""

_TEACHER = ("weak_tuning", "ridge_weak")
_FEWEST, _MOST_PANELS = 3, 5
_TUNED = "chosen on\nvalidation"
_MEANING = {"soft": "the teacher's outputs", "hard": "its most probable class"}


def draw_teachers(table: DataFrame, varying: list[str], suffix: str) -> Canvas | None:
    """Draw errors (top) and PGR (bottom) against the ridge of the teacher, the student at its best; a column per weak model.

    ``varying`` are the fields besides seed, labels and the student's regularisation that vary in ``table``; ``suffix`` tells
    the 0-1 error from the squared one. None where the teacher's ridge takes fewer than three values.
    """
    others = [name for name in varying if name not in _TEACHER]
    settings = table.drop_duplicates([*others, *_TEACHER])
    counted = settings.groupby(others, dropna=False).size() if others else np.array([len(settings)])
    if max(counted) < _FEWEST or table["seed"].nunique() < 2:
        return None
    pgr = f"pgr{suffix}"
    errors = [f"{model}_error{suffix}" for model in ("weak", "student", "ceiling")]
    apart = bool((table["evaluate"] == "fresh").all() and table["split"].isna().all())  # each seed draws its test rows anew
    chosen = best(
        table,
        over=list(REGULARISER),
        by=[*others, *_TEACHER, "labels"],
        metric=f"student_error{suffix}",
        metrics=[*errors, pgr],
        select_seeds="even",
        population="pool" if apart else False,
    )
    panels = (
        [("", chosen)] if not others else [(_title(others, key), rows) for key, rows in chosen.groupby(others, dropna=False)]
    )
    panels = panels[:_MOST_PANELS]
    figure = figures.canvas(max(2.5 * len(panels) + 1.7, 6.0), 6.2)
    axes = figures.panels(figure, 2, len(panels), sharex="col", sharey="row")
    for k, (title, rows) in enumerate(panels):
        placed = _places(rows)
        axes[0, k].set_title(title, fontsize=10)
        _draw_errors(axes[0, k], placed, errors)
        _draw_pgr(axes[1, k], placed, pgr)
        axes[1, k].set_xlabel("ridge of the teacher", fontsize=9)
        _shade_tuned(axes[:, k], placed)
    axes[0, 0].set_ylabel("share of wrong answers" if suffix else "squared error", fontsize=9)
    axes[1, 0].set_ylabel("share of the gap recovered (PGR)\n0: the teacher, 1: the ceiling", fontsize=9)
    figures.beside(axes[0, -1])
    title = "Errors, and what a student recovers of the gap between teacher and ceiling, against the ridge of the teacher"
    note = "student's regularisation: least true error on even seeds, shown on odd ones, of {seeds}"
    heading_over_seeds(figure, title, table, note, f"bars: {about('pool', population=apart)}")
    return figure


def _title(names: list[str], key: Any) -> str:
    words = {"d_weak": "features", "n_labeled": "true labels"}
    values = key if isinstance(key, tuple) else (key,)
    parts = [
        f"{value_text(value)} {words[name]}" if name in words else setting(name, value)
        for name, value in zip(names, values, strict=True)
    ]
    return "\n".join([f"teacher: {parts[0]}", ", ".join(parts[1:])]).strip()


def _places(rows: DataFrame) -> DataFrame:
    """Order the teachers by ridge, the tuned one last; ``place`` counts them."""
    tuned = rows["weak_tuning"] != "fixed"
    ridge = rows["ridge_weak"].fillna(np.inf)
    order = {value: k for k, value in enumerate(sorted({*zip(tuned, ridge, strict=True)}))}
    names = np.where(tuned, _TUNED, [value_text(value) for value in ridge])
    return rows.assign(place=[order[pair] for pair in zip(tuned, ridge, strict=True)], teacher=names).sort_values("place")


def _shade_tuned(column: Any, placed: DataFrame) -> None:
    """Set the tuned teacher apart from those with a given ridge."""
    for place in placed.loc[placed["weak_tuning"] != "fixed", "place"].unique():
        for ax in column:
            ax.axvspan(place - 0.45, place + 0.45, color="#f0f0f0", zorder=0)


def _draw_errors(ax: Any, placed: DataFrame, errors: list[str]) -> None:
    weak, student, ceiling = errors
    any_rule = placed.drop_duplicates("place")
    _points(ax, any_rule, weak, figures.COLORS[-1], "teacher", 0.0, "s")
    for rule, shift in (("soft", -0.08), ("hard", 0.08)):
        part = placed[placed["labels"] == rule]
        _points(ax, part, student, rule_color(rule), f"student, {rule} labels\n({_MEANING[rule]})", shift, "o")
    _points(ax, any_rule, ceiling, "#888888", "ceiling", 0.0, "_")
    ax.set_xticks(any_rule["place"], any_rule["teacher"], fontsize=8)
    ax.set_ylim(bottom=0.0)


def _draw_pgr(ax: Any, placed: DataFrame, pgr: str) -> None:
    for rule, shift in (("soft", -0.08), ("hard", 0.08)):
        _points(ax, placed[placed["labels"] == rule], pgr, rule_color(rule), "", shift, "o")
    figures.level(ax, 0.0)
    figures.level(ax, 1.0)


def _points(ax: Any, rows: DataFrame, name: str, color: str, label: str, shift: float, marker: str) -> None:
    if not len(rows):
        return
    value = rows[name].to_numpy(float)
    given = (rows["weak_tuning"] == "fixed").to_numpy()
    ax.plot(rows["place"].to_numpy()[given] + shift, value[given], linestyle=":", linewidth=1.0, color=color)
    ends = np.stack([value - rows[f"{name}_low"].to_numpy(float), rows[f"{name}_high"].to_numpy(float) - value])
    ax.errorbar(
        rows["place"] + shift,
        value,
        yerr=np.maximum(ends, 0.0),
        fmt=marker,
        elinewidth=1.6,
        markersize=6,
        color=color,
        label=label,
    )


def rule_color(rule: str) -> str:
    """Return the colour of students of one label rule, in every picture of the study."""
    return figures.COLORS[0] if rule == "soft" else figures.COLORS[1]
