"""What a row costs besides its mathematics: planning, identities, the table and its Parquet files.

The launch is timed twice on the same grid: as it is, and with the study's `solve` replaced by its answers from a first pass, so
that what is left is bookkeeping. Bars: 2 microseconds a cell on the reference grid, and 5 % of the wall time on a grid whose
cells cost 100 microseconds or more. Both in one process on one thread, in turns; the tables of both must be the same. Every
launch writes into a folder of its own; they are removed at the end, outside of what is timed. Processor time is shown beside
wall time: the difference is waiting for the disk (a part is flushed before its rename) and for other processes.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
from _timing import options, quartiles, save, spread, verdict
from threadpoolctl import threadpool_limits

from sweeper import launch
from w2s.contract.block import Block
from w2s.contract.columns import PROVENANCE
from w2s.studies.dong2025.regression.study import Regression
from w2s_kernels import Backend

PER_CELL, SHARE, EXPENSIVE = 2.0, 0.05, 100.0
REFERENCE: Any = Path(__file__).resolve().parent / "reference.yaml"
ROWS: Any = {
    "study": "dong2025.regression",
    "axes": {
        "d_weak": [64, 128],
        "n_labeled": [500, 1000],
        "n_transfer": [8000, 16000],
        "ridge": {"logspace": [-6, 0, 20]},
    },
    "fixed": {"d_strong": 128, "d_overlap": 12, "noise": 0.5, "design": "rows"},
    "seeds": 32,
}


class Answers:
    """The study's `solve`, which remembers: once a block has been solved, its answer costs nothing."""

    def __init__(self) -> None:
        self.solve, self.known = Regression.solve, {}

    def __call__(self, block: Block, backend: Backend) -> dict[str, np.ndarray]:
        key = repr((block.fixed, block.axes))
        if key not in self.known:
            self.known[key] = dict(self.solve(Regression(), block, backend))
        return self.known[key]


def run(grid: Any, out: Path, answers: Answers | None = None) -> Any:
    """Launch into an empty folder and return the outcome."""
    if answers is None:
        return launch(grid, executor="inline", out=out)
    with patch.object(Regression, "solve", lambda _study, block, backend: answers(block, backend)):
        return launch(grid, executor="inline", out=out)


def turns(grid: Any, folder: Path, repeats: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Outcomes of the last launches, and wall and processor seconds of all, by side; the first turn fills the answers."""
    answers, outcomes = Answers(), {}
    wall: dict[str, list[float]] = {"launch": [], "bookkeeping": []}
    cpu: dict[str, list[float]] = {"launch": [], "bookkeeping": []}
    run(grid, folder / "first", answers)
    for turn in range(repeats):
        for side, known in (("launch", None), ("bookkeeping", answers)):
            start, busy = time.perf_counter(), time.process_time()
            outcomes[side] = run(grid, folder / f"{side}-{turn}", known)
            wall[side].append(time.perf_counter() - start)
            cpu[side].append(time.process_time() - busy)
    return outcomes, wall, cpu


def rows(run: Path) -> Any:
    """Rows of a run without provenance, ordered by identity."""
    return pq.read_table(run / "results").drop_columns(list(PROVENANCE)).sort_by("cell_id").replace_schema_metadata()


def measure(name: str, grid: Any, folder: Path, repeats: int) -> dict[str, Any]:
    outcomes, wall, cpu = turns(grid, folder, repeats)
    assert rows(outcomes["launch"].run).equals(rows(outcomes["bookkeeping"].run)), "the two launches wrote different tables"
    cells, files = outcomes["launch"].computed, len(list((outcomes["launch"].run / "results").glob("part-*.parquet"))) - 1
    print(f"{name}: {cells:,} cells in {files} parts, {repeats} turns; wall time, then processor time")
    for seconds in (wall, cpu):
        for side, values in seconds.items():
            part = 1e3 * quartiles(values)[1] / files
            print(f"  {side:12s} {spread(values, 1e6 / cells)} microseconds a cell, {part:.2f} ms a part")
    shares = [float(np.median(np.divide(s["bookkeeping"], s["launch"]))) for s in (wall, cpu)]
    print(f"  bookkeeping is {100 * shares[0]:.1f} % of the wall time, {100 * shares[1]:.1f} % of the processor time")
    middle = {side: quartiles(values)[1] / cells for side, values in wall.items()}
    return {"grid": name, "cells": cells, "parts": files, "seconds a cell": middle, "share": shares[0], "cpu share": shares[1]}


def main() -> None:
    chosen = options(__doc__, "two turns on smaller grids instead of eleven").parse_args()
    reference, expensive, repeats = REFERENCE, ROWS, 11
    if chosen.quick:
        expensive, repeats = ROWS | {"seeds": 2}, 2
        reference = expensive | {"fixed": {**ROWS["fixed"], "design": "wishart"}}
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        cheap = measure("reference grid", reference, Path(folder) / "reference", repeats)
        costly = measure("rows of 16,000", expensive, Path(folder) / "rows", repeats)
    cost = 1e6 * (costly["seconds a cell"]["launch"] - costly["seconds a cell"]["bookkeeping"])
    verdicts = (
        []
        if chosen.quick
        else [
            verdict(
                "reference grid: bookkeeping",
                1e6 * cheap["seconds a cell"]["bookkeeping"],
                PER_CELL,
                unit="microseconds a cell",
            ),
            verdict("a grid of expensive cells: solving", cost, EXPENSIVE, unit="microseconds a cell", at_least=True),
            verdict("a grid of expensive cells: bookkeeping in the wall time", 100 * costly["share"], 100 * SHARE, unit="%"),
        ]
    )
    save(chosen.json, {"grids": [cheap, costly], "verdicts": verdicts})


if __name__ == "__main__":
    main()
