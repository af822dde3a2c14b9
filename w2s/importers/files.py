"""What importers share: safe reading of JSON and saved data sets, and the summary table with its one schema."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from w2s.errors import first_line
from w2s.files.tablefile import read_arrow
from w2s.importers.settings import setting_array, swept
from w2s.measure import metrics

__all__ = [
    "SUMMARY",
    "FolderError",
    "Imported",
    "label_share",
    "number",
    "read_json",
    "read_saved",
    "setting_columns",
    "summary_row",
    "summary_table",
    "whole",
    "word",
]


class FolderError(ValueError):
    """A folder or file that is not what an importer reads; the message says what was expected."""


@dataclass(frozen=True)
class Imported:
    """What a result folder holds.

    ``runs`` are rows of :data:`SUMMARY`, one per weak-to-strong run; ``predictions`` is a table for the study ``predictions``
    (item_id, truth, weak, student, ceiling, seed, group) or None; ``skipped`` says what was left out, and why.
    """

    runs: Sequence[Mapping[str, Any]]
    predictions: pa.Table | None = None
    skipped: Sequence[str] = field(default=())


_MODELS = ("weak", "student", "ceiling")
SUMMARY = pa.schema(
    [(name, pa.string()) for name in ("dataset", "weak_size", "strong_size", "method", "loss")]
    + [("seed", pa.int64())]
    + [(f"{model}_error_01", pa.float64()) for model in _MODELS]
    + [("gain_01", pa.float64()), ("pgr_01", pa.float64()), ("pgr_01_status", pa.string())]
    + [(f"{model}_accuracy", pa.float64()) for model in _MODELS]
    + [(f"{model}_se", pa.float64()) for model in _MODELS]
    + [(f"{model}_auroc", pa.float64()) for model in _MODELS]
    + [("pgr_auroc", pa.float64()), ("pgr_auroc_status", pa.string())]
    + [("n_items", pa.int64()), ("n_items_at_most", pa.int64()), ("label_accuracy", pa.float64()), ("n_labels", pa.int64())]
    + [("ceiling", pa.string()), ("differs", pa.string()), ("run", pa.string())]
)
"""Columns of the summary table, but for settings that vary; their names are those that :func:`w2s.summarize` reads."""
_BEFORE = "seed"
"""Column in front of which the settings that vary stand."""


def summary_row(accuracy: Mapping[str, float], auroc: Mapping[str, float] | None = None, **named: Any) -> dict[str, Any]:
    """Make the row of one run from the accuracies (and areas under the ROC curve) of weak, student and ceiling.

    ``named`` are further columns, and ``settings``, a mapping of which :func:`summary_table` writes what varies. Standard
    errors sqrt(p (1 - p) / n) stand only where ``n_items`` is known.
    """
    row: dict[str, Any] = dict.fromkeys(SUMMARY.names) | named
    error = {model: 1.0 - accuracy[model] for model in _MODELS}
    value, status = metrics.pgr(error["weak"], error["student"], error["ceiling"])
    row |= {f"{model}_error_01": error[model] for model in _MODELS} | {f"{m}_accuracy": accuracy[m] for m in _MODELS}
    row |= {"gain_01": error["weak"] - error["student"], "pgr_01": _known(float(value)), "pgr_01_status": str(status)}
    if items := named.get("n_items"):
        row |= {f"{model}_se": math.sqrt(accuracy[model] * error[model] / items) for model in _MODELS}
    if auroc is not None:
        value, status = metrics.pgr(*(1.0 - auroc[model] for model in _MODELS))
        row |= {f"{model}_auroc": auroc[model] for model in _MODELS}
        row |= {"pgr_auroc": _known(float(value)), "pgr_auroc_status": str(status)}
    return row


def summary_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Write rows as one table, ordered by data set, models, loss and seed; settings that vary among the rows are columns."""
    keys = ("dataset", "weak_size", "strong_size", "method", "loss", "seed", "run")
    ordered = sorted(rows, key=lambda row: tuple((row[key] is not None, row[key]) for key in keys))
    table = pa.Table.from_pylist([{name: row[name] for name in SUMMARY.names} for row in ordered], schema=SUMMARY)
    for column, name in setting_columns(rows).items():
        values = [row.get("settings", {}).get(name) for row in ordered]
        table = table.add_column(table.schema.get_field_index(_BEFORE), column, setting_array(values))
    return table


def setting_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Name the columns of the settings that vary among rows: column by setting, ``setting_NAME`` where the name is taken."""
    names = swept([row.get("settings", {}) for row in rows])
    return {f"setting_{name}" if name in SUMMARY.names else name: name for name in names}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; :class:`FolderError` for a file that is missing, cut short or holds something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FolderError(f"no {path.name}") from None
    except (OSError, ValueError):
        raise FolderError(f"{path.name} is damaged or half-written") from None
    if not isinstance(value, dict):
        raise FolderError(f"{path.name} holds no object")
    return value


def number(values: Mapping[str, Any], name: str, file: str) -> float:
    """Read a share in [0, 1] from a JSON object."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise FolderError(f"{file}: {name} is {value!r}, not a share in 0..1")
    return float(value)


def word(values: Mapping[str, Any], name: str, file: str) -> str | None:
    """Read a text from a JSON object, None where it has none."""
    value = values.get(name)
    if not isinstance(value, (str, type(None))):
        raise FolderError(f"{file}: {name} is {value!r}, not a text")
    return value


def whole(values: Mapping[str, Any], name: str, file: str) -> int | None:
    """Read a whole number of 64 bits from a JSON object, None where it has none."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise FolderError(f"{file}: {name} is {value!r}, not a whole number")
    return value


def read_saved(folder: Path, columns: Sequence[str]) -> pa.Table:
    """Read columns of a data set saved by ``datasets`` (``save_to_disk``): Arrow streams listed in ``state.json``."""
    state = read_json(folder / "state.json")
    if state.get("_indices_data_files"):
        raise FolderError(f"{folder.name} was saved with an index of rows, by an old version of datasets: save it again")
    listed = state.get("_data_files")
    names = [str(entry.get("filename")) for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    if not names or any(Path(name).name != name for name in names):
        raise FolderError(f"{folder.name}/state.json lists no data files of its own")
    try:
        parts = [read_arrow(folder / name) for name in names]
        return pa.concat_tables([part.select(list(columns)) for part in parts])
    except (OSError, KeyError, pa.ArrowException) as error:
        raise FolderError(f"{folder.name} cannot be read: {first_line(error)}") from None


def label_share(folder: Path) -> dict[str, Any]:
    """Compute the columns ``label_accuracy`` and ``n_labels`` from saved weak labels with a column ``acc``, if any."""
    try:
        hits = read_saved(folder, ["acc"])["acc"].cast(pa.int64())
    except (FolderError, pa.ArrowException):
        return {}
    return {"label_accuracy": sum(hits.to_pylist()) / len(hits), "n_labels": len(hits)} if len(hits) else {}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
