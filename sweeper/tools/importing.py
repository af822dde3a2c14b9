"""``w2s-sweep import``: result folders of other code bases become a table, and predictions with a grid that scores them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import yaml

from sweeper.console import console, short
from sweeper.errors import StoreError, UserError
from w2s.errors import nearest
from w2s.files.durable import whole
from w2s.importers import IMPORTERS, FolderError, Imported
from w2s.importers.files import setting_columns, summary_table
from w2s.predictions.groups import prediction_grid

__all__ = ["import_results"]

_ENDINGS = (".csv", ".parquet")
_LEGEND = {
    "labeled": "ceilings were trained on the weak model's rows, not on the student's",
    "transfer": "ceilings were trained on the student's rows",
    "mixed": "ceilings were trained on rows of both halves",
}


def import_results(
    source: str, folder: Path, out: Path | None, *, anchors: Sequence[Path] = (), overwrite: bool = False
) -> None:
    """Read ``folder`` and write the summary table; with predictions, ``-predictions.parquet`` and a grid beside it.

    Weak models and ceilings that are not in ``folder`` are looked for in the folders ``anchors``.
    """
    if source not in IMPORTERS:
        raise UserError(f"{source!r} is not a code base{nearest(source, IMPORTERS)}; known: {', '.join(IMPORTERS)}")
    table = out or Path(f"{folder.resolve().name}-results.csv")
    if not table.name.endswith(_ENDINGS):
        raise UserError(f"{table}: write to a file that ends in .csv or .parquet")
    if absent := [place for place in (folder, *anchors) if not place.is_dir()]:
        raise UserError(f"{absent[0]} is no folder")
    try:
        found = IMPORTERS[source](folder.resolve(), [place.resolve() for place in anchors])
    except FolderError as error:
        raise UserError(str(error)) from None
    predictions, grid = (table.with_name(f"{table.stem}-predictions{end}") for end in (".parquet", ".yaml"))
    targets = [table, *([predictions, grid] if found.predictions is not None else [])]
    if not overwrite and (there := [path for path in targets if path.exists()]):
        raise UserError(f"{there[0]} exists: name another file with --out, or add --overwrite")
    try:
        _write(found, table, predictions, grid)
    except OSError as error:
        raise StoreError(f"{table}: cannot be written: {error}") from None
    _print(found, targets)


def _write(found: Imported, table: Path, predictions: Path, grid: Path) -> None:
    rows = summary_table(found.runs)
    table.parent.mkdir(parents=True, exist_ok=True)
    with whole(table) as place:
        pq.write_table(rows, place) if table.suffix == ".parquet" else pyarrow.csv.write_csv(rows, place)
    if found.predictions is not None:
        with whole(predictions) as place:
            pq.write_table(found.predictions, place)
        seeds, groups = (found.predictions[name].to_numpy() for name in ("seed", "group"))
        text = yaml.safe_dump(prediction_grid(predictions.name, "probability", seeds, groups.astype(str)), sort_keys=False)
        with whole(grid) as place:
            place.write_text(text, encoding="utf-8")


def _print(found: Imported, targets: list[Path]) -> None:
    out = console()
    rows = summary_table(found.runs)
    out.print(f"{rows.num_rows} weak-to-strong runs: {', '.join(short(path) for path in targets)}")
    for place in pc.unique(rows["ceiling"]).to_pylist():
        out.print(f"ceiling: {place}: {_LEGEND[place]}")
    if varied := list(setting_columns(found.runs)):
        out.print(f"settings that vary are columns, to be named in the by of a summary: {', '.join(varied)}")
    if unlike := rows.num_rows - rows["differs"].null_count:
        out.print(f"column differs says for {unlike} runs how a weak model or ceiling was chosen, or is not the student's own")
    if found.predictions is not None:
        out.print(f"next: w2s-sweep launch {short(targets[-1])}")
    for line in found.skipped:
        out.print(f"skipped {line}")
