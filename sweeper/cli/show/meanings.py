"""What the command line prints of meanings: a word at length, the columns of a run."""

from __future__ import annotations

from rich.table import Table

from sweeper.cli.show.documents import records, text_of
from sweeper.console import console
from sweeper.errors import RunError, UserError
from sweeper.folder.run_folder import RunFolder
from sweeper.review.stored import stored_grid
from w2s.errors import FieldError
from w2s.glossary import explain_word, words
from w2s.tables.describe import describe

__all__ = ["print_columns", "print_meaning"]


def print_meaning(word: str | None) -> None:
    """Print the meaning of a word, or the list of words."""
    out = console()
    if word is None:
        out.print("  ".join(words()))
        return
    try:
        out.print(explain_word(word))
    except FieldError as error:
        raise UserError(str(error)) from None


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
