"""What the command line prints of meanings: a word at length, the columns of a run."""

from __future__ import annotations

import textwrap

from rich.table import Table

from sweeper.cli.show.documents import records, text_of
from sweeper.console import console
from sweeper.errors import RunError, UserError
from sweeper.folder.run_folder import RunFolder
from sweeper.review.stored import stored_grid
from w2s.contract.cells import cell_fields
from w2s.errors import FieldError
from w2s.figures.symbols import fields_of_symbol
from w2s.glossary import ANSWERS, explain_word, words_by_place
from w2s.studies.registry import BUILTIN, find_study
from w2s.tables.describe import describe

__all__ = ["print_columns", "print_meaning"]

_MOST = 3
"""Studies that are named for a meaning."""


def print_meaning(word: str | None) -> None:
    """Print the meaning of a word, a field, a column, a symbol or a method; without one the words, by where one meets them."""
    out = console()
    if word is None:
        places = {**words_by_place(), "methods, losses and modifiers": sorted(_study_words())}
        out.print("\n\n".join(_listed(place, names) for place, names in places.items()))
        out.print("\nw2s-sweep explain WORD explains one, a field of grids (d_weak), or a symbol of\nfigures (lambda).")
        return
    own = _study_words()
    method = _filled(f"{word}: {own[word]}") if word in own else ""
    said = [] if word in ANSWERS else [text for text in (_of_symbol(word), _of_field(word), method) if text]
    try:
        said.insert(0, _filled(explain_word(word, (*own, *_field_names()))))
    except FieldError as error:
        if not said:
            raise UserError(str(error)) from None
    out.print("\n\n".join(said), markup=False, highlight=False)


def _listed(place: str, names: list[str]) -> str:
    """Write a heading and its words in lines of at most 80 characters."""
    return f"{place}:\n" + textwrap.fill("  ".join(names), 80, initial_indent="  ", subsequent_indent="  ")


def _filled(text: str) -> str:
    """Write a text of one line in lines of at most 80 characters; an answer of several lines has its own."""
    return text if "\n" in text else textwrap.fill(text, 80, break_long_words=False, break_on_hyphens=False)


def _study_words() -> dict[str, str]:
    return {word: text for study in BUILTIN for word, text in find_study(study)().words().items()}


def _field_names() -> list[str]:
    return list(dict.fromkeys(name for study in BUILTIN for name in cell_fields(find_study(study).Cell)))


def _of_symbol(word: str) -> str:
    """Say which fields figures write with a symbol, and what these are."""
    fields = [name for name in fields_of_symbol(word) if name != word]
    said = [f"{word}: in figures the symbol of {' and of '.join(fields)}"] if fields else []
    return "\n\n".join([*said, *map(_of_field, fields)])


def _of_field(word: str) -> str:
    """Say what a field of the built-in studies means, with its unit: a line for each meaning, and the studies that have it."""
    meanings: dict[str, list[str]] = {}
    for study in BUILTIN:
        for name, spec in cell_fields(find_study(study).Cell).items():
            if word in (name, spec.formerly):
                unit = f" [{spec.unit}]" if spec.unit else ""
                now = f", now called {name}" if name != word else ""
                meanings.setdefault(f"{spec.description}{unit}{now}", []).append(study)
    said = [f"  {text} ({_some(studies)})" for text, studies in sorted(meanings.items(), key=lambda item: -len(item[1]))]
    lines = [textwrap.fill(line, 80, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False) for line in said]
    return "\n".join([f"{word}: a field of a cell, so a grid can have it as an axis", *lines]) if lines else ""


def _some(studies: list[str]) -> str:
    more = f" and {len(studies) - _MOST} more" if len(studies) > _MOST else ""
    return f"{', '.join(studies[:_MOST])}{more}"


def print_columns(run: str, *, as_json: bool, trust_code: bool) -> None:
    """Print a line for each column of a run: what it is for, its range, its nulls, and what it means."""
    folder = RunFolder.existing(run)
    try:
        frame = describe(folder.path, cell=stored_grid(folder, trust_code=trust_code).study.Cell)
    except (OSError, ValueError) as error:
        raise RunError(str(error)) from None
    if as_json:
        console().file.write(text_of(records(frame.reset_index())) + "\n")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("column", no_wrap=True)
    for name in ("least", "greatest", "nulls"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("meaning", ratio=1)
    for line in records(frame.reset_index()):
        unit = f" [{line['unit']}]" if line["unit"] else ""
        ends = [f"{line[end]:.4g}" if isinstance(line[end], int | float) and line[end] == line[end] else "-" for end in _ENDS]
        table.add_row(line["column"], *ends, f"{line['nulls']:,}", f"{line['role']}: {line['description']}{unit}")
    console().print(table)


_ENDS = ("least", "greatest")
