"""``w2s-sweep score``: the study ``predictions`` on one file, printed at once; nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from sweeper.console import console, frame_text
from sweeper.errors import UserError
from sweeper.grid.read import load_grid
from sweeper.worker.solve import solve_rows
from sweeper.worker.threads import one_thread
from w2s.contract.cells import cell_fields
from w2s.errors import FieldError
from w2s.files.datafile import DataFile, DataFileError
from w2s.predictions.columns import ColumnNames
from w2s.predictions.digest import prediction_digest
from w2s.predictions.file import load_predictions
from w2s.predictions.groups import prediction_grid
from w2s.predictions.kinds import Kind
from w2s_kernels import NUMPY

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["print_scores", "score"]


def score(file: Path, kind: Kind, by: str | None = None, labels: str | None = None) -> DataFrame:
    """Return the rows of every seed of a file and of every value of the column ``by``: one row per cell, as from a launch.

    ``labels`` is ``hard`` for students that were trained on the most probable class of the weak model's probabilities.
    Raises :class:`sweeper.errors.UserError` for a file that cannot be scored.
    """
    import pandas as pd

    if kind not in get_args(Kind):  # by a call from Python; the command line accepts these words only
        raise UserError(f"kind {kind!r} is not one of: {', '.join(get_args(Kind))}")
    names = ColumnNames() if by is None else ColumnNames(group=by)
    try:
        found = load_predictions(DataFile.find(str(file.resolve())), kind, names)
    except (FieldError, DataFileError) as error:
        raise UserError(str(error)) from None
    if by is not None and found.groups is None:
        raise UserError(found.no_groups or f"{file}: no column {by!r}")
    grid = prediction_grid(file.name, kind, found.seeds, found.groups if by else None, names.group, labels)
    checked = load_grid(grid, file.resolve().parent)
    with one_thread():
        tables = [solve_rows(checked.study, part.block, NUMPY) for part in checked.parts]
    rows: DataFrame = pd.concat([table.to_pandas() for table in tables], ignore_index=True)
    rows.attrs["w2s"] = {"fields": list(cell_fields(checked.study.Cell))}
    rows.attrs["remarks"] = list(found.remarks)
    return rows


def print_scores(rows: DataFrame) -> None:
    """Print one line per group and seed with intervals over items, then one per group over seeds and items."""
    import pandas as pd

    seeds, by = sorted(rows["seed"].unique()), ["group"] if rows["group"].notna().any() else []
    lines = [prediction_digest(_of(rows, seed), by).assign(seed=str(seed)) for seed in seeds]
    if len(seeds) > 1:
        lines.append(prediction_digest(rows, by).assign(seed="all"))
    table = pd.concat(lines, ignore_index=True)
    table = table.sort_values(by, kind="stable") if by else table
    rest = [name for name in table.columns if name not in (*by, "seed")]
    out = console()
    out.print(frame_text(table[[*by, "seed", *rest]]))
    for remark in rows.attrs.get("remarks", []):
        out.print(f"! {remark}")


def _of(rows: DataFrame, seed: int) -> DataFrame:
    part: DataFrame = rows[rows["seed"] == seed]
    part.attrs = rows.attrs
    return part
