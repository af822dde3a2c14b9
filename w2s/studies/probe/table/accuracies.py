"""The picture that says it: accuracy of teacher, student and ceiling against the student's ridge, and the student's lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds, hold, unshown_fields
from w2s.figures.symbols import setting
from w2s.studies.probe.table.teachers import REGULARISER, rule_color
from w2s.summary import summarize
from w2s.summary.population import about

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["draw_accuracies"]

_FEWEST = 5
_ERRORS = ("weak_error", "student_error", "ceiling_error")
_TUNED = "best_on_validation"


def draw_accuracies(table: DataFrame) -> Canvas | None:
    """Draw accuracies (of regressions squared errors) against the student's ridge for one weak model, with bands.

    Below stands the student's lead over its teacher, taken seed by seed: the two are tested on the same rows, so the lead is
    known better than the bands of both suggest.
    Of a weak model with a ridge of its own the tuned one is shown where there is one; all else is held at its least value.
    None where fewer than five ridges, or one seed, are there.
    """
    rows = table[table["student_filter"] == "ridge"]
    rows = rows[rows["ridge"] > 0]
    if (rows["weak_tuning"] == _TUNED).any():
        rows = rows[rows["weak_tuning"] == _TUNED]
    counted = rows.groupby(_others(rows), dropna=False)["ridge"].transform("nunique") if len(rows) else rows["ridge"]
    rows = rows[counted >= _FEWEST]
    held = []
    for name in _others(rows):
        if rows[name].nunique(dropna=False) > 1:
            rows, value = hold(rows, name)
            held.append(setting(name, value))
    if not len(rows) or rows["seed"].nunique() < 2:
        return None
    classes = bool(rows["student_error_01"].notna().any())
    errors = [f"{name}{'_01' if classes else ''}" for name in _ERRORS]
    apart = bool((rows["evaluate"] == "fresh").all() and rows["split"].isna().all())  # each seed draws its test rows anew
    lead = "gain_01" if classes else "gain"
    summary = summarize(rows, by=["ridge", "labels"], metrics=[*errors, lead], population="pool" if apart else False)
    figure = figures.canvas(7.2, 6.0)
    ax, below = figures.panels(figure, 2, 1, sharex=True, height_ratios=[2, 1])[:, 0]
    figures.level(below, 0.0)
    weak, student, ceiling = errors
    teacher = "teacher, its ridge tuned" if (rows["weak_tuning"] == _TUNED).all() else "teacher"
    any_rule = summary.drop_duplicates("ridge")
    for name, color, dashes, label in ((ceiling, "#888888", "--", "ceiling: true labels"), (weak, "#000000", "-.", teacher)):
        _draw(ax, any_rule, name, classes, color=color, linestyle=dashes, label=label)
    rules: tuple[tuple[str, Any], ...] = (("soft", (0, (6, 2))), ("hard", "-"))
    for rule, dashed in rules:
        part = summary[summary["labels"] == rule]
        if len(part):
            label = f"student, {rule} labels of the teacher" if classes else "student"
            _draw(ax, part, student, classes, color=rule_color(rule), linestyle=dashed, label=label)
            _draw(below, part, lead, False, color=rule_color(rule), linestyle=dashed)
    ax.set_xscale("log")
    tuned = (rows["ceiling_tuning"] == _TUNED).all()
    below.set_xlabel(f"ridge of the student (the ceiling's is {'tuned' if tuned else 'the same'})", fontsize=9)
    ax.set_ylabel("accuracy on the test rows" if classes else "squared error on the test rows", fontsize=9)
    below.set_ylabel("the student's lead\nover its teacher", fontsize=9)
    figures.beside(ax)
    title = "A student against its teacher and its ceiling"
    heading_over_seeds(figure, title, rows, f"{{seeds}}; bands: {about('pool', population=apart)}", ", ".join(held))
    return figure


def _others(rows: DataFrame) -> list[str]:
    return unshown_fields(rows, (*REGULARISER, "labels"))


def _draw(ax: Any, rows: DataFrame, name: str, classes: bool, **line: Any) -> None:
    ends = rows[name], rows[f"{name}_low"], rows[f"{name}_high"]
    value, low, high = (1.0 - ends[0], 1.0 - ends[2], 1.0 - ends[1]) if classes else ends
    figures.band(ax, rows["ridge"], value, low, high, **line)
