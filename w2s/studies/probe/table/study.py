"""Weak-to-strong on real data: linear probes on two sets of features of a table.

The weak model is fitted on few true labels, the student on the weak model's labels of other rows, the ceiling on the true
labels of those rows; all are tested on rows that none of them saw.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell
from w2s.contract.cells import field as cell_field
from w2s.contract.study import Common, Cost, Piece, Rule, Study
from w2s.errors import FieldError
from w2s.files.datafile import DataFile
from w2s.finetune.models.folder import ModelSet
from w2s.laws.feature_maps import WIDE, check_features, input_remarks
from w2s.laws.table import load_table, split_rows
from w2s.sharing.results import Results
from w2s.sharing.stage import Level, Stage, Stages, Values
from w2s.studies.fields import NEEDS_SPECTRUM, FilterCell, asked_levels, occurring
from w2s.studies.probe.table.columns import lines_of
from w2s.studies.probe.table.figures import FIGURES, digest
from w2s.studies.probe.table.models import DESIGN, SCOPES, STRONG, table_of
from w2s.studies.probe.table.sizes import FILTER, STUDENT, TEACHER, Sizes
from w2s.studies.probe.table.solve import ERRORS, STAGES
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["TOGETHER", "ProbeTable", "TableCell"]

Matrix = npt.NDArray[np.float64]


class TableCell(FilterCell):
    """One point of a probe study on a table."""

    data: DataFile = cell_field(description="digits, data:FOLDER/FILE, or a path: CSV, JSON lines, Parquet or npz")
    target: str | None = cell_field(None, description="column to predict; default: y (digits: digit)")
    task: Literal["regression", "classification"] = cell_field("regression", description="how targets are read")
    split: str | None = cell_field(None, description="text column with published train, valid and test rows")
    preprocess: Literal["none", "center", "standardise"] = cell_field(
        "center", description="what each fit does to features on its own training rows; center adds an intercept"
    )
    encoders: ModelSet | None = cell_field(
        None, description="models beside the table, such as a ladder: encoder:NAME:LAYER may name one of them", since=2
    )
    weak_features: str = cell_field("relu", description="features of the weak model")
    strong_features: str = cell_field("relu", description="features of student, strong baseline and ceiling")
    d_weak: int = cell_field(
        100, description="width of the weak features", unit="features", when={"weak_features": WIDE}, ge=1, le=100_000
    )
    d_strong: int = cell_field(
        800, description="width of the strong features", unit="features", when={"strong_features": WIDE}, ge=1, le=100_000
    )
    n_labeled: int = cell_field(
        description="rows with true labels, for the weak model and the strong baseline", unit="rows", ge=2
    )
    n_transfer: int = cell_field(description="rows that the weak model labels for the student", unit="rows", ge=2)
    n_validation: int = cell_field(0, description="rows held out to choose by; not with split", unit="rows", ge=0)
    n_test: int = cell_field(0, description="rows held out to test on; not with split", unit="rows", ge=0)
    ridge_weak: float = cell_field(
        0.0,
        description="ridge of the weak model; 0 is the minimum norm",
        unit="feature power",
        when={"weak_tuning": ["fixed"]},
        ge=0,
    )
    labels: Literal["soft", "hard"] = cell_field("soft", description="weak outputs as they are, or one-hot of the largest")
    risk: Literal["noisy"] = cell_field("noisy", description="errors are against the labels of the file")
    evaluate: Literal["fresh", "transfer", "labeled"] = cell_field("fresh", description="rows on which errors are measured")
    ceiling: Literal["transfer", "labeled+transfer"] = cell_field(
        "transfer", description="rows whose true labels the ceiling is trained on"
    )
    ceiling_tuning: Literal["same", "best_on_validation"] = cell_field(
        "same", description="filter of ceiling and strong baseline: the student's, or the ridge that is best on validation rows"
    )
    weak_tuning: Literal["fixed", "best_on_validation"] = cell_field(
        "fixed", description="ridge of the weak model: ridge_weak, or the one that is best on validation rows", since=2
    )


class ProbeTable(Study):
    """Linear probes on a table of real data."""

    name = "probe.table"
    version = 2
    seeds_draw: ClassVar[SeedsDraw] = "pool"
    Cell: ClassVar[type[Cell]] = TableCell
    summary = "weak and strong linear probes on a table of real data (CSV, Parquet, npz, digits, molecules)"
    shares: ClassVar[tuple[str, ...]] = ("ridge", "time", "steps", "student_filter", "step_size", "ceiling_tuning", *TEACHER)
    classifies = True
    compiled_from = 1.0  # all of its loops are kept, and none of its launches is too small for them
    columns: ClassVar[Mapping[str, str]] = {
        "weak_power": "double",
        "student_validation_misfit": "double",
        "student_validation_weak_distance": "double",
        "weak_validation_error": "double",
        "weak_rank": "int64",
        "student_rank": "int64",
        "n_evaluated": "int64",
        **{f"{model}_ridge": "double" for model in ("weak", "strong", "ceiling")},
        "tuning_criterion": "string",
        "tuned_at_end": "string",
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("task", "labels"),
            lambda task, labels: (task == "classification") | (labels != "hard"),
            "labels: hard needs task: classification",
        ),
        Rule(
            ("split", "n_validation", "n_test"),
            lambda split, n_validation, n_test: (split == np.array(None)) | ((n_validation == 0) & (n_test == 0)),
            "with a published split, n_validation and n_test are not set",
        ),
        NEEDS_SPECTRUM,
        Rule(
            ("precision", "ridge"),
            lambda precision, ridge: (precision != "mixed") | (ridge > 0),
            "precision: mixed needs a ridge above zero: the minimum norm needs the singular values",
        ),
    )
    stages: ClassVar[Stages] = STAGES
    rows: ClassVar[Stage] = ERRORS
    """The stage that makes the columns of all filters of a student; a study with more columns puts its own in its place."""
    groups: ClassVar[tuple[tuple[str, ...], ...]] = (STUDENT, TEACHER, FILTER)
    """Fields of students, teachers and filters."""
    figures = FIGURES
    example: ClassVar[Mapping[str, Any]] = {
        "data": "digits",
        "task": "classification",
        "n_labeled": [120, 250],
        "n_transfer": [900],
        "n_test": 400,
        "ridge": [0.001, 0.01, 0.1],
    }

    def digest(self, table: DataFrame) -> DataFrame:
        """Summarise per weak model: the student at its weakest and at its best regularisation, with intervals."""
        return digest(table)

    def check(self, block: Block) -> None:
        """Check the data: every table must load, hold the features and have enough rows."""
        names = ("data", "target", "task", "encoders", "split", "weak_features", "strong_features")
        for level in asked_levels(block, *names):
            try:
                table = table_of(level)
            except FieldError as error:
                raise FieldError(str(error), "data") from None
            for name in ("weak_features", "strong_features"):
                try:
                    check_features(level[name], table)
                except FieldError as error:
                    raise FieldError(str(error), error.field or name) from None
        sizes = ("data", "target", "task", "split", "n_labeled", "n_transfer", "n_validation", "n_test")
        levels = asked_levels(block, *sizes, *_TUNING, "evaluate")
        for level in sorted(levels, key=lambda level: -sum(level[name] for name in sizes if name.startswith("n_"))):
            self._check_sizes(level)  # the largest first: an error then names the rows that the whole grid needs

    def _check_sizes(self, level: Mapping[str, Any]) -> None:
        from w2s_kernels import NUMPY

        table = load_table(level["data"], level["target"], level["task"])
        counts = {name: level[name] for name in ("n_labeled", "n_transfer", "n_validation", "n_test", "split")}
        rows = split_rows(table, seed=0, backend=NUMPY, **counts)
        if level["evaluate"] == "fresh" and not len(rows.test):
            raise FieldError(f"{table.name}: no test rows; set n_test, or split: to a column with published test rows")
        for field in _TUNING:
            if level[field] == "best_on_validation" and not len(rows.validation):
                raise FieldError(f"{table.name}: {field}: best_on_validation needs validation rows; set n_validation")

    def reads(self, block: Block) -> Sequence[str]:
        """Say of every file which columns are target and features, and what is left out and why."""
        tables: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
        names = ("data", "target", "task", "encoders")
        for level in asked_levels(block, *names, "split", "weak_features", "strong_features"):
            tables.setdefault(tuple(level[name] for name in names), []).append(level)
        return [line for levels in tables.values() for line in lines_of(levels)]

    def cost(self, block: Block) -> Cost:
        """Count the operations of the stages, and the bytes of one student design and the outputs of all filters."""
        return Cost(self.stages.flops(block), Sizes(block).bytes)

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List one SVD per student design, one per weak model, and products for all filters at once."""
        return self.stages.pieces(block)

    def common(self, block: Block) -> Iterable[Common]:
        """Yield strong features, decompositions and anchors, which depend on no weak model."""
        return self.stages.common(block)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: for each student design all teachers, for each teacher all filters at once."""
        students, teachers, filters = groups = [block.group(*names) for names in self.groups]
        results, values = Results(block, groups, _NUMBERS), Values(backend, SCOPES, self.memo)
        # The filters decide the solver: those of the whole block, so that cells that a mask leaves keep their bits.
        wanted, asked = occurring(block, students, teachers), occurring(block.with_mask(None), students, filters)
        for designs in _designs(students.levels):
            for together, t, s in _in_turn(occurring(block.with_mask(None), students, teachers), designs):
                if not wanted[s, t]:
                    continue
                places = np.flatnonzero(asked[s])
                trained = tuple(tuple(filters.levels[place].values()) for place in places)
                batches = {"filters": trained, "teachers": tuple(_teacher(teachers.levels[place]) for place in together)}
                level = {**students.levels[s], **teachers.levels[t], **batches}
                values.enter(level)
                results.put((s, t, places), _with_remarks(values(self.rows, level), _remarks(level)))
        columns = results.columns()
        if "classification" not in block.values("task"):
            columns = {name: numbers for name, numbers in columns.items() if name not in _ZERO_ONE}
        columns["status"] = columns["status"].astype(np.int8)
        return columns


def _with_remarks(columns: Mapping[str, Any], remarks: Sequence[str]) -> Mapping[str, Any]:
    """Put remarks behind the messages of all filters."""
    if not remarks:
        return columns
    messages = np.empty(len(columns["message"]), dtype=object)
    messages[:] = ["; ".join([*filter(None, [message]), *remarks]) for message in columns["message"]]
    return {**columns, "message": messages}


def _remarks(level: Level) -> list[str]:
    return input_remarks((level["weak_features"], level["strong_features"]), table_of(level))


def _teacher(level: Level) -> tuple[Any, ...]:
    """Return the fields of a weak model."""
    return tuple(level[name] for name in TEACHER)


def _in_turn(known: npt.NDArray[np.bool_], designs: Sequence[int]) -> Iterator[tuple[list[int], int, int]]:
    """Yield the teachers of a design in batches: those of the batch, a teacher, and a student of the design.

    ``known`` marks which students (rows) and teachers (columns) go together in the whole block: a mask that leaves some of its
    cells leaves the batches, and with them the bits.
    """
    present = np.flatnonzero(known[designs].any(axis=0)).tolist()
    for first in range(0, len(present), TOGETHER):
        together = present[first : first + TOGETHER]
        yield from ((together, t, s) for t, s in itertools.product(together, designs))


def _designs(students: Sequence[Level]) -> list[list[int]]:
    """Return the positions of the students of each design, designs of the same features one after another."""
    found: dict[tuple[Any, ...], dict[tuple[Any, ...], list[int]]] = {}
    for place, level in enumerate(students):
        features, design = (tuple(level[name] for name in names) for names in (STRONG, DESIGN))
        found.setdefault(features, {}).setdefault(design, []).append(place)
    return [places for designs in found.values() for places in designs.values()]


TOGETHER = 12
"""Teachers whose labels are projected in one product: with ten classes it is as wide as it needs to be to be fast."""
_TUNING = ("ceiling_tuning", "weak_tuning")
_NUMBERS = (
    *(f"{model}_error{suffix}" for suffix in ("", "_01") for model in ("weak", "student", "strong", "ceiling")),
    "misfit",
    "weak_distance",
    "gain",
    "disagreement",
    "weak_power",
    "student_validation_misfit",
    "student_validation_weak_distance",
    "weak_validation_error",
    *(f"{model}_ridge" for model in ("weak", "strong", "ceiling")),
    "condition",
    "weak_rank",
    "student_rank",
)

_ZERO_ONE = tuple(name for name in _NUMBERS if name.endswith("_01") or name == "disagreement")
