"""A finished table: headings, cells as text, what is said above and below it, and the numbers behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from w2s.errors import nearest
from w2s.summary.digits import fewest_digits
from w2s.tabulate import formats

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Format", "Table", "constants_apart"]

Format = Literal["text", "md", "csv", "latex", "html"]


@dataclass(frozen=True)
class Table:
    """Cells of text with headings; ``str(table)`` is the text of 80 columns.

    Attributes
    ----------
    headings, lines : names of the columns, and their cells, a tuple a line.
    keys : number of leading columns that name a line; a text that is too wide repeats them in every part.
    constants : columns that have one value, which is said once above the table.
    notes : sentences below the table: intervals, units, what is held and how a best value was chosen.
    numbers : the numbers behind the cells, unrounded, for CSV.
    symbols : heading -> its LaTeX, where that is not the heading.
    title : what the table is about, where its columns do not say it; the constants follow it.
    caption : sentences of the LaTeX caption, names of columns between two ``formats.NAME``; without any the notes are taken.

    """

    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    keys: int
    constants: Mapping[str, str]
    notes: tuple[str, ...]
    numbers: DataFrame
    symbols: Mapping[str, str] = field(default_factory=dict)
    caption: tuple[str, ...] = ()
    title: str = ""

    def __str__(self) -> str:
        """Write the table as text of 80 columns."""
        return self.to_text()

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        return self.to_html()

    def write(self, form: str = "text", width: int = 80, *, caption: str | None = None, label: str | None = None) -> str:
        """Write the table in a format: ``text`` (of at most ``width`` columns), ``md``, ``csv``, ``latex`` or ``html``.

        ``tex`` is ``latex``; ``caption`` and ``label`` are as in :meth:`to_latex`. Raises ValueError for another word, and for
        a caption or a label of another format.
        """
        form = "latex" if form == "tex" else form
        if form not in get_args(Format):
            raise ValueError(f"format={form!r} is not one of: {', '.join(get_args(Format))}{nearest(form, get_args(Format))}")
        if form == "latex":
            return self.to_latex(caption, label)
        if given := [name for name, word in (("caption", caption), ("label", label)) if word is not None]:
            raise ValueError(f"{given[0]}: only the format latex has one, and format={form!r}")
        if form == "text":
            return self.to_text(width)
        return {"md": self.to_markdown, "csv": self.to_csv, "html": self.to_html}[form]()

    def to_text(self, width: int = 80) -> str:
        """Write aligned text. A table that is wider than ``width`` is written in parts, each with the key columns."""
        return formats.text(self.headings, self.lines, self.keys, self.above(), self.notes, width)

    def to_markdown(self) -> str:
        """Write a pipe table."""
        return formats.markdown(self.headings, self.lines, self.keys, self.above(), self.notes)

    def to_csv(self) -> str:
        """Write the numbers, unrounded: keys, and for every metric its value, both ends, status and counts."""
        return str(self.numbers.to_csv(index=False))

    def to_latex(self, caption: str | None = None, label: str | None = None) -> str:
        r"""Write a LaTeX ``table`` with ``booktabs`` rules; needs ``\usepackage{booktabs}`` there, and no package here.

        ``caption``, LaTeX itself, takes the place of the one that says what is shown; ``label`` is for ``\ref``. Values of
        axes have two significant digits, or as many as tell them apart.
        """
        said = self.caption or (*([f"{self.above()}."] if self.above() else []), *self.notes)
        written = caption if caption is not None else " ".join(formats.latex_sentence(part, self.symbols) for part in said)
        columns = [self._rounded(k) if k < self.keys else [line[k] for line in self.lines] for k in range(len(self.headings))]
        heads = [self.symbols.get(name) or formats.latex_sentence(name, {}) for name in self.headings]
        return formats.latex(heads, list(zip(*columns, strict=True)), written, label)

    def _rounded(self, place: int) -> list[str]:
        """Write a column of keys with as few digits, two or more, as tell its numbers apart; marks stay."""
        cells, column = [line[place] for line in self.lines], self.numbers.get(self.headings[place])
        if column is None or column.dtype.kind != "f":
            return cells
        return [
            cell if value != value else short + cell[len(cell.rstrip("†")) :]
            for cell, value, short in zip(cells, column, fewest_digits(list(column)), strict=True)
        ]

    def to_html(self) -> str:
        """Write an HTML ``table`` element; every text in it is escaped."""
        return formats.html(self.headings, self.lines, self.keys, self.above(), self.notes)

    def above(self) -> str:
        """Say what stands above the table: what it is about, and the columns that have one value."""
        constants = ", ".join(f"{name} = {value}" for name, value in self.constants.items())
        return "; ".join(filter(None, [self.title, constants]))


def constants_apart(
    headings: Sequence[str], lines: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], dict[str, str]]:
    """Take out columns in which all lines (two or more) say the same; return headings, lines, and those columns with values."""
    rows: list[Sequence[Any]] = list(lines)
    same = [k for k in range(len(headings)) if len(rows) > 1 and len({row[k] for row in rows}) == 1]
    kept = [k for k in range(len(headings)) if k not in same]
    found = {headings[k]: str(rows[0][k]) for k in same}
    return tuple(headings[k] for k in kept), tuple(tuple(str(row[k]) for k in kept) for row in rows), found
