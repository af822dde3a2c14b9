"""A comparison as a table: every value against the baseline, with the difference, Holm's p-value and a conclusion in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from w2s.summary.compare import CONCLUSIONS
from w2s.summary.digits import interval_digits, number_digits
from w2s.summary.text import value_text
from w2s.tabulate.grid import Table, constants_apart
from w2s.tabulate.table import latex_headings

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["comparison_table"]

_NUMBERS = ("difference", "p (Holm)", "conclusion", "mean", "baseline", "pairs")


def comparison_table(found: DataFrame, unit: str = "", differ: Mapping[str, Mapping[str, str]] | None = None) -> Table:
    """Make a table of the result of `compare`: a line for each value and group, and below it what was found, in words.

    ``unit`` is that of the metric; ``differ`` says in which fields runs differ that were put side by side.
    """
    about = found.attrs["w2s_compare"]
    first = list(found.columns[: list(found.columns).index("mean")])
    headings = [*first, *_NUMBERS]
    lines = [_line({str(name): value for name, value in row.items()}, first) for row in found.to_dict("records")]
    kept, cells, constants = constants_apart(headings, lines)
    for name in _NUMBERS:  # a conclusion that is the same everywhere is a result, not a setting
        constants.pop(name, None)
    kept_all = [name for name in headings if name in kept or name in _NUMBERS]
    cells = tuple(tuple(dict(zip(headings, line, strict=True))[name] for name in kept_all) for line in lines)
    notes = [_conclusion(found, about), _method(about, unit), *_differences(differ or {})]
    keys = sum(name in kept_all for name in first)
    symbols = latex_headings(first, ()) | {"p (Holm)": "$p$ (Holm)"}
    return Table(tuple(kept_all), cells, keys, constants, tuple(notes), found, symbols)


def _line(row: Mapping[str, Any], first: list[str]) -> tuple[str, ...]:
    p_value = row["p_holm"]
    return (
        *(value_text(row[name]) for name in first),
        interval_digits(row["difference"], row["low"], row["high"], str(row["status"])),
        "-" if p_value != p_value else "<0.001" if p_value < 0.001 else f"{p_value:.2g}",
        str(row["conclusion"]),
        number_digits(row["mean"]) if row["mean"] == row["mean"] else "-",
        number_digits(row["baseline_mean"]) if row["baseline_mean"] == row["baseline_mean"] else "-",
        str(row["pairs"]),
    )


def _conclusion(found: DataFrame, about: Mapping[str, Any]) -> str:
    """Count the conclusions in a sentence; that nothing differs is a result."""
    counts = Counter(found["conclusion"])
    over, baseline, metric = about["over"], value_text(about["baseline"]), about["metric"]
    if set(counts) <= {"no significant difference", "the same"}:
        return f"No significant difference in {metric} from {over} = {baseline}, in {len(found)} comparisons."
    said = ", ".join(f"{counts[word]} {word}" for word in CONCLUSIONS if counts[word])
    return f"Compared with {over} = {baseline} in {metric}, of {len(found)} comparisons: {said}."


def _method(about: Mapping[str, Any], unit: str) -> str:
    measured = f" ({unit})" if unit else ""
    return (
        f"Differences are value - baseline in {about['metric']}{measured}, {about['better']} is better; brackets: "
        f"{about['covers']}; pairs are seeds; p-values are corrected by Holm over {about['family']} tests."
    )


def _differences(differ: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [
        f"The runs differ in {name}: {'; '.join(f'{run}: {values}' for run, values in each.items())}."
        for name, each in differ.items()
    ]
