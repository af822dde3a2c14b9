"""Measure how fast this machine is at each kind of work, for ``w2s-sweep doctor --calibrate``."""

from __future__ import annotations

import datetime
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from sweeper.folder.provenance import package_version
from sweeper.folder.run_folder import RunFolder
from sweeper.plan.rates import ORDERS, Rates, Upkeep, cpu_model
from sweeper.worker.threads import blas_name, one_thread
from w2s.contract.block import Axis, Block
from w2s.contract.cells import Cell, field
from w2s.contract.rows import rows_table
from w2s.contract.study import Cost, Kind, Rows, Study
from w2s.sharing.nominal import NORMAL_FLOPS
from w2s.sharing.workloads import KINDS, workload
from w2s_kernels import Backend, choose

__all__ = ["measure"]


_SECONDS, _LEAST_TURNS = 0.05, 3


_SMALL, _LARGE = 32, 4096


def measure(note: Callable[[str], None] = lambda _line: None) -> Rates:
    """Measure this machine on one thread: every kind of work at four orders, and the bookkeeping.

    Takes about five seconds.
    """
    backend = choose("auto" if choose("auto").name != "cupy" else "numba")
    found: dict[Kind, dict[int, float]] = {}
    with one_thread():
        for kind in KINDS:
            samples = {order: workload(kind, order, backend) for order in ORDERS}
            found[kind] = {order: flops / _median_seconds(call) for order, (call, flops) in samples.items()}
            note(f"{kind:<12}" + "".join(f"  d = {order}: {rate / 1e9:6.2f}" for order, rate in found[kind].items()))
        rows, files = _bookkeeping(backend)
        blas = blas_name()
    note(f"rows: {1e6 * rows.cell:.2f} microseconds a cell, {1e3 * rows.block:.1f} ms a block")
    note(f"files: {1e6 * files.cell:.2f} microseconds a cell, {1e3 * files.block:.1f} ms a block")
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    versions = {name: package_version(name) or "" for name in ("w2s-sweep", "numpy", "scipy", "numba", "pyarrow")}
    drawn = {order: rate / NORMAL_FLOPS for order, rate in found.pop("normals").items()}
    return Rates(
        flops=found,
        normals=drawn,
        rows=rows,
        files=files,
        date=today,
        cpu=cpu_model(),
        blas=blas,
        backend=backend.name,
        versions={"python": platform.python_version(), **versions},
    )


def _median_seconds(call: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the median time of some calls after a first one, which may compile.

    The clock of the process stands still while others have the core, so a busy machine has the rates of a quiet one.
    """
    call()
    turns: list[float] = []
    while len(turns) < _LEAST_TURNS or sum(turns) < _SECONDS:
        start = clock()
        call()
        turns.append(clock() - start)
    return statistics.median(turns)


class _SampleCell(Cell):
    """A cell with as many fields as a study usually has."""

    first: float = field(description="number")
    second: float = field(0.0, description="number")
    third: float = field(0.0, description="number")
    fourth: float = field(0.0, description="number")
    width: int = field(1, description="number")
    rows: int = field(1, description="number")
    steps: int = field(1, description="number")
    word: str = field("a", description="word")
    other: str = field("b", description="word")


class _Sample(Study):
    """Cells that cost nothing: what is left is bookkeeping."""

    name, version, Cell = "calibration.sample", 1, _SampleCell

    def cost(self, block: Block) -> Cost:
        return Cost(float(block.size), 8.0 * block.size)

    def solve(self, block: Block, backend: Backend) -> Rows:  # noqa: ARG002
        value = np.random.default_rng(0).random(block.shape)
        names = ("weak_error", "student_error", "strong_error", "ceiling_error", "misfit", "gain", "condition")
        return {name: value + 0.1 * k for k, name in enumerate(names)}


def _bookkeeping(backend: Backend) -> tuple[Upkeep, Upkeep]:
    """Time rows and files of a small and a large block; the line through both gives seconds per cell and per block."""
    fixed = {name: spec.default for name, spec in _SampleCell.model_fields.items() if name not in ("first", "seed")}
    times: dict[str, dict[int, float]] = {"rows": {}, "files": {}}
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place))
        folder.prepare()
        for cells in (_SMALL, _LARGE):
            axes = (Axis.single("seed", range(8)), Axis.single("first", [0.5 * k for k in range(cells // 8)]))
            block = Block(fixed, axes)
            make, write = _upkeep_calls(block, backend, folder)
            times["rows"][cells] = _median_seconds(make)
            times["files"][cells] = _median_seconds(write, time.perf_counter)  # waits for the disk count
    return _line(times["rows"]), _line(times["files"])


def _upkeep_calls(block: Block, backend: Backend, folder: RunFolder) -> tuple[Callable[[], pa.Table], Callable[[], None]]:
    solved = _Sample().solve(block, backend)
    provenance = {"backend": backend.name, "blas": "", "dtype": "float64", "threads": 1, "elapsed_s": 0.0}

    def make() -> pa.Table:
        return rows_table(_Sample, block, solved, provenance)

    table = make()
    return make, lambda: folder.write_part("0" * 24, table, {"seconds": 0.0})


def _line(seconds: Mapping[int, float]) -> Upkeep:
    """Fit the upkeep that has these times at two sizes; noise must not make either part of it vanish."""
    (few, low), (many, high) = sorted(seconds.items())
    cell = max((high - low) / (many - few), 0.1 * high / many)
    return Upkeep(cell=cell, block=max(low - cell * few, 0.1 * low))
