"""Models that a run made: ``run:FOLDER:SIZE`` names one by the run's folder and by its row.

    run:../runs/english:6x320            the row whose ``size`` is 6x320: six layers of width 320
    run:../runs/english:6x320,seed=3     the one of them with seed 3; any field of the run's cells may be said

A row names the model by the key of an artifact, in its column ``model``. The artifact lies in the store that the run's last
launch used, as its journal says, or in ``.w2s-store`` beside the run. Rows and journal are data from anywhere: a key leads
nowhere but into a store, and a value counts if its files are as its record says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from w2s.artifacts.manifest import ManifestError, check_value, is_key
from w2s.errors import nearest
from w2s.files.datafile import DataFileError, beside
from w2s.files.sealed import seal_fault

__all__ = ["is_run_model", "run_model_path", "run_name_from"]

_SIGN = "run:"
_NAMED = ("model", "size")
"""Columns that a run of models has: the key of each row's model, and what it is called."""
_GRIDS = "configs/ladder has grids that pretrain some"


def is_run_model(name: str) -> bool:
    """Tell whether a name is that of a model which a run made."""
    return name.startswith(_SIGN)


def _split(name: str) -> tuple[str, str]:
    """Split ``run:FOLDER:SIZE`` into folder and the rest. Raises :class:`DataFileError` for a name without both."""
    folder, colon, rest = name.removeprefix(_SIGN).rpartition(":")
    if not (colon and folder and rest):
        raise DataFileError(
            f"model {name}: write run:FOLDER:SIZE, a run folder and one of its sizes, as in run:../runs/english:2x32"
        )
    return folder, rest


def run_model_path(name: str, base: Path) -> Path:
    """Return the folder of a run's model.

    Raises :class:`DataFileError` where there is no such run, where it has no such row or several, and where its model is gone.
    """
    written, asked = _split(name)
    folder = beside(written, base)
    if not (folder / "grid.yaml").is_file():
        raise DataFileError(f"model {name}: {folder} is no run folder; launch the grid that makes it ({_GRIDS})")
    rows = list(_rows(name, folder))
    row = _only(name, folder, rows, asked)
    if not is_key(str(row["model"])):
        raise DataFileError(f"model {name}: its row in {folder} names no artifact")
    return _value(name, folder, str(row["model"]))


def run_name_from(name: str, base: Path, folder: Path) -> str:
    """Return ``run:FOLDER:SIZE`` as it is written in another folder; ``base`` is the one that ``name`` is relative to."""
    written, asked = _split(name)
    return f"{_SIGN}{os.path.relpath(beside(written, base).resolve(), folder.resolve())}:{asked}"


def _rows(name: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the finished rows of a run of models."""
    import pyarrow as pa  # most models are not of a run, and Arrow takes time to import
    import pyarrow.parquet as pq

    for part in sorted((folder / "results").glob("[!.]*.parquet")):
        try:
            content = part.read_bytes()
            if fault := seal_fault(content):
                raise DataFileError(f"model {name}: {part} is damaged: {fault}; launch the run's grid again")
            table = pq.ParquetFile(pa.BufferReader(content)).read()
        except (OSError, pa.ArrowException) as error:
            raise DataFileError(f"model {name}: {part} cannot be read: {error}") from None
        if not set(_NAMED) <= set(table.column_names):
            raise DataFileError(f"model {name}: the run in {folder} makes no models; {_GRIDS}")
        yield from (row for row in table.to_pylist() if row.get("status") != "failed" and row["model"])


def _only(name: str, folder: Path, rows: list[dict[str, Any]], asked: str) -> Mapping[str, Any]:
    """Return the one row that is asked for."""
    if not rows:
        raise DataFileError(f"model {name}: the run in {folder} has no finished row yet; launch its grid again to finish it")
    size, *conditions = (part.strip() for part in asked.split(","))
    sizes = sorted({str(row["size"]) for row in rows})
    found = [row for row in rows if str(row["size"]) == size]
    if not found:
        raise DataFileError(
            f"model {name}: no finished row of size {size!r}{nearest(size, sizes)}; there are {', '.join(sizes)}"
        )
    for condition in conditions:
        field, equal, value = condition.partition("=")
        if not equal or field not in found[0]:
            fields = [known for known in found[0] if known not in _NAMED]
            raise DataFileError(f"model {name}: {condition!r} is no FIELD=VALUE of the run{nearest(field, fields)}")
        values = sorted({_text(row[field]) for row in found})
        found = [row for row in found if _text(row[field]) == value]
        if not found:
            raise DataFileError(f"model {name}: no finished row with {condition}; {field} is {', '.join(values)}")
    if len({row["model"] for row in found}) > 1:
        varying = _varying(found)
        field = "seed" if "seed" in varying else varying[0]
        example = f"run:FOLDER:{asked},{field}={_values_of(found, field)[0]}"
        raise DataFileError(
            f"model {name}: {len(found)} rows of size {size} differ in {', '.join(varying)};"
            f" choose one, as in {example}; {field} is {', '.join(_values_of(found, field)[:12])}"
        )
    return found[0]


def _values_of(rows: list[dict[str, Any]], field: str) -> list[str]:
    """List the values of a field, each once, in order."""
    return list(dict.fromkeys(_text(row[field]) for row in sorted(rows, key=lambda row: str(row[field]).zfill(20))))


def _varying(rows: list[dict[str, Any]]) -> list[str]:
    """Name the cell fields in which rows differ; fields stand before the status, results behind it."""
    names = list(rows[0])
    fields = names[names.index("version") + 1 : names.index("status")] if "status" in names else names
    return [field for field in fields if len({_text(row[field]) for row in rows}) > 1] or ["seed"]


def _text(value: Any) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _value(name: str, folder: Path, key: str) -> Path:
    """Return the folder of an artifact, from the first store that has it whole."""
    stores = [store for store in (_store_of(folder), folder.resolve().parent / ".w2s-store") if store is not None]
    for store in stores:
        place = store / key[:2] / key
        try:
            check_value(place)
        except OSError:
            continue
        except ManifestError as error:
            raise DataFileError(f"model {name}: {place} is damaged: {error}; launch the run's grid again") from None
        return place
    searched = " or ".join(map(str, dict.fromkeys(stores)))
    raise DataFileError(f"model {name}: its artifact {key} is not in {searched}; launch the grid of {folder} again")


def _store_of(folder: Path) -> Path | None:
    """Return the store of the run's last launch; None where the journal names none on a file system."""
    try:
        lines = (folder / "events.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and event.get("event") == "launch" and isinstance(event.get("store"), str):
            return None if "://" in event["store"] or "\0" in event["store"] else Path(event["store"])
    return None
