"""The table of methods: errors, differences to naive, conclusions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s.finetune.methods.text import Method, parse_method
from w2s.summary import columns, compare, summarize
from w2s.summary.text import interval_text, value_text

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["METRIC", "against_naive", "baseline_of"]

METRIC = "student_error_01"
_OTHERS = {"weak_error_01": "(weak model)", "strong_error_01": "(strong baseline)", "ceiling_error_01": "(ceiling)"}
"""Models that are no student, by the names of their lines."""


def baseline_of(table: DataFrame) -> str | None:
    """Return the text by which a table names the naive method; None where no row has it."""
    return next((text for text in dict.fromkeys(table["method"]) if parse_method(str(text)) == Method()), None)


def against_naive(table: DataFrame) -> DataFrame:
    """Make one line per task, setting and method: errors and differences to naive in points, and the conclusion.

    Errors have intervals over seeds and test items; differences are paired by seed, so theirs are for these test items. The
    conclusion is that of :func:`w2s.compare` over all lines. Without naive rows there are errors alone. Models that are no
    student have lines of their own.
    """
    import pandas as pd

    by = [name for name in columns.varying(table, columns.cell_fields(table)) if name != "method"]
    keys = [*by, "method"]
    summary = summarize(table, by=keys, metrics=[METRIC], population="test_part")
    caption = f"error: {summary.attrs['w2s_summary']['covers']}"
    baseline, found = baseline_of(table), {}
    if baseline is not None and table["method"].nunique() > 1:
        compared = compare(table, baseline=baseline, metric=METRIC, by=by)
        found = {_key(row, keys): row for row in compared.to_dict("records")}
        said = compared.attrs["w2s_compare"]
        caption += f"; minus naive: {said['covers']}; conclusions: Holm's correction over {said['family']} comparisons"
    lines = []
    for row in summary.to_dict("records"):
        line = {name: value_text(row[name]) for name in keys} | {"error, points": _points(row, METRIC, f"{METRIC}_")}
        if other := found.get(_key(row, keys)):
            line |= {"minus naive": _points(other, "difference", ""), "corrected p": _p_value(other["p_holm"])}
            line["conclusion"] = str(other["conclusion"])
        lines.append(line)
    for row in summarize(table, by=by, metrics=list(_OTHERS), population="test_part").to_dict("records"):
        named = {name: value_text(row[name]) for name in by}
        lines += [
            named | {"method": text, "error, points": _points(row, name, f"{name}_")}
            for name, text in _OTHERS.items()
            if row[name] == row[name]
        ]
    result = pd.DataFrame(lines).fillna("-")
    if by:
        result = result.sort_values(by, kind="stable", ignore_index=True)
    result.attrs["caption"] = caption
    return result


def _key(row: dict[Any, Any], keys: list[str]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in keys)


def _points(row: dict[Any, Any], name: str, prefix: str) -> str:
    """Write a share and its interval in hundredths."""
    bounds = {f"x_{end}": 100.0 * row[f"{prefix}{end}"] for end in ("low", "high")}
    return interval_text({"x": 100.0 * row[name], "x_status": row[f"{prefix}status"], **bounds}, "x")


def _p_value(value: float) -> str:
    return "-" if value != value else f"{value:.2g}" if value >= 0.0005 else "< 0.0005"
