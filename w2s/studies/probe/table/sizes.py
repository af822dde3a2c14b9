"""Sizes of what the probe study computes, read off the cells of a block.

No data file is opened, so a plan can be made where the data are not: a table has the rows that the cells name, and where it
would say more (inputs, classes), usual numbers stand.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from w2s.contract.block import Block
from w2s.probes.filters import FILTER_FIELDS, filters_of
from w2s.probes.solver_choice import choose_solver
from w2s.probes.tuning import RELATIVE_RIDGES
from w2s.sharing.stage import Level
from w2s.studies.fields import occurring
from w2s_kernels import Filters

__all__ = [
    "DATA",
    "FILTER",
    "HELD_OUT",
    "INPUTS",
    "PASSES",
    "SHAPE",
    "STUDENT",
    "TEACHER",
    "TUNED",
    "Sizes",
    "filter_levels",
    "is_mixed",
    "made_filters",
    "strong_width",
    "weak_width",
]

DATA = ("data", "target", "task", "encoders", "split", "n_validation", "n_test", "preprocess", "seed", "precision")
STUDENT = (*DATA, "strong_features", "d_strong", "n_transfer", "evaluate", "ceiling", "risk")
TEACHER = ("weak_features", "d_weak", "n_labeled", "ridge_weak", "labels", "weak_tuning")
FILTER = (*FILTER_FIELDS, "ceiling_tuning")

SHAPE = ("strong_features", "d_strong", "n_transfer", "precision")
"""Fields that decide the size of a student's system."""

INPUTS, CLASSES, HELD_OUT = 100, 10, 500
"""Input columns, classes and published test rows that a table is taken to have."""
TUNED = len(RELATIVE_RIDGES)
"""Ridges tried by ``best_on_validation``."""
PASSES = 12.0
"""Operations on each output of each filter: centring, errors, misfit, gain, the largest of a row."""


@functools.lru_cache(maxsize=64)
def filter_levels(filters: tuple[tuple[Any, ...], ...]) -> tuple[Mapping[str, Any], ...]:
    """List the filters of a level, a mapping of :data:`FILTER` each."""
    return tuple(dict(zip(FILTER, values, strict=True)) for values in filters)


@functools.lru_cache(maxsize=64)
def made_filters(filters: tuple[tuple[Any, ...], ...]) -> Filters:
    """Make the kernels' filters of a level, which all its teachers share."""
    return filters_of(filter_levels(filters))


class Sizes:
    """What the operations of a stage depend on besides its level: labelled rows, ridges and filters of the whole block."""

    def __init__(self, block: Block) -> None:
        self.block = block
        filters, precisions = block.group(*FILTER), block.group("precision")
        asked = occurring(block.with_mask(None), precisions, filters)
        self.filters = {
            level["precision"]: tuple(tuple(filters.levels[place].values()) for place in places.nonzero()[0])
            for level, places in zip(precisions.levels, asked, strict=True)
        }
        self.outputs = CLASSES if "classification" in block.values("task") else 1
        self.labeled = max(block.values("n_labeled"))
        self.most = {name: max(block.values(name)) for name in ("n_transfer", "n_validation", "n_test")}
        fixed = [ridge for ridge in block.values("ridge_weak") if ridge is not None]
        self.ridges = [ridge for ridge in fixed if ridge > 0]
        self.minimum_norm = len(self.ridges) < len(fixed)
        self.tuned = "best_on_validation" in block.values("ceiling_tuning")
        self.tried = TUNED if "best_on_validation" in block.values("weak_tuning") else 0
        """Ridges that a weak model is tried with."""

    def given(self, level: Level) -> dict[str, Any]:
        """Return all filters that the students of a level are asked for, as one field."""
        return {"filters": self.filters[level["precision"]]} if "precision" in level else {}

    @property
    def bytes(self) -> float:
        """Bytes that one design holds: features of all rows, their factors, outputs of all filters."""
        most = 0.0
        for level in self.block.group(*SHAPE, "n_test", "evaluate").levels:
            outputs = 4.0 * self.count(level) * self.outputs * (self.evaluated(level) + self.rank(level))
            most = max(most, 6.0 * level["n_transfer"] * strong_width(level) + outputs)
        return 8.0 * most

    def count(self, level: Level) -> int:
        """Count the filters that a student is asked for."""
        return len(self.filters[level["precision"]])

    def rows(self, level: Level) -> int:
        """Count the rows of every role; where a level does not say how many, the most of the block."""
        sizes = {**self.most, **level}
        return int(self.labeled + sizes["n_transfer"] + sizes["n_validation"] + _held_out(sizes))

    def evaluated(self, level: Level) -> int:
        """Count the rows on which errors are measured."""
        rows = {"fresh": _held_out(level), "transfer": level["n_transfer"], "labeled": self.labeled}
        return int(rows[level["evaluate"]])

    def rank(self, level: Level, rows: int | None = None) -> int:
        """Return the length of a fit's coordinates: with refined factors they are coefficients of the features themselves."""
        width = strong_width(level)
        return width if is_mixed(level) else min(width, int(level["n_transfer"]) if rows is None else rows)

    def refined(self, rows: int, width: int, ridges: int) -> float:
        """Count the operations of refined factors for some ridges, with their solves."""
        options: dict[str, Any] = {"strengths": ridges, "rhs": self.outputs, "rows": True, "mixed": True}
        return choose_solver(width, rows, **options).flops


def _held_out(level: Level) -> int:
    return int(level["n_test"]) or HELD_OUT


def is_mixed(level: Level) -> bool:
    """Tell whether ridges above zero are solved by refined float32 factors."""
    return bool(level["precision"] == "mixed")


def strong_width(level: Level) -> int:
    """Count the columns of the strong features."""
    return _width(level["strong_features"], level["d_strong"])


def weak_width(level: Level) -> int:
    """Count the columns of the weak features."""
    return _width(level["weak_features"], level["d_weak"])


def _width(features: str, width: int | None) -> int:
    """Count the columns of a feature map: its field where it has one, else what such a map usually has."""
    return width if width is not None else {"morgan": 2048, "descriptors": 200}.get(features, INPUTS)
