"""What the cells of a column say: names, texts or numbers. Whoever uses a column says which of them it holds.

name     a class, an item id, a group, a part: text exactly as written, without the white space around it. 007, 7, 1e5, NA and
         true are five different names. Numbers that a file stores as numbers have the name of their value: 1 and 1.0 are "1".
text     text exactly as written.
number   a decimal number; true and false are 1 and 0 where a column holds nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MISSING", "CellError", "Column", "column_of", "opaque", "spelling", "untyped"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MISSING = (
    *("", "NA", "N/A", "n/a", "#NA", "#N/A", "#N/A N/A", "NULL", "null", "None", "<NA>"),
    *("nan", "NaN", "-nan", "-NaN", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""How files write a number that is missing. Among names only the empty cell is missing."""

_KEY = b"w2s"
_NUMBER = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$|^[-+]?(?i:inf|infinity)$"
_LOOSE = r"^[$€£]?\s?[-+]?([0-9]{1,3}([,' ][0-9]{3})+|[0-9]+)([.,][0-9]*)?([eEdD][-+]?[0-9]+)?\s?%?$"
"""Numbers as people write them: 1,234.5 and 12 % and $5 too. Not dates, versions or addresses."""


class CellError(ValueError):
    """A column does not hold what is asked for; ``row`` is the first such row (from 0), None where it is the whole column."""

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


@dataclass(frozen=True)
class Column:
    """Cells of a table file. ``untyped`` cells are text that may stand for anything; all others have their Arrow type."""

    name: str
    cells: pa.Array
    untyped: bool
    opaque: bool

    @property
    def is_text(self) -> bool:
        """Whether the cells are text, typed or not."""
        kind = self.cells.type
        return not self.opaque and bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

    @property
    def is_number(self) -> bool:
        """Whether the file stores numbers or booleans, or nothing at all."""
        kind = self.cells.type
        tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null)
        return any(test(kind) for test in tests)

    @property
    def holds(self) -> str:
        """What the column holds, in words: "list<double>"."""
        return "values of several kinds" if self.opaque else str(self.cells.type)

    def texts(self) -> pa.Array:
        """Read texts as written, null where a cell is empty; :class:`CellError` where the file stores something else."""
        if not self.is_text and not pa.types.is_null(self.cells.type):
            raise CellError(f"holds {self.holds}, not text")
        return _unless_empty(self.cells.cast(pa.string()))

    def names(self) -> pa.Array:
        """Read names, null where a cell is empty; :class:`CellError` for lists and objects, and for a NUL within a name."""
        kind = self.cells.type
        if self.opaque or pa.types.is_nested(kind):
            raise CellError(f"holds {self.holds}, not names")
        if pa.types.is_floating(kind):
            return _names_of_floats(self.cells.cast(pa.float64()))
        try:
            written = pc.utf8_trim_whitespace(self.cells.cast(pa.string()))
        except pa.ArrowException:
            raise CellError(f"holds {self.holds}, not names") from None
        if (row := _first(pc.match_substring(written, "\0"))) is not None:
            raise CellError(f"{written[row].as_py()!r} holds a NUL, no name does", row)
        return _unless_empty(written)

    def numbers(self) -> Array:
        """Read float64, NaN where a cell is missing; :class:`CellError` with the first cell that is no number."""
        if self.is_number:
            return _floats(self.cells)
        if not self.is_text:
            raise CellError(f"holds {self.holds}, not numbers")
        try:
            return _floats(self.cells)
        except pa.ArrowException:  # white space, a missing number, a boolean, or a word
            written = _trimmed(self.cells)
        if pc.all(pc.or_(pc.is_null(written), _booleans(written))).as_py():
            return _floats(pc.equal(pc.utf8_lower(written), "true"))
        if (row := _first(pc.invert(pc.match_substring_regex(written, _NUMBER)))) is not None:
            raise CellError(f"{self.cells[row].as_py()!r} is no number", row)
        return _floats(written)

    def like_numbers(self) -> Mask:
        """Mark the cells of text that a reader that guesses would take for a number or a boolean: (n,)."""
        written = _trimmed(self.cells)
        found = pc.or_(pc.match_substring_regex(written, _LOOSE), pc.match_substring_regex(written, _NUMBER))
        return np.asarray(pc.fill_null(pc.or_(found, _booleans(written)), False))

    def missing(self) -> Mask:
        """Mark the cells of text without a value: empty, null, or one of :data:`MISSING`."""
        return np.asarray(pc.is_null(_trimmed(self.cells)))


def column_of(table: pa.Table, name: str) -> Column:
    """Return one column of a table that :func:`w2s.files.tablefile.read_table_file` returned."""
    field, cells = table.field(name), table[name].combine_chunks()
    if isinstance(cells, pa.ChunkedArray):  # too long for one array
        cells = pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in cells.chunks])
    if isinstance(cells, pa.ExtensionArray):
        cells = cells.storage
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    mark = (field.metadata or {}).get(_KEY)
    return Column(name, cells, mark == b"untyped", mark == b"opaque")


def untyped(name: str) -> pa.Field:
    """Make the field of a column of cells as written, without a type of their own."""
    return pa.field(name, pa.string(), metadata={_KEY: b"untyped"})


def opaque(name: str) -> pa.Field:
    """Make the field of a column that holds values of several kinds, such as lists beside numbers: nothing can use it."""
    return pa.field(name, pa.string(), metadata={_KEY: b"opaque"})


def spelling(name: str) -> str:
    """Return what two spellings of one name have in common: 1, 01 and 1.0; True and TRUE; composed and decomposed letters.

    A single letter keeps its case: data sets of letters tell a from A.
    """
    plain = " ".join(unicodedata.normalize("NFKC", name).split())
    if re.fullmatch(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?", plain):
        return repr(float(plain))
    return plain if len(plain) == 1 else plain.casefold()


def _trimmed(cells: pa.Array) -> pa.Array:
    """Return texts without the white space around them, null where a number is missing."""
    written = pc.utf8_trim_whitespace(cells)
    return pc.if_else(pc.is_in(written, pa.array(MISSING, written.type)), pa.scalar(None, written.type), written)


def _unless_empty(written: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(written, ""), pa.scalar(None, written.type), written)


def _booleans(written: pa.Array) -> pa.Array:
    return pc.and_(pc.is_valid(written), pc.is_in(pc.utf8_lower(written), pa.array(["true", "false"], written.type)))


def _floats(cells: pa.Array) -> Array:
    return np.asarray(cells.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _names_of_floats(cells: pa.Array) -> pa.Array:
    values = cells.to_numpy(zero_copy_only=False)
    there = values[np.isfinite(values)]
    if not (there == np.round(there)).all():
        return pc.if_else(pc.is_nan(cells), pa.scalar(None, pa.string()), cells.cast(pa.string()))
    return pa.array(
        [None if value != value else str(int(value)) if np.isfinite(value) else str(value) for value in values.tolist()]
    )


def _first(mask: pa.Array) -> int | None:
    place = pc.index(mask, pa.scalar(True)).as_py()
    return None if place < 0 else int(place)
