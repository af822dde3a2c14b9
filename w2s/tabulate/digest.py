"""The few lines of a run that a person wants to see: 8 columns or one more, 40 rows at most, and a sentence in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from w2s.contract.study import Study
from w2s.figures.held import spread
from w2s.summary.columns import cell_fields
from w2s.summary.digits import number_digits
from w2s.tabulate import formats
from w2s.tabulate.grid import constants_apart
from w2s.tabulate.sentence import found_in_words
from w2s.tabulate.table import units_note, usual_metrics
from w2s.user_files import told

if TYPE_CHECKING:
    from pandas import DataFrame

    from w2s.tables.scan import StoredRows

__all__ = ["MOST_COLUMNS", "MOST_LINES", "Digest", "run_digest"]

MOST_COLUMNS, MOST_LINES = 8, 40
_IMPORTANT = ("pgr", "gain", "student", "weak", "ceiling", "misfit", "difference", "accuracy")
"""Words of headings, the most important first: what stays where there are too many columns."""

_LESS_IMPORTANT = ("squared error", "least regularised")
"""Words of headings that stay only where there is room for them."""

_NAMING = "regularisation"
"""Heading of a column, no field, that is part of a line's name where fields alone do not tell the lines apart."""

_MOST_TEXT = 300
_LOOKED_AT = 2_000
"""Lines by which it is judged which fields tell lines apart."""


@dataclass(frozen=True)
class Digest:
    """What a report shows first.

    Attributes
    ----------
    sentence : what was found, in words.
    constants : columns that are the same in every line, with their value; shown once.
    table : at most 40 lines of 8 columns, or one more where fields alone do not tell lines apart; texts. ``keys`` columns,
        the first ones, name the line.
    whole : all lines and columns, for ``digest.csv``.
    notes : what intervals cover, units, and what the table leaves out.

    """

    sentence: str
    constants: Mapping[str, str]
    table: DataFrame
    keys: int
    whole: DataFrame
    notes: tuple[str, ...]

    def text(self, width: int = 80) -> str:
        """Write sentence, constants, lines and notes for a terminal of so many columns."""
        lines = [tuple(map(str, row)) for row in self.table.itertuples(index=False, name=None)]
        above = ", ".join(f"{name} = {value}" for name, value in self.constants.items())
        body = formats.text([str(name) for name in self.table.columns], lines, self.keys, above, self.notes, width)
        return f"{formats.paragraph(self.sentence, width)}\n\n{body}"


def run_digest(study: type[Study], rows: DataFrame, stored: StoredRows | None = None) -> Digest:
    """Make the digest of a run's rows: the study's lines (:meth:`~w2s.contract.study.Study.digest`), narrowed to what fits.

    Columns of one value are said once. Of more than eight columns those that name a line stay, six at most: the ones that tell
    the most lines apart. Then come PGR, gain and errors. Of more than 40 lines 40 are shown, evenly spread over all. ``whole``
    has everything. Of a run that is too large for memory ``stored`` are all rows, and ``rows`` some of them, which say what
    columns there are.
    """
    import pandas as pd

    every = rows if stored is None else cast("DataFrame", stored)
    try:
        whole, broken = study().digest(every), ""
    except Exception as error:
        # What a study says of its rows must not keep the rows, the figures and the claims from being shown.
        whole, broken = Study.digest(study(), every), f"the study's own digest failed: {told(error)}"
    texts = whole.map(_cell)
    headings = [str(name) for name in texts.columns]
    kept, lines, constants = constants_apart(headings, list(texts.itertuples(index=False, name=None)))
    constants = {name: value for name, value in constants.items() if value}
    fields = set(cell_fields(rows)) | {name.replace("_", " ") for name in cell_fields(rows)}
    named = [place for place, name in enumerate(kept) if name in fields]
    alike = _NAMING in kept and _distinct(lines, named) < len(lines)
    chosen = _narrowed(kept, named, lines, kept.index(_NAMING) if alike else None)
    shown = spread(range(len(lines)), MOST_LINES)
    table = pd.DataFrame([[lines[k][c] for c in chosen] for k in shown], columns=[kept[c] for c in chosen])
    notes = [broken[:_MOST_TEXT], str(whole.attrs.get("caption", "")), units_note(rows, usual_metrics(rows))]
    missing = [kept[c] for c in range(len(kept)) if c not in chosen]
    more = "more columns are" if len(missing) > 1 else "more column is"
    notes += [f"{len(missing)} {more} in digest.csv: {', '.join(missing)}."] if missing else []
    notes += [f"{len(shown)} of {len(lines):,} lines, evenly spread; all are in digest.csv."] if len(shown) < len(lines) else []
    keys = sum(c in named or (alike and kept[c] == _NAMING) for c in chosen)
    names = [tuple(line[:keys]) for line in table.itertuples(index=False, name=None)]
    notes += ["Lines of the same words differ in a column of digest.csv."] if len(set(names)) < len(names) else []
    lead = str(whole.attrs.get("sentence", ""))
    sentence = (
        f"{lead} Over all values of the regularisation: {_small(found_in_words(every))}" if lead else found_in_words(every)
    )
    return Digest(sentence, constants, table, keys, whole, tuple(filter(None, notes)))


def _small(sentence: str) -> str:
    """Return a sentence that begins with a small letter."""
    return sentence[:1].lower() + sentence[1:]


def _narrowed(
    headings: Sequence[str], named: Sequence[int], lines: Sequence[Sequence[str]], also: int | None = None
) -> list[int]:
    """Choose the places of at most eight columns, in their order: first what names a line, then the important ones.

    ``also`` is the place of one more that names a line.
    """
    if len(headings) <= MOST_COLUMNS:
        return list(range(len(headings)))

    def rank(place: int) -> tuple[int, int]:
        words = headings[place].lower()
        by_word = next((k for k, word in enumerate(_IMPORTANT) if word in words), len(_IMPORTANT))
        if any(word in words for word in _LESS_IMPORTANT):
            by_word += len(_IMPORTANT)
        return (2 * len(_IMPORTANT) if words == _NAMING else by_word, place)

    keys = _telling(named, lines, MOST_COLUMNS - 2)
    rest = sorted((place for place in range(len(headings)) if place not in (*named, also)), key=rank)
    return sorted([*keys, *([] if also is None else [also]), *rest[: MOST_COLUMNS - len(keys)]])


def _telling(named: Sequence[int], lines: Sequence[Sequence[str]], most: int) -> list[int]:
    """Choose at most so many columns that name a line: one after the other the one that tells the most lines apart."""
    if len(named) <= most:
        return list(named)
    some, chosen = spread(lines, _LOOKED_AT), list[int]()
    while len(chosen) < most:
        chosen.append(max((place for place in named if place not in chosen), key=lambda c: _distinct(some, [*chosen, c])))
    return chosen


def _distinct(lines: Sequence[Sequence[str]], places: Sequence[int]) -> int:
    """Count the lines that differ in some of their columns."""
    return len({tuple(line[place] for place in places) for line in lines})


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    return number_digits(value) if isinstance(value, float) else str(value)
