"""What a block of the probe study fits and measures: distinct pieces of work, with their nominal operations.

The account follows :mod:`w2s.studies.burns2023.probes.solve` step by step. Trainings, features and teachers are artifacts, and
``plan`` lists them by themselves. No file is opened, so that a stored grid can be planned where its models and tasks are not:
models, tasks and numbers of iterations have usual sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block, Group
from w2s.contract.study import Common, Kind, Piece
from w2s.finetune.models.folder import split_layers
from w2s.sharing.nominal import CALLS, FIT_PASSES, MOVED
from w2s_kernels import flops

__all__ = ["block_bytes", "block_common", "block_pieces", "training_key"]

Level = Mapping[str, Any]

WIDTHS = {"minilm-l6": 384}
"""Widths of models that a name alone tells."""
WIDTH, TESTED, CLASSES = 768, 2000, 2
"""Width of other models, test items of a task, and its classes."""
JOINED = 1e4
"""Nominal operations that finding one item by its id counts as."""
PASSES = 7000.0
"""Passes over the test items that the cut of grids weighs a row with: another number would move it, and with it bits."""
ROW_CALLS, FIT_CALLS = 20.0, 20.0
"""Sets of array calls of one row's scores, and of one fit with its outputs."""

_DRAW = ("seed", "task", "text_column", "pair_column", "label_column", "group_column", "balance")
_SIDE = ("student_model", "student_layer", "student_dims", "pooling", "max_length", "encoded")
_PARTS = ("n_labeled", "n_transfer", "n_test")
_TRAINING = (*_DRAW, *_SIDE, *_PARTS, "preprocess")
_TEACHER = ("weak_model", "weak_layer", "weak_dims", "c_weak", "ridge_weak")
_LABELS = ("labels", "method", "control")
_STRENGTH = ("c", "ridge")


class _Counts:
    """Cells of a block by what they share; a draw is a task, a seed and how items are picked."""

    def __init__(self, block: Block) -> None:
        self.block, self.draws = block, len(block.group(*_DRAW))
        self.sides = self.levels(*_SIDE, *_PARTS)
        self.designs = self.levels(*_SIDE, *_PARTS, "preprocess", "head")
        self.anchors = self.levels(*_SIDE, *_PARTS, "preprocess", "head", *_STRENGTH)
        self.cells = self.levels(*_PARTS, *_SIDE, "head", "control")

    def levels(self, *names: str) -> list[tuple[Level, float]]:
        """List the combinations of some fields that wanted cells have, and how many cells have each."""
        group = self.block.group(*names)
        return [(level, cells) for level, cells in zip(group.levels, _cells(self.block, group), strict=True) if cells]


def _cells(block: Block, group: Group) -> npt.NDArray[np.float64]:
    """Count the wanted cells of every level: (levels,)."""
    if block.mask is not None:
        return np.bincount(np.broadcast_to(group.codes, block.shape)[block.mask], minlength=len(group)).astype(np.float64)
    found = np.bincount(group.codes.reshape(-1), minlength=len(group)).astype(np.float64)
    return found * (block.size / group.codes.size)


def block_pieces(block: Block) -> list[Piece]:
    """List the pieces of a block. Cost: O(designs x strengths), whatever the number of teachers and seeds."""
    counts = _Counts(block)
    return [*_features(counts), *_designs(counts), *_fits(counts), *_rows(counts)]


def block_bytes(block: Block) -> float:
    """Count the bytes of the features of three parts, as they are and prepared for two kinds of fits."""
    width = float(max(_width(level) for level in block.group("student_model", "student_dims").levels))
    rows: int = sum(max(block.values(name)) for name in _PARTS[:2]) + max(_tested(n) for n in block.values("n_test"))
    return 8e6 + 8.0 * 4.0 * rows * width


def _width(level: Level) -> int:
    """Count the features that the student sees."""
    dims: int | None = level["student_dims"]
    return WIDTHS.get(split_layers(level["student_model"].name)[0], WIDTH) if dims is None else dims


def _tested(n_test: int) -> int:
    return TESTED if n_test == 0 else n_test


def _features(counts: _Counts) -> Iterator[Piece]:
    """Yield the reading of strong features of the three parts, and their join by item id."""
    serves = ("preprocess", "head", *_STRENGTH, *_TEACHER, *_LABELS)
    for level, _ in counts.sides:
        rows, width = level["n_labeled"] + level["n_transfer"] + _tested(level["n_test"]), _width(level)
        work = counts.draws * rows * (JOINED + MOVED * width)
        why = "teachers and strengths change labels and fits alone"
        yield Piece("strong features read", "elementwise", 3.0 * counts.draws, work, serves, why, width)


def _designs(counts: _Counts) -> Iterator[Piece]:
    """Yield what a fit needs of transfer and labelled rows whatever its labels.

    It is an SVD for ridges, and a Gram for logistic fits.
    """
    for level, _ in counts.designs:
        yield from _decomposed(level, counts.draws).values()


def _decomposed(level: Level, draws: int) -> dict[str, Piece]:
    """Return the decompositions of a design, by the part whose rows they are of."""
    width, closed = _width(level), level["head"] == "closed_form"
    name, kind, why = _DESIGNS[closed]
    found = {}
    for part, role in (("transfer", "student's"), ("labeled", "strong baseline's")):
        rows = level[f"n_{part}"]
        work = draws * (flops.svd(rows, width) if closed else flops.syrk(rows, width) + MOVED * rows * width)
        serves = (*_STRENGTH, *_TEACHER, *_LABELS)
        found[part] = Piece(f"{name} of the {role} rows", kind, draws, work, serves, why, min(rows, width))
    return found


def training_key(cell: Level, part: str) -> tuple[Any, ...]:
    """Return what decides the strong features of a part, as they are prepared for fits."""
    return (part, *(cell[name] for name in _TRAINING))


def block_common(block: Block) -> Iterator[Common]:
    """Yield the prepared rows of every design with what is decomposed of them: both kinds of heads fit on the same."""
    group = block.group(*_TRAINING, "head")
    for level, cells in zip(group.levels, _cells(block, group), strict=True):
        if cells:
            for part, piece in _decomposed(level, 1).items():
                yield Common(training_key(level, part), (piece,))


_DESIGNS: Mapping[bool, tuple[str, Kind, str]] = {
    True: ("SVD", "svd", "any labels and ridge are fitted from one spectrum"),
    False: ("Gram", "syrk", "it bounds the curvature for any labels and strength"),
}
"""Name, kind and reason of a design's piece, by whether its head has a closed form."""


def _fits(counts: _Counts) -> Iterator[Piece]:
    """Yield the fits of anchors, one for each strength, and those of students and their controls, one for each cell."""
    for level, _ in counts.anchors:
        for role, rows in (("ceilings", level["n_transfer"]), ("strong baselines", level["n_labeled"])):
            yield from _fitted(level, role, rows, counts.draws, (*_TEACHER, *_LABELS), "anchors see no weak labels")
    for level, cells in counts.cells:
        yield from _fitted(level, "students", level["n_transfer"], cells, (), "")
        if level["control"] == "flip":
            yield from _fitted(level, "controls", level["n_transfer"], cells, (), "")


def _fitted(level: Level, role: str, rows: int, count: float, serves: tuple[str, ...], why: str) -> Iterator[Piece]:
    """Yield the fits of one role on ``rows`` rows, and their outputs on the test items."""
    width, tested = _width(level), _tested(level["n_test"])
    columns = CLASSES if level["head"] == "closed_form" else CLASSES - 1
    if level["head"] == "closed_form":
        work = count * (flops.gemm(rows + width, width, columns) + FIT_CALLS * CALLS)
        yield Piece(f"{role} in closed form", "elementwise", count, work, serves, why, width)
    else:
        work = count * (FIT_PASSES * flops.gemm(rows, width, 2 * columns) + flops.cholesky(width))
        yield Piece(f"logistic {role}", "logistic", count, work, serves, why, width)
    work = count * tested * width * (MOVED + 2.0 * columns)
    yield Piece(f"outputs of the {role}", "elementwise", count, work, serves, why, tested)


def _rows(counts: _Counts) -> Iterator[Piece]:
    """Yield the reading of teachers' predictions, the scores, and the intervals over test items, each for every cell."""
    for level, cells in counts.cells:
        tested = _tested(level["n_test"])
        work = cells * JOINED * (level["n_transfer"] + tested)
        yield Piece("teachers' predictions read", "elementwise", 2.0 * cells, work, (), "", tested)
        work = cells * (PASSES * tested * MOVED + ROW_CALLS * CALLS)
        yield Piece("scores and intervals over items", "elementwise", cells, work, (), "", tested)
