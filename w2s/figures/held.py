"""A figure shows a few fields; every other field that varies is held at one value, and the figure says which."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from w2s.figures.style import heading
from w2s.figures.symbols import setting as setting_text
from w2s.summary.columns import cell_fields, group_codes, varying
from w2s.summary.stored import Rows, Stored
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["fullest", "heading_over_seeds", "hold", "seeds_text", "spread", "unshown_fields"]

Value = TypeVar("Value")
Frame = TypeVar("Frame", "DataFrame", Stored)


def unshown_fields(table: Rows, shown: Collection[str]) -> list[str]:
    """List the cell fields of a table besides the seed and those that a figure shows."""
    return [name for name in cell_fields(table) if name != "seed" and name not in shown]


def fullest(table: Frame, shown: Sequence[str]) -> tuple[Frame, str]:
    """Keep the rows of one setting of all other fields: the one in which the shown fields take most values.

    Returns the rows and a text that says what is held; a field without effect there, which is null, is not in it.
    """
    others: list[str] = varying(table, unshown_fields(table, shown))
    if not len(table) or not others:
        return table, ""
    setting, keys = group_codes(table, others)
    pairs, of_pairs = group_codes(table, [*others, *shown])
    seen = np.empty(len(of_pairs), dtype=np.int64)
    seen[pairs] = setting
    chosen = int(np.argmax(np.bincount(seen, minlength=len(keys))))
    values = {name: keys[name].iloc[chosen] for name in others}
    held = [setting_text(name, value) for name, value in values.items() if value is not None and value == value]
    return table[setting == chosen], ", ".join(held)


def hold(table: DataFrame, name: str) -> tuple[DataFrame, str]:
    """Keep the rows with the least value of a field (null where there is no other); return them and the value as text."""
    values = table[name].dropna()
    if not len(values):
        return table, "-"
    first = values.min()
    return table[table[name] == first], value_text(first)


def spread(values: Sequence[Value], most: int) -> list[Value]:
    """Choose at most ``most`` of some values, evenly spread over their places, the first and the last among them."""
    places = np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int)
    return [values[place] for place in dict.fromkeys(places.tolist())]


def seeds_text(rows: DataFrame) -> str:
    """Write how many seeds some rows have: ``24 seeds``, ``one seed``."""
    count = int(rows["seed"].nunique())
    return "one seed" if count == 1 else f"{count} seeds"


def heading_over_seeds(figure: Figure, title: str, rows: DataFrame, note: str, *held: str) -> None:
    """Write the title, and under it a note on seeds and intervals and what is held fixed.

    ``{seeds}`` in ``note`` becomes the number of seeds of the rows; empty texts among ``held`` are left out.
    """
    heading(figure, title, "; ".join([note.format(seeds=seeds_text(rows)), *(text for text in held if text)]))
