"""How fast this machine is at each kind of work: measured once by ``w2s-sweep doctor --calibrate``, kept in the cache folder.

Rates turn nominal operations into seconds that a person reads. They never influence a plan: how a grid is cut and which solver
a block uses come from nominal operations alone, so bits do not depend on a measured time.
"""

from __future__ import annotations

import datetime
import functools
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, get_args

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sweeper.errors import StoreError
from sweeper.provenance import package_version
from sweeper.store import RunFolder
from w2s.block import Axis, Block
from w2s.cells import Cell, field
from w2s.durable import whole
from w2s.laws.cache import cache_folder
from w2s.rows import rows_table
from w2s.study import Cost, Kind, Piece, Rows, Study
from w2s.workloads import KINDS, NORMAL_FLOPS, workload
from w2s_kernels import Backend, choose

__all__ = ["BUILT_IN", "Rates", "Upkeep", "load_rates", "measure", "rates_path", "save_rates"]

ORDERS = (8, 32, 128, 512)
_SECONDS, _LEAST_TURNS = 0.05, 3
_SMALL, _LARGE = 32, 4096
_NOTE = "not calibrated: run w2s-sweep doctor --calibrate"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ByOrder = Annotated[dict[Annotated[int, Field(ge=1)], Positive], Field(min_length=1)]


class Upkeep(BaseModel):
    """Bookkeeping in seconds: so many for each cell and each block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Positive
    block: Positive

    def seconds(self, cells: float, blocks: float) -> float:
        """Time for all cells and blocks."""
        return self.cell * cells + self.block * blocks


class Rates(BaseModel):
    """What one core of a machine does in a second, by kind of work and order, and where and when that was measured.

    ``flops`` holds nominal operations a second, ``normals`` normals a second; ``rows`` is the upkeep of turning results into
    rows, ``files`` that of writing them. ``date`` is empty for the built-in rates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flops: dict[Kind, ByOrder]
    normals: ByOrder
    rows: Upkeep
    files: Upkeep
    date: str = ""
    cpu: str = ""
    blas: str = ""
    backend: str = ""
    versions: dict[str, str] = {}

    @model_validator(mode="after")
    def _every_kind(self) -> Rates:
        if missing := set(get_args(Kind)) - {"normals", *self.flops}:
            raise ValueError(f"no rate for {', '.join(sorted(missing))}")
        return self

    def rate(self, kind: Kind, order: float) -> float:
        """Operations (normals) a second at an order: linear between measured ones in both logarithms, then constant."""
        known = sorted((self.normals if kind == "normals" else self.flops[kind]).items())
        at = np.log(max(order, 1.0))
        return float(np.exp(np.interp(at, np.log([d for d, _ in known]), np.log([rate for _, rate in known]))))

    def seconds(self, piece: Piece) -> float:
        """Predicted time of a piece on one core."""
        amount = piece.flops / NORMAL_FLOPS if piece.kind == "normals" else piece.flops
        return amount / self.rate(piece.kind, piece.order)


def _table(*rates: float) -> dict[int, float]:
    return {order: 1e9 * rate for order, rate in zip(ORDERS, rates, strict=True)}


BUILT_IN = Rates(
    flops={
        "gemm": _table(2.0, 10.0, 20.0, 25.0),
        "syrk": _table(1.5, 8.0, 14.0, 18.0),
        "cholesky": _table(0.01, 0.3, 4.0, 14.0),
        "trsm": _table(0.08, 1.0, 4.0, 8.0),
        "eigh": _table(0.3, 1.5, 5.0, 10.0),
        "svd": _table(0.2, 3.0, 8.0, 14.0),
        "qr": _table(0.5, 3.0, 6.0, 10.0),
        "descent": _table(25.0, 30.0, 33.0, 15.0),
        "logistic": _table(0.1, 0.4, 1.2, 1.5),
        "elementwise": _table(1.0, 3.0, 4.0, 4.0),
        "other": _table(1.0, 3.0, 4.0, 4.0),
    },
    normals=_table(0.03, 0.05, 0.05, 0.05),
    rows=Upkeep(cell=3e-6, block=8e-3),
    files=Upkeep(cell=2e-6, block=8e-3),
)
"""Rates of a slow core, for a machine that was never measured: a prediction from them should be too long, not too short."""


def load_rates() -> tuple[Rates, str]:
    """Return this machine's rates and a line that says where they come from; the built-in ones where there are none.

    A file that is damaged, or from another processor, is passed over, and the line says so.
    """
    path = rates_path()
    try:
        rates = Rates.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return BUILT_IN, _NOTE
    except (OSError, ValueError):
        return BUILT_IN, f"{path} is damaged and was ignored; {_NOTE}"
    if rates.cpu != cpu_model():
        return BUILT_IN, f"{path} is from another machine ({rates.cpu}) and was ignored; {_NOTE}"
    return rates, f"rates of {rates.date} on {rates.cpu}"


def save_rates(rates: Rates) -> Path:
    """Write the rates whole into the cache folder. Raises :class:`StoreError` where that cannot be written."""
    path = rates_path()
    try:
        with whole(path) as temporary:
            temporary.write_text(rates.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None
    return path


def rates_path() -> Path:
    """Return the place of ``rates.json`` in the user's cache folder (``XDG_CACHE_HOME``, or ``~/.cache``)."""
    return cache_folder("rates.json")


@functools.cache
def cpu_model() -> str:
    """Name of the processor with family and model number: a hypervisor may give several processors one name."""
    found: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    name = found.get("model name") or platform.processor() or platform.machine()
    return f"{name} (family {found['cpu family']}, model {found['model']})" if {"cpu family", "model"} <= set(found) else name


def measure(note: Callable[[str], None] = lambda _line: None) -> Rates:
    """Measure this machine on one thread: every kind of work at four orders, and the bookkeeping. Takes about five seconds."""
    from sweeper.work import blas_name, one_thread

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
    """Median of some turns after a first one, which may compile.

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
    """Upkeep with these times at two sizes; noise must not make either part vanish."""
    (few, low), (many, high) = sorted(seconds.items())
    cell = max((high - low) / (many - few), 0.1 * high / many)
    return Upkeep(cell=cell, block=max(low - cell * few, 0.1 * low))
