"""The rows of a run in a form that another tool reads, chosen by its word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import RunError, StoreError, UserError
from sweeper.review.table import read_run
from sweeper.travel.forms import write_csv, write_hf, write_xlsx
from sweeper.travel.trackers import write_mlflow, write_wandb
from w2s.contract.described import column_notes
from w2s.errors import nearest
from w2s.places.url import Where
from w2s.tables.describe import describe

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["FORMS", "Exported", "export_run"]

Writer = Callable[["DataFrame", "DataFrame", Path, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Exported:
    """What was written: where, how many rows."""

    path: Path
    rows: int


FORMS: Mapping[str, tuple[Writer, str]] = {
    "csv": (write_csv, "-csv"),
    "xlsx": (write_xlsx, ".xlsx"),
    "hf": (write_hf, "-hf"),
    "mlflow": (write_mlflow, "-mlflow"),
    "wandb": (write_wandb, "-wandb"),
}
"""Writer and the end of the default name by word. A writer gets rows, notes on columns, a new path, and what the run is."""


def export_run(run: Where | str, form: str, out: Path | None = None, *, trust_code: bool = False) -> Exported:
    """Write the rows of a run, failed ones too, as ``form`` into ``out``, by default the run's name and the form's here.

    Raises :class:`UserError` for an unknown form, a library that is not installed, a path that exists, a run without rows.
    """
    if form not in FORMS:
        raise UserError(f"--to {form!r} is not one of: {', '.join(FORMS)}{nearest(form, FORMS)}")
    table = read_run(run, trust_code=trust_code)
    if not len(table.rows):
        raise RunError(f"{run} has no rows yet; launch its grid first")
    writer, end = FORMS[form]
    name = (table.path.resolve() if isinstance(table.path, Path) else table.path).name
    place = Path(f"{name}{end}") if out is None else out
    if place.exists():
        raise RunError(f"{place} exists; name another with --out")
    notes = describe(table.path, cell=table.grid.study.Cell)
    said = {note.name: note for note in column_notes(table.grid.study)}
    for column in notes.index:  # rows of earlier releases have no notes of their own
        if not notes.loc[column, "description"] and column in said:
            notes.loc[column, ["role", "unit", "description"]] = [
                said[column].role,
                said[column].unit,
                said[column].description,
            ]
    about = {
        "name": name,
        "study": table.grid.study.name,
        "version": table.grid.study.version,
        "summary": table.grid.study.summary,
        "package": table.origin.get("package"),
        "fields": list(table.rows.attrs["w2s"].get("fields", ())),
    }
    try:
        writer(table.rows, notes, place, about)
    except OSError as error:
        raise StoreError(f"cannot write {place}: {error.strerror or error}") from None
    return Exported(place, len(table.rows))
