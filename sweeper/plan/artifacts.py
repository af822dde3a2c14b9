"""What a grid needs besides its rows: which artifacts, where they lie, and how much sharing saves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sweeper.errors import GridError
from sweeper.grid.compute import Compute
from sweeper.grid.model import Grid
from sweeper.plan.cut import Plan
from w2s.artifacts import Call, Store, in_order
from w2s.contract.block import Block
from w2s.contract.study import Study
from w2s.errors import FieldError
from w2s.places.url import Where, user_place

__all__ = [
    "ArtifactLine",
    "absent_files",
    "artifact_lines",
    "check_blind",
    "check_present",
    "has_artifacts",
    "missing_calls",
    "store_folder",
    "used_calls",
]


@dataclass(frozen=True)
class ArtifactLine:
    """One artifact function of a plan: distinct calls, calls of a script per cell, calls in the store, nominal operations.

    ``missing_flops`` are those of the calls that are not in the store.
    """

    function: str
    distinct: int
    unshared: int
    stored: int
    flops: float
    missing_flops: float


def has_artifacts(study: type[Study]) -> bool:
    """Tell whether a study names artifacts."""
    return study.needs is not Study.needs


def store_folder(grid: Grid, settings: Compute, run: Where) -> Where:
    """Return where the store is: as the grid says, a URL or relative to it, or ``.w2s-store`` beside the run folder."""
    if settings.store is not None:
        try:
            return user_place(settings.store, grid.folder)
        except FieldError as error:
            raise GridError(f"compute.store: {error}") from None
    return run.resolve().parent / ".w2s-store"


def used_calls(plan: Plan) -> list[Call]:
    """Return every call that the grid's cells use, at any depth, inputs first."""
    study = plan.grid.study()
    return in_order([call for block in plan.blocks() for call in study.needs(block)])


def missing_calls(plan: Plan, store: Store) -> list[Call]:
    """Return the calls that the grid's cells use and the store lacks, inputs first."""
    return [call for call in used_calls(plan) if not store.has(call)]


def artifact_lines(plan: Plan, store: Store) -> list[ArtifactLine]:
    """Count the artifacts that a plan makes, by function."""
    study = plan.grid.study()
    apart: Counter[str] = Counter()
    calls: dict[str, Call] = {}
    for block in plan.blocks():
        for cell in _cells(block):
            own = {call.key: call for call in in_order(study.needs(cell))}
            apart.update(own.keys())
            calls |= own
    counts: dict[str, Counter[str]] = {}
    for call in calls.values():
        line, there, flops = counts.setdefault(call.artifact.name, Counter()), store.has(call), int(call.flops)
        line.update(distinct=1, unshared=apart[call.key], stored=int(there), flops=flops, missing=0 if there else flops)
    return [
        ArtifactLine(name, c["distinct"], c["unshared"], c["stored"], float(c["flops"]), float(c["missing"]))
        for name, c in counts.items()
    ]


def _cells(block: Block) -> Iterator[Block]:
    """Yield every wanted cell as a block of its own."""
    for index in np.ndindex(*block.shape):
        if block.mask is None or block.mask[index]:
            yield Block(block.fixed, tuple(axis[k : k + 1] for axis, k in zip(block.axes, index, strict=True)))


def absent_files(grid: Grid) -> list[str]:
    """List the values of a grid whose files are not here, each once: names of models with their stated size."""
    return sorted({file.name for _, file in grid.files() if file.absent})


def check_present(grid: Grid) -> None:
    """Refuse a grid with values whose files are not here; raise :class:`GridError` with their names."""
    if names := absent_files(grid):
        raise GridError(f"it can be planned, not launched: the files of {', '.join(names)} are not here and the hub gave none")


def check_blind(plan: Plan) -> None:
    """Refuse a grid in which true labels could reach a student; raise :class:`GridError` with the reason.

    A study with artifacts that has no ``unblind`` of its own does not say what its students see, and is refused too.
    """
    study = plan.grid.study()
    if has_artifacts(type(study)) and type(study).unblind is Study.unblind:
        raise GridError(f"blind: {study.name} has artifacts and no method unblind that says whether truth can reach a student")
    for block in plan.blocks():
        problem = study.unblind(block)
        if problem:
            raise GridError(f"blind: {problem}")
