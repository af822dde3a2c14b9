"""A comparison as a table: every value against the baseline, with the difference, Holm's p-value and a conclusion in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from w2s.summary.best import error_beside
from w2s.summary.compare import CONCLUSIONS
from w2s.summary.digits import MOST_DECIMALS, column_decimals, interval_digits, number_digits
from w2s.summary.text import value_text
from w2s.tabulate import formats
from w2s.tabulate.grid import Table, constants_apart
from w2s.tabulate.table import latex_headings

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["comparison_table"]

_SHORT = {"no significant difference": "not significant"}
"""Conclusions that a column writes shorter than a sentence does."""


def comparison_table(found: DataFrame, unit: str = "", differ: Mapping[str, Mapping[str, str]] | None = None) -> Table:
    """Make a table of the result of `compare`: a line for each value and group, and below it what was found, in words.

    ``unit`` is that of the metric; ``differ`` says in which fields runs differ that were put side by side.
    """
    about = found.attrs["w2s_compare"]
    over, metric = str(about["over"]), str(about["metric"])
    values, baseline = list(dict.fromkeys(map(value_text, found[over]))), value_text(about["baseline"])
    first = [name for name in found.columns[: list(found.columns).index("mean")] if name != over or len(values) > 1]
    both = [values[0] if len(values) == 1 else "mean", baseline if len(values) == 1 else "baseline"]
    if set(both) & {*first, "difference", "conclusion", "p (Holm)", "pairs"} or both[0] == both[1]:
        both = ["mean", "baseline"]
    numbers = [*both, "difference", "conclusion", "p (Holm)", "pairs"]
    headings = [*first, *numbers]
    lines = _lines(found, first)
    kept, cells, constants = constants_apart(headings, lines)
    shown = numbers[:-1]  # a conclusion that is the same everywhere is a result, not a setting
    kept = tuple(name for name in headings if name in kept or name in shown)
    cells = tuple(tuple(dict(zip(headings, line, strict=True))[name] for name in kept) for line in lines)
    constants = {name: value for name, value in constants.items() if name not in shown}
    notes = [_conclusion(found, about), _method(about, unit), *_best(about), *_differences(differ or {})]
    keys = sum(name in kept for name in first)
    symbols = latex_headings(map(str, first), [metric]) | {"p (Holm)": "$p$ (Holm)"}
    what = f"{over} = " if over != "run" else ""
    title = f"{', '.join(values)} against {what}{baseline}: {metric}{f' ({unit})' if unit else ''}, seed by seed"
    made = Table(kept, cells, keys, constants, tuple(notes), found, symbols, title=title)
    named = rf"{formats.NAME}{metric}{formats.NAME}"
    caption = tuple(re.sub(rf"\b{re.escape(metric)}\b", named, text) for text in (f"{made.above()}.", *notes))
    return replace(made, caption=caption)


def _lines(found: DataFrame, first: list[str]) -> list[tuple[str, ...]]:
    rows = [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]
    least = column_decimals((row["low"], row["high"]) for row in rows)
    return [_line(row, first, least) for row in rows]


def _line(row: Mapping[str, Any], first: list[str], least: int | None) -> tuple[str, ...]:
    p_value = row["p_holm"]
    return (
        *(value_text(row[name]) for name in first),
        _mean(row["mean"], least),
        _mean(row["baseline_mean"], least),
        interval_digits(row["difference"], row["low"], row["high"], str(row["status"]), least),
        _SHORT.get(str(row["conclusion"]), str(row["conclusion"])),
        "-" if p_value != p_value else "<0.001" if p_value < 0.001 else f"{p_value:.2g}",
        str(row["pairs"]),
    )


def _mean(value: float, places: int | None) -> str:
    """Write a mean with the decimals of the differences, so that they can be added up."""
    if value != value:
        return "-"
    return number_digits(value) if places is None or places > MOST_DECIMALS else f"{value:.{places}f}"


def _conclusion(found: DataFrame, about: Mapping[str, Any]) -> str:
    """Say how often each value is better or worse than the baseline; that nothing differs is a result."""
    over, baseline, metric = str(about["over"]), value_text(about["baseline"]), about["metric"]
    if set(found["conclusion"]) <= {"no significant difference", "the same"}:
        return f"No significant difference in {metric} from {over} = {baseline}, in {len(found)} comparisons."
    told = found[over].map(value_text)
    said = [
        f"{value if over == 'run' else f'{over} = {value}'} is {_counted(found['conclusion'][told == value])}"
        for value in dict.fromkeys(told)
    ]
    return f"In {metric}, against {baseline if over == 'run' else f'{over} = {baseline}'}: {'; '.join(said)}."


def _counted(conclusions: Series[Any]) -> str:
    counts = Counter(conclusions)
    words = {"no significant difference": "not significantly different"}
    said = ", ".join(f"{words.get(word, word)} in {counts[word]}" for word in CONCLUSIONS if counts[word])
    return f"{said}, of {len(conclusions)} settings" if len(conclusions) > 1 else said.removesuffix(" in 1")


def _method(about: Mapping[str, Any], unit: str) -> str:
    measured, family = f" ({unit})" if unit else "", about["family"]
    tests = f"p-values are corrected by Holm over {family} tests" if family > 1 else "the p-value is that of one test"
    return (
        f"Differences are value - baseline in {about['metric']}{measured}, {about['better']} is better; brackets: "
        f"{about['covers']}; pairs are seeds; {tests}."
    )


def _best(about: Mapping[str, Any]) -> list[str]:
    """Say of which axes each value has its own best one, and how that was chosen."""
    if not about["best_over"]:
        return []
    best, error = " and ".join(about["best_over"]), error_beside(str(about["metric"]))
    return [
        f"Each at its best {best}: chosen by the least mean of {error} on even seeds, for each setting; "
        "the numbers are those of the odd seeds."
    ]


def _differences(differ: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [
        f"The runs differ in {name}: {'; '.join(f'{run}: {values}' for run, values in each.items())}."
        for name, each in differ.items()
    ]
