"""Predictions made elsewhere: the full row, with intervals over items, from a file of what each model predicted.

No model is trained here. A file has one row per item (and seed, and group): its id, the truth, and what the weak model, the
student and the ceiling predict for it. See ``docs/studies/predictions.md``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Rule, Study
from w2s.errors import FieldError
from w2s.files.datafile import DataFile
from w2s.predictions.columns import OPTIONAL, ColumnNames
from w2s.predictions.digest import prediction_digest
from w2s.predictions.file import Predictions, load_predictions
from w2s.predictions.kinds import Kind
from w2s.studies.fields import asked_levels, occurring
from w2s.studies.predictions.rows import ROW_COLUMNS, class_row, probability_row, value_row
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["PredictionCell", "PredictionStudy"]

_NAMES = {"item_id": "item_column", "truth": "truth_column"} | {
    role: f"{role}_column" for role in ("weak", "student", "ceiling", *OPTIONAL)
}
_FILE = ("file", "kind", *_NAMES.values())
_SHOWN = 12
_TERMS = 24.0  # columns that have an interval
_PASSES = 1000  # what the cut of grids weighs an item with: another number would move it, and with it bits
_ONE_ITEM = "one item: no intervals"
_NO_CEILING = "the file has no ceiling: no PGR"
_NO_GAP = "the items do not resolve the gap between weak model and ceiling: no interval of the PGR"


class PredictionCell(Cell):
    """One comparison: the items of one seed and group of a file."""

    file: DataFile = field(description="CSV, JSON lines (gzip too), Parquet or Arrow file with one row per item")
    kind: Kind = field(
        description="what models predict: a class, class probabilities (one number: of class 1), or a real value"
    )
    group: str | None = field(None, description="value of the group column whose rows are taken; null: all rows")
    item_column: str = field("item_id", description="column of item ids, unique within seed and group")
    truth_column: str = field("truth", description="column of true classes or values")
    weak_column: str = field(
        "weak", description="column of the weak model's predictions; NAME_0, NAME_1, ... for several numbers"
    )
    student_column: str = field("student", description="column of the student's predictions")
    ceiling_column: str = field("ceiling", description="column of the ceiling's predictions")
    strong_column: str = field(
        OPTIONAL["strong"], description="column of the strong baseline's predictions, where there is one"
    )
    seed_column: str = field(OPTIONAL["seed"], description="column of seeds, where there is one; else all rows are seed 0")
    group_column: str = field(OPTIONAL["group"], description="column of groups (tasks, for instance), where there is one")
    labels: Literal["hard"] | None = field(
        None,
        description="hard: the student was trained on the most probable classes; null: on weak predictions as they are",
        since=2,
    )


class PredictionStudy(Study):
    """Weak, student and ceiling compared on the predictions in a file."""

    name = "predictions"
    version = 2  # classes and ids are text as written
    error_unit = "loss of the kind of predictions"
    seeds_draw: ClassVar[SeedsDraw] = "test_part"
    Cell = PredictionCell
    summary = "your own predictions: PGR, gain, misfit, agreement and calibration from a file, with intervals over items"
    classifies = True
    finite = ("weak_error", "student_error", "weak_distance")
    columns: ClassVar[Mapping[str, str]] = ROW_COLUMNS
    rules = (
        Rule(
            ("kind", "labels"),
            lambda kind, labels: (kind == "probability") | (labels == np.array(None)),
            "labels: hard needs kind: probability",
        ),
    )
    example: ClassVar[Mapping[str, Any]] = {"file": "mine.csv", "kind": "probability"}

    def digest(self, table: DataFrame) -> DataFrame:
        """Return one line per file and group: intervals over seeds where there are several, over items otherwise."""
        return prediction_digest(table)

    def check(self, block: Block) -> None:
        """Read every file and check that every seed and group has rows."""
        for level in asked_levels(block, *_FILE, "group", "seed"):
            _rows_of(level)

    def reads(self, block: Block) -> Sequence[str]:
        """Say of every file how many items it has, its classes, and which columns are not used."""
        return [_read_line(level) for level in asked_levels(block, *_FILE)]

    def cost(self, block: Block) -> Cost:
        """Count the operations on the items; bytes of the file's columns."""
        counts = [_count(level) for level in asked_levels(block, *_FILE)]
        items = block.size * sum(counts) / max(len(counts), 1)
        return Cost(flops=items * _PASSES * (2 * _TERMS + 20), bytes=64e6 + 8 * _TERMS * max(counts, default=1))

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002
        """Score each distinct combination of file, kind, columns, seed and group once."""
        group = block.group(*_FILE, "group", "seed", "labels")
        wanted = occurring(block, group)
        rows = [_row(level) if asked else _NOTHING for level, asked in zip(group.levels, wanted, strict=True)]
        found = {name: _column([row.get(name) for row in rows]) for name in dict.fromkeys(n for row in rows for n in row)}
        if set(block.values("kind")) == {"value"}:
            found = {name: values for name, values in found.items() if not name.endswith("_01")}
        return {name: np.broadcast_to(values[group.codes], block.shape) for name, values in found.items()}


_NOTHING: Mapping[str, Any] = dict.fromkeys(("weak_error", "student_error", "ceiling_error", "misfit"), float("nan"))


def _file_of(level: Mapping[str, Any]) -> Predictions:
    names = ColumnNames(**{role: level[name] for role, name in _NAMES.items()})
    return load_predictions(level["file"], level["kind"], names)


def _read_line(level: Mapping[str, Any]) -> str:
    found = _file_of(level)
    classes = f"; classes {', '.join(map(repr, found.classes[:_SHOWN]))}" if found.classes else ""
    more = f", ... ({len(found.classes)} of them)" if len(found.classes) > _SHOWN else ""
    unused = f"; not used: {', '.join(map(repr, found.unused))}" if found.unused else ""
    return f"{found.name}: {len(found):,} items{classes}{more}{unused}"


def _count(level: Mapping[str, Any]) -> int:
    """Count the items of a file; return a usual number where the file has gone since its rows were made."""
    try:
        return len(_file_of(level))
    except (FieldError, OSError):
        return 10_000


def _rows_of(level: Mapping[str, Any]) -> Predictions:
    return _file_of(level).of(level["seed"], level["group"])


def _row(level: Mapping[str, Any]) -> dict[str, Any]:
    rows = _rows_of(level)
    scorers: Mapping[str, Callable[..., Mapping[str, Any]]] = {
        "class": class_row,
        "probability": functools.partial(probability_row, labels=level["labels"] or "soft"),
        "value": value_row,
    }
    whole = "ceiling" in rows.models
    models = rows.models if whole else {**rows.models, "ceiling": rows.models["weak"]}
    row: dict[str, Any] = dict(scorers[level["kind"]](rows.truth, models))
    if not whole:  # the weak model stood in for the ceiling; what is about a ceiling is unknown
        row |= {name: float("nan") for name in row if name.startswith(("ceiling", "pgr"))}
        row["ceiling_error"] = float("nan")
    unresolved = whole and row["ceiling_error"] < row["weak_error"] and np.isnan(row["pgr_low"])
    notes = [_ONE_ITEM] if row["n_items"] == 1 else [_NO_GAP] if unresolved else []
    notes += [] if whole else [_NO_CEILING]
    message = "; ".join([*notes, *rows.remarks])
    return row | ({"message": message} if message else {})


def _column(values: list[Any]) -> npt.NDArray[Any]:
    if any(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
