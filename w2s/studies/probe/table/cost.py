"""What a block of the probe study computes: distinct pieces of work, with their nominal operations.

The account follows :mod:`w2s.studies.probe.table.solve` step by step. It never opens a data file, so a plan can be made where
the data are not: a table has the rows that the cells name, and where it would say more (inputs, classes), usual numbers stand.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from w2s.contract.block import Block
from w2s.contract.study import Kind, Piece
from w2s.probes.probe import FILTER_FIELDS
from w2s.probes.solver_choice import choose_solver
from w2s.sharing.workloads import CALLS
from w2s.studies.fields import occurring
from w2s_kernels import flops

__all__ = ["FILTER", "STUDENT", "TEACHER", "block_bytes", "block_pieces"]

DATA = ("data", "target", "task", "split", "n_validation", "n_test", "preprocess", "seed", "precision")
STUDENT = (*DATA, "strong_features", "d_strong", "n_transfer", "evaluate", "ceiling", "risk")
TEACHER = ("weak_features", "d_weak", "n_labeled", "ridge_weak", "labels")
FILTER = (*FILTER_FIELDS, "ceiling_tuning")

INPUTS, CLASSES, HELD_OUT = 100, 10, 500
"""Input columns, classes and published test rows that a table is taken to have."""
TUNED = 21
"""Ridges tried by ``ceiling_tuning: best_on_validation``."""
PASSES = 12.0
"""Operations on each output of each filter: centring, errors, misfit, gain, the largest of a row."""

_FITS = (*FILTER_FIELDS, "ceiling_tuning")
_WHOLE = ("weak_features", "d_weak", "n_labeled", "ridge_weak", "labels", *_FITS)


_SHAPE = ("strong_features", "d_strong", "n_transfer", "n_validation", "n_test", "evaluate", "ceiling", "precision")


class _Sizes:
    """Counts of a block's levels, and the sizes of a design; several widths or counts go in at their mean work."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.teachers, filters, precisions = len(block.group(*TEACHER)), block.group(*FILTER), block.group("precision")
        asked = occurring(block.with_mask(None), precisions, filters).sum(axis=1)
        self.filters = {level["precision"]: int(n) for level, n in zip(precisions.levels, asked, strict=True)}
        self.designs = block.group(*_SHAPE)
        self.repeats = len(block.group(*STUDENT)) / len(self.designs)
        self.outputs = CLASSES if "classification" in block.values("task") else 1
        self.weak = block.group("weak_features", "d_weak", "n_labeled").levels
        self.labeled = block.values("n_labeled")
        self.ridges_weak = block.values("ridge_weak")
        self.tuned = "best_on_validation" in block.values("ceiling_tuning")


class _Design:
    """One student design: rows of every role, and the strong width."""

    def __init__(self, sizes: _Sizes, level: Any) -> None:
        self.width = _width(level["strong_features"], level["d_strong"])
        self.transfer, self.validation = int(level["n_transfer"]), int(level["n_validation"])
        labeled = max(sizes.labeled)
        held = int(level["n_test"]) or HELD_OUT
        self.evaluated = {"fresh": held, "transfer": self.transfer, "labeled": labeled}[level["evaluate"]]
        self.rows = labeled + self.transfer + self.validation + held
        self.joined = level["ceiling"] == "labeled+transfer"
        self.mixed, self.filters = level["precision"] == "mixed", sizes.filters[level["precision"]]
        # Coordinates of a refined factor are coefficients of the features themselves.
        self.rank = self.width if self.mixed else min(self.width, self.transfer)


def _width(features: str, width: int | None) -> int:
    """Columns of a feature map: its field where it has one, else what such a map usually has."""
    return width if width is not None else {"morgan": 2048, "descriptors": 200}.get(features, INPUTS)


def block_pieces(block: Block) -> list[Piece]:
    """Pieces of a block. Cost: O(designs + weak models), whatever the number of cells."""
    sizes = _Sizes(block)
    found: list[Piece] = []
    for level in sizes.designs.levels:
        design = _Design(sizes, level)
        found += [*_features(sizes, design), *_spectra(sizes, design), *_weak_models(sizes, design)]
        found += [*_anchors(sizes, design), *_students(sizes, design)]
    return found


def block_bytes(block: Block) -> float:
    """Bytes that one design holds: features of all rows, their factors, outputs of all filters."""
    sizes = _Sizes(block)
    most = 0.0
    for level in sizes.designs.levels:
        design = _Design(sizes, level)
        outputs = 4.0 * design.filters * sizes.outputs * (design.evaluated + design.rank)
        most = max(most, 6.0 * design.transfer * design.width + outputs)
    return 8.0 * most


def _piece(name: str, kind: Kind, count: float, flops: float, order: float, serves: tuple[str, ...], why: str) -> Piece:
    return Piece(name, kind, count, flops, serves, why, order)


def _features(sizes: _Sizes, design: _Design) -> Iterator[Piece]:
    """Random features of every row."""
    work = flops.gemm(design.rows, INPUTS, design.width, sizes.repeats)
    yield _piece("strong features", "gemm", sizes.repeats, work, INPUTS, _WHOLE, "rows are nested in their counts")


def _factors(sizes: _Sizes, design: _Design, role: str, rows: int, serves: tuple[str, ...], why: str) -> Piece:
    """One decomposition of some rows of strong features, or refined factors of their Gram, as ``solve`` chooses it."""
    count, order = sizes.repeats, min(rows, design.width)
    if not design.mixed:
        return _piece(f"SVD of {role}", "svd", count, flops.svd(rows, design.width, count), order, serves, why)
    options: dict[str, Any] = {"strengths": design.filters, "rhs": sizes.outputs, "rows": True, "mixed": True}
    work = count * choose_solver(design.width, rows, **options).flops
    kept, why = tuple(name for name in serves if name not in _FITS), "mixed precision: a factor of one Gram for each ridge"
    return _piece(f"refined factors of {role}", "cholesky", count * design.filters, work, order, kept, why)


def _spectra(sizes: _Sizes, design: _Design) -> Iterator[Piece]:
    """Decompositions of strong features: transfer rows for the student, labelled ones and both for the anchors."""
    why = "every filter, weak model and label rule uses one spectrum"
    yield _factors(sizes, design, "the student's rows", design.transfer, _WHOLE, why)
    serves = tuple(name for name in _WHOLE if name != "n_labeled")
    why = "an anchor depends on the labelled rows alone"
    for rows in sizes.labeled:
        yield _factors(sizes, design, "the strong baseline's rows", rows, serves, why)
        if design.joined:
            yield _factors(sizes, design, "the ceiling's rows", rows + design.transfer, serves, why)


def _weak_models(sizes: _Sizes, design: _Design) -> Iterator[Piece]:
    """Weak models: one decomposition for all ridge strengths, and outputs on every row; added up by rank."""
    counts = Counter[int]()
    spectra, refined, products = (defaultdict[int, float](float) for _ in range(3))
    # In mixed precision a ridge above zero has refined factors, the minimum norm still needs singular values.
    strengths = sum(ridge > 0 for ridge in sizes.ridges_weak) if design.mixed else 0
    options: dict[str, Any] = {"strengths": strengths, "rhs": sizes.outputs, "rows": True, "mixed": True}
    for level in sizes.weak:
        rows, width = level["n_labeled"], _width(level["weak_features"], level["d_weak"])
        rank = min(rows, width)
        counts[rank] += 1
        spectra[rank] += flops.svd(rows, width)
        refined[rank] += choose_solver(width, rows, **options).flops if strengths else 0.0
        products[rank] += flops.gemm(design.rows, INPUTS, width) + flops.gemm(design.rows, width, rank)
    serves, many = ("labels", *_FITS), ("ridge_weak", "labels", *_FITS)
    for rank, models in counts.items():
        count = sizes.repeats * models
        if strengths < len(sizes.ridges_weak):
            why = "all ridge strengths use one spectrum"
            yield _piece("SVD of the weak model's rows", "svd", count, sizes.repeats * spectra[rank], rank, many, why)
        if strengths:
            work, why = sizes.repeats * refined[rank], "mixed precision: a factor of one Gram for each ridge"
            yield _piece("refined factors of the weak model's rows", "cholesky", count * strengths, work, rank, serves, why)
        why = "they are the same for all students"
        yield _piece("weak features and outputs", "gemm", count, sizes.repeats * products[rank], rank, many, why)


def _anchors(sizes: _Sizes, design: _Design) -> Iterator[Piece]:
    """Strong baseline and ceiling under every filter, on the rows that errors are measured on and those that tune."""
    rows = design.evaluated + (design.validation if sizes.tuned else 0)
    tried = TUNED * design.validation + design.evaluated if sizes.tuned else design.filters * design.evaluated
    baselines = [("strong baseline", n) for n in sizes.labeled]
    ceilings = [("ceiling", design.transfer)]
    if design.joined:
        ceilings = [("ceiling on both samples", n + design.transfer) for n in sizes.labeled]
    for name, n in (*baselines, *ceilings):
        rank = design.width if design.mixed else min(n, design.width)
        work = 0.0 if design.mixed else flops.gemm(rows, design.width, rank, sizes.repeats)
        work += flops.gemm(tried, rank, sizes.outputs, sizes.repeats)
        serves = tuple(field for field in _WHOLE if name == "ceiling" or field != "n_labeled")
        why = "it does not see the weak model"
        yield _piece(f"outputs of the {name}", "gemm", sizes.repeats, work, rank, serves, why)


def _students(sizes: _Sizes, design: _Design) -> Iterator[Piece]:
    """Students of every weak model under all filters: one product each."""
    count = sizes.repeats * sizes.teachers
    rows = design.evaluated + design.validation
    work = 0.0 if design.mixed else flops.gemm(rows, design.width, design.rank, count)
    work += flops.gemm(design.transfer, design.rank, sizes.outputs, count)
    why = "rows in the basis of the spectrum serve all filters"
    yield _piece("rows in the student's basis", "gemm", count, work, design.rank, _FITS, why)
    outputs = count * design.filters * sizes.outputs
    work = flops.gemm(rows, design.rank, outputs)
    yield _piece("outputs of the students", "gemm", count * design.filters, work, design.rank, (), "")
    work = PASSES * rows * outputs + CALLS * count
    yield _piece("errors of the students", "elementwise", count * design.filters, work, design.rank, (), "")
