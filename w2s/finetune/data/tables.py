"""Tables inside artifacts: Arrow IPC files, and joins by item id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = [
    "WEIGHT",
    "class_columns",
    "join",
    "probabilities",
    "probability_table",
    "read_table",
    "write_columns",
    "write_table",
]

Matrix = npt.NDArray[np.float64]

WEIGHT = "weight"
"""Column of labels that need not be there: the weight of each item in a training."""


def write_table(folder: Path, name: str, table: pa.Table) -> None:
    """Write ``folder/name.arrow``."""
    with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_table(folder: Path, name: str) -> pa.Table:
    """Read ``folder/name.arrow``."""
    with pa.memory_map(str(folder / f"{name}.arrow")) as source:
        return pa.ipc.open_file(source).read_all()


def write_columns(folder: Path, columns: Mapping[str, object]) -> None:
    """Write ``columns.json``: names and values of columns of the row that an artifact knows."""
    (folder / "columns.json").write_text(json.dumps(dict(columns)), encoding="utf-8")


def class_columns(count: int) -> list[str]:
    """List the names of the probability columns of ``count`` classes: p_0, p_1, ..."""
    return [f"p_{k}" for k in range(count)]


def probability_table(ids: Any, values: Matrix, weights: npt.NDArray[np.float64] | None = None) -> pa.Table:
    """Build a table ``item_id, p_0, ...`` of items and their class probabilities (n, K), with ``weight`` (n,) where given."""
    columns = {name: pa.array(values[:, k]) for k, name in enumerate(class_columns(values.shape[1]))}
    columns |= {} if weights is None else {WEIGHT: pa.array(weights, pa.float64())}
    return pa.table({"item_id": pa.array(ids, type=pa.string()), **columns})


def probabilities(table: pa.Table) -> Matrix:
    """Return the class probabilities of a table, (n, K) float64, in its row order."""
    names = class_columns(sum(name.startswith("p_") for name in table.column_names))
    return np.column_stack([table[name].to_numpy() for name in names]).astype(np.float64)


def join(ids: list[str], table: pa.Table) -> pa.Table:
    """Take the rows of ``table`` for ``ids``, in their order; raise KeyError for an id that the table lacks or has twice."""
    found = table["item_id"].to_pylist()
    place = {name: k for k, name in enumerate(found)}
    if len(place) != len(found):
        raise KeyError(f"{len(found) - len(place)} item ids are listed twice")
    absent = [name for name in ids if name not in place]
    if absent:
        raise KeyError(f"{len(absent)} of {len(ids)} items have no row, the first is {absent[0]}")
    return table.take(pa.array([place[name] for name in ids], type=pa.int64()))
