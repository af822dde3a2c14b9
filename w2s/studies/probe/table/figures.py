"""Pictures and digest of the probe study: regularising or stopping the student early is what makes weak-to-strong work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds, hold, unshown_fields
from w2s.figures.symbols import axis_name, setting
from w2s.studies.probe.table.accuracies import draw_accuracies
from w2s.studies.probe.table.halves import in_both_halves
from w2s.studies.probe.table.teachers import REGULARISER, draw_teachers, rule_color
from w2s.summary import best, summarize
from w2s.summary.text import interval_text, value_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES", "at_end_note", "digest"]

_DISTANCES = ("gain", "misfit", "weak_distance")
_CHANCE = 0.05
_MAX_PANELS = 5
_SWEPT = 5


def _strength(table: DataFrame) -> Any:
    """Put regularisation on one scale: lambda, 1/time, 1/(steps x step size); array (rows,), 0 for none."""
    ridge, time = table["ridge"].to_numpy(float), table["time"].to_numpy(float)
    descent = table["steps"].to_numpy(float, na_value=np.nan) * table["step_size"].to_numpy(float)
    with np.errstate(divide="ignore"):
        return np.where(np.isfinite(ridge), ridge, np.where(~np.isnan(time), 1 / time, 1 / descent))


def _suffix(table: DataFrame) -> str:
    return "_01" if table["student_error_01"].notna().any() else ""


def _swept(table: DataFrame) -> DataFrame:
    """Keep the rows of the settings in which the student's regularisation was swept (five values or more)."""
    keys = [*unshown_fields(table, (*REGULARISER, "labels")), "labels"]
    counted = table.assign(strength=_strength(table))
    return counted[counted.groupby(keys, dropna=False)["strength"].transform("nunique") >= _SWEPT]


def _varying(table: DataFrame) -> list[str]:
    return [name for name in unshown_fields(table, (*REGULARISER, "labels")) if table[name].nunique(dropna=False) > 1]


def digest(table: DataFrame) -> DataFrame:
    """Return one row per weak model and label rule: errors, and PGR at the weakest and at the best regularisation.

    The best value is chosen by the student's true error on even seeds and reported on odd ones.
    """
    import pandas as pd

    suffix = _suffix(table)
    fields = [*_varying(table), *(["labels"] if table["labels"].nunique() > 1 else [])]
    fields = fields or ["labels"]
    swept = in_both_halves(_swept(table), fields, f"student_error{suffix}")
    lines, lead = [], ""
    metrics = [f"{m}_error{suffix}" for m in ("weak", "student", "ceiling")] + [*_DISTANCES, f"pgr{suffix}"]
    metrics += ["gain_01"] if suffix else []
    if len(swept):
        choice: dict[str, Any] = {"over": list(REGULARISER), "by": fields, "metric": f"student_error{suffix}"}
        chosen = best(swept, **choice, metrics=metrics, select_seeds="even")
        lead = _best_in_words(swept, choice, f"gain{suffix}", len(chosen), fields)
        weakest = swept[swept["strength"] == swept.groupby(fields, dropna=False)["strength"].transform("min")]
        low = summarize(weakest, by=fields, metrics=[f"pgr{suffix}"])
        lines = [_line(row, fields, suffix, _matching(low, row, fields)) for row in _records(chosen)]
    rest = table[~table.index.isin(swept.index)]
    if len(rest):
        by = [*fields, *(name for name in REGULARISER if rest[name].nunique() > 1)]
        lines += [_line(row, fields, suffix, None) for row in _records(summarize(rest, by=by, metrics=metrics))]
    result = pd.DataFrame(lines)
    notes = ["best: chosen on even seeds, reported on odd ones"] if lead else []
    notes += ["brackets: 95 % over seeds, for this data set"] if table["seed"].nunique() > 1 else []
    result.attrs |= {"sentence": lead, "caption": "; ".join(filter(None, [*notes, at_end_note(table)]))}
    return result


def _best_in_words(swept: DataFrame, choice: dict[str, Any], gain: str, settings: int, fields: list[str]) -> str:
    """Say in how many settings the student at its best beats its weak model: intervals hold for all settings together."""
    sure = best(swept, **choice, metrics=[gain], select_seeds="even", level=1.0 - _CHANCE / settings)
    better, worse = int((sure[f"{gain}_low"] > 0).sum()), int((sure[f"{gain}_high"] < 0).sum())
    said = f"the student errs less than its weak model in {better} of {settings} settings of {', '.join(fields)}"
    said += f" and more in {worse}"
    if settings == 1:
        said = "no difference between the student and its weak model is significant"
        if better or worse:
            said = f"the student errs {'less' if better else 'more'} than its weak model"
    level = "95 %" if settings == 1 else "95 % for all of these settings together"
    return f"With its best regularisation, chosen on even seeds, {said} (odd seeds, {level})."


def at_end_note(table: DataFrame) -> str:
    """Say how often a ridge chosen on validation rows is the last one tried, model by model; nothing where none is."""
    ends = table["tuned_at_end"].dropna().str.split(", ").explode()
    counts = ", ".join(f"{model} in {count:,}" for model, count in ends.value_counts(sort=False).sort_index().items())
    said = f"tuned ridges at the end of those tried, of {len(table):,} rows: {counts} (see the column message)"
    return said if counts else ""


def _records(frame: DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _matching(frame: DataFrame, row: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    for candidate in _records(frame):
        if all(candidate[name] == row[name] or candidate[name] is row[name] for name in fields):
            return candidate
    return {}


def _line(row: dict[str, Any], fields: list[str], suffix: str, weakest: dict[str, Any] | None) -> dict[str, Any]:
    line = {name: value_text(row[name]) for name in fields}
    at = _regulariser(row) if weakest is None else f"best: {_regulariser(row)}"
    line["regularisation"] = f"{at} (last value tried)" if row.get("selected_at_end") else at
    for model in ("weak", "student", "ceiling"):
        value = row[f"{model}_error{suffix}"]
        line[f"{model} {'accuracy' if suffix else 'RMSE'}"] = f"{1 - value:.3f}" if suffix else f"{np.sqrt(value):.3f}"
    if suffix:
        line["gain (accuracy)"] = interval_text(row, "gain_01")
    unit = " (squared error)" if suffix else ""
    for metric in _DISTANCES:
        line[metric.replace("_", " ") + unit] = interval_text(row, metric)
    line["PGR least regularised"] = "" if weakest is None else interval_text(weakest, f"pgr{suffix}")
    line["PGR"] = interval_text(row, f"pgr{suffix}")
    return line


def _regulariser(row: dict[str, Any]) -> str:
    name = {"ridge": "ridge", "flow": "time", "steps": "steps"}[str(row.get("student_filter", "ridge"))]
    return f"{name} {row[name]:{'.0f' if 1000 <= row[name] < 1e6 else '.3g'}}" if name in row else ""


def _facets(table: DataFrame) -> tuple[list[tuple[str, DataFrame]], str]:
    """Cut a table into panels along one field; in each, hold every other varying field at its first value.

    Returns titles with rows, and the values that all panels have in common.
    """
    varying = _varying(table)
    column = next((name for name in ("d_weak", "data", "weak_features", "n_labeled") if name in varying), None)
    values = [None] if column is None else sorted(table[column].dropna().unique())[:_MAX_PANELS]
    panels: list[tuple[str, DataFrame]] = []
    held: list[dict[str, str]] = []
    for value in values:
        part = table if column is None else table[table[column] == value]
        held.append({})
        for name in _varying(part):
            part, held[-1][name] = hold(part, name)
        panels.append(("" if column is None else setting(column, value), part))
    common = {name: value for name, value in held[0].items() if all(h.get(name) == value for h in held)}
    titles = [_facet_title(title, h, common) for (title, _), h in zip(panels, held, strict=True)]
    rows = [part for _, part in panels]
    return list(zip(titles, rows, strict=True)), ", ".join(setting(name, value) for name, value in common.items())


def _facet_title(title: str, held: dict[str, str], common: dict[str, str]) -> str:
    own = [setting(name, value) for name, value in held.items() if name not in common]
    return "\n".join([title, *own])


def _draw_regularisation(table: DataFrame) -> Canvas | None:
    """Draw PGR (top), gain and the distance that it is compared with (bottom), one column per weak model or table.

    Of classifications both count right and wrong answers: the distance is the share of items on which the two disagree.
    """
    table = _swept(table)
    if not len(table) or not (table["strength"] > 0).any():
        return None
    suffix = _suffix(table)
    facets, held = _facets(table[table["strength"] > 0])
    figure = figures.canvas(max(3.1 * len(facets) + 1.6, 7.0), 6.4)
    axes = figures.panels(figure, 2, len(facets), sharex=True, sharey="row" if suffix else "none")
    for k, (title, part) in enumerate(facets):
        axes[0, k].set_title(title, fontsize=10)
        _draw_pgr(axes[0, k], part, suffix)
        _draw_gain(axes[1, k], part, suffix)
        axes[1, k].set_xlabel(f"student's {_along(table)}", fontsize=9)
    axes[0, 0].set_ylabel(f"PGR{' (accuracy)' if suffix else ''}", fontsize=9)
    axes[1, 0].set_ylabel("share of the test rows" if suffix else "squared error", fontsize=9)
    lines = [line for ax in axes[0] for line in ax.get_lines()[1:]]  # the first of each panel is zero
    for ax in axes[0]:
        _limit(ax, lines if suffix else ax.get_lines()[1:])
    for row in axes:
        row[-1].legend(fontsize=7.5, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    title = "PGR (top), gain and distance to the weak model (bottom) against the student's regularisation"
    heading_over_seeds(figure, title, table, "bands: 95 % over {seeds}, for this data set", held)
    return figure


def _draw_pgr(ax: Any, part: DataFrame, suffix: str) -> None:
    ax.axhline(0, color="#000000", linewidth=0.9)
    for name, rule, filter_, rows in _lines(part):
        summary = summarize(rows, by=["strength"], metrics=[f"pgr{suffix}"])
        pgr = f"pgr{suffix}"
        style: dict[str, Any] = {
            "color": rule_color(rule),
            "linestyle": "-" if filter_ == "ridge" else (0, (4, 2)),
            "label": name,
        }
        figures.band(ax, summary["strength"], summary[pgr], summary[f"{pgr}_low"], summary[f"{pgr}_high"], **style)
    ax.set_xscale("log")


def _along(table: DataFrame) -> str:
    """Say what the strength of the regularisation is."""
    words = {"ridge": "ridge", "flow": "1 / time", "steps": "1 / (steps x step size)"}
    present = [name for name in words if (table["student_filter"] == name).any()]
    first, *others = present
    return words[first] + (f"  ({'; '.join(f'{name}: {words[name]}' for name in others)})" if others else "")


def _draw_gain(ax: Any, part: DataFrame, suffix: str) -> None:
    ax.axhline(0, color="#000000", linewidth=0.9)
    distance, far = ("disagreement", "disagreement with") if suffix else ("weak_distance", "distance to")
    for _, rule, filter_, rows in _lines(part):
        if filter_ != part["student_filter"].iloc[0]:
            continue
        summary = summarize(rows, by=["strength"], metrics=[f"gain{suffix}", distance])
        for metric, style, word in ((f"gain{suffix}", "-", "gain"), (distance, ":", f"{far} weak model")):
            label = f"{word}, {rule} labels" if suffix else word
            low, high = summary[f"{metric}_low"], summary[f"{metric}_high"]
            figures.band(
                ax, summary["strength"], summary[metric], low, high, color=rule_color(rule), linestyle=style, label=label
            )
    ax.set_xscale("log")


def _lines(part: DataFrame) -> list[tuple[str, str, str, DataFrame]]:
    found, several = [], part["student_filter"].nunique() > 1
    for (rule, filter_), rows in part.groupby(["labels", "student_filter"], sort=True):
        words = [f"{rule} labels" if _suffix(part) else "student", *([str(filter_)] if several else [])]
        found.append((", ".join(words), str(rule), str(filter_), rows))
    return sorted(found, key=lambda line: line[2] != "ridge")


def _limit(ax: Any, lines: Sequence[Any]) -> None:
    """Limit a PGR axis to its lines, with room for their bands, and to -1.5 ... 1.1 where the gap is too small to read it."""
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in lines] or [np.zeros(1)])
    values = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    room = 0.35 * max(high - low, 0.2)
    ax.set_ylim(max(-1.5, low - room), min(1.1, high + room))


def _draw_weak_models(table: DataFrame) -> Canvas | None:
    """Draw PGR at the best and at the weakest regularisation for every weak model."""
    suffix, swept = _suffix(table), _swept(table)
    by = [*_varying(swept), "labels"]
    swept = in_both_halves(swept, by, f"student_error{suffix}")
    fields = _varying(swept) if len(swept) else []
    if not fields:
        return None
    pgr = f"pgr{suffix}"
    by = [*fields, "labels"]
    chosen = best(swept, over=list(REGULARISER), by=by, metric=f"student_error{suffix}", metrics=[pgr], select_seeds="even")
    weakest = swept[swept["strength"] == swept.groupby(by, dropna=False)["strength"].transform("min")]
    low = summarize(weakest, by=by, metrics=[pgr])
    names = [" · ".join(value_text(row[f]) for f in fields) for row in _records(chosen.drop_duplicates(fields)[fields])]
    figure = figures.canvas(8.6, 1.6 + 0.3 * len(names))
    ax = figures.panels(figure, 1, 1)[0, 0]
    ax.axvline(0, color="#000000", linewidth=0.9)
    for shift, rule in enumerate(sorted(chosen["labels"].unique())):
        for frame, filled, word in ((low, False, "least regularised"), (chosen, True, "best")):
            _draw_points(ax, frame[frame["labels"] == rule], pgr, names, fields, 0.22 * (shift - 0.5), rule, filled, word)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel(f"PGR{' (accuracy)' if suffix else ''}", fontsize=9)
    ax.set_ylabel(" · ".join(map(axis_name, fields)), fontsize=9)
    ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    note = "best value chosen on even seeds, reported on odd seeds; bars: 95 % over seeds, for this data set"
    figures.heading(figure, "PGR for every weak model, student least and best regularised", note)
    return figure


def _draw_points(
    ax: Any, frame: DataFrame, pgr: str, names: list[str], fields: list[str], shift: float, rule: str, filled: bool, word: str
) -> None:
    places = [names.index(" · ".join(value_text(row[f]) for f in fields)) + shift for row in _records(frame)]
    value = frame[pgr].to_numpy(float)
    spread = np.abs(np.stack([value - frame[f"{pgr}_low"].to_numpy(float), frame[f"{pgr}_high"].to_numpy(float) - value]))
    face = rule_color(rule) if filled else "white"
    ax.errorbar(
        value,
        places,
        xerr=spread,
        fmt="o",
        markersize=5,
        color=rule_color(rule),
        markerfacecolor=face,
        label=f"{rule} labels, {word}" if pgr.endswith("_01") else word,
    )


def _draw_teachers(table: DataFrame) -> Canvas | None:
    """Draw errors and PGR against the teacher's ridge, for the weak models whose ridge was swept or tuned."""
    suffix, swept = _suffix(table), _swept(table)
    swept = in_both_halves(swept, [*_varying(swept), "labels"], f"student_error{suffix}")
    return draw_teachers(swept, _varying(swept), suffix) if len(swept) else None


FIGURES: tuple[Figure, ...] = (
    Figure("accuracies", "accuracy of teacher, student and ceiling against the student's ridge", draw_accuracies),
    Figure("teachers", "what is left of the gain when the teacher is tuned", _draw_teachers),
    Figure("regularisation", "PGR, gain and weak distance against the student's regularisation", _draw_regularisation),
    Figure("weak_models", "PGR of every weak model", _draw_weak_models),
)
