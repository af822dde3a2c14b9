"""What a worker does with one block: set the threads, solve, write the part, return a receipt.

Rows never travel through the scheduler: the worker writes them itself and hands back a few numbers.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from sweeper.plan import block_key
from sweeper.store import RunFolder
from w2s.artifacts import Store
from w2s.block import Block
from w2s.rows import failed_rows, rows_table
from w2s.studies import find_study
from w2s.study import Study
from w2s_kernels import Backend, choose

__all__ = ["Job", "Receipt", "keep_freed_memory", "one_thread", "record_failure", "solve_block", "solve_rows"]


THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


_KEPT = 2**28
_LARGEST = 2**25  # the most that the GNU library accepts
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of its mallopt


@dataclass(frozen=True)
class Job:
    """Everything a worker needs besides the block: where the study, rows and artifacts are, which kernels to use."""

    study: str
    base: Path
    run: Path
    backend: str
    metadata: Mapping[bytes, bytes]
    store: Path | None = None


@dataclass(frozen=True)
class Receipt:
    """What a worker returns for one block."""

    key: str
    rows: int
    statuses: Mapping[str, int]
    seconds: float
    error: str | None
    first_cell: str | None
    pid: int


def solve_block(job: Job, block: Block) -> Receipt:
    """Solve a block and write its part.

    An exception of the study becomes ``failed`` rows with its message; only a folder that cannot be written raises
    (:class:`StoreError`). Deterministic: the same block gives the same bits in any process.
    """
    study = find_study(job.study, job.base)
    backend = choose(job.backend)  # imports Numba, before its threads are limited
    keep_freed_memory()
    start = time.perf_counter()
    try:
        with one_thread():
            store = None if job.store is None else Store(job.store)
            table = solve_rows(study, block, backend, store)
            curves = study(store).curves(block) if store is not None else None
    except Exception as problem:
        error = "".join(traceback.format_exception_only(problem)).strip()
        return record_failure(job, block, error, time.perf_counter() - start)
    if curves is not None:
        RunFolder(job.run).write_curves(block_key(study, block), curves)
    return _record(job, study, block, table, time.perf_counter() - start)


def record_failure(job: Job, block: Block, error: str, seconds: float = 0.0) -> Receipt:
    """Write a block's cells as ``failed`` rows with the error as their message."""
    study = find_study(job.study, job.base)
    table = failed_rows(study, block, error, _provenance(job.backend, seconds))
    return _record(job, study, block, table, seconds, error=error)


def _record(
    job: Job, study: type[Study], block: Block, table: pa.Table, seconds: float, *, error: str | None = None
) -> Receipt:
    key = block_key(study, block)
    statuses = {str(item["values"]): int(item["counts"]) for item in table["status"].value_counts().to_pylist()}
    footer = {"study": study.name, "version": study.version, "statuses": statuses, "seconds": seconds}
    RunFolder(job.run).write_part(key, table.replace_schema_metadata(job.metadata), footer)
    first = None if error is None else table["cell_id"][0].as_py()
    return Receipt(key, table.num_rows, statuses, seconds, error, first, os.getpid())


@functools.cache
def keep_freed_memory() -> None:
    """Let this process keep memory that it has freed, arrays up to 32 MiB and 256 MiB at the end of the heap, from now on.

    Arrays of a few MiB come and go all the time in a block; handing their pages back and taking them anew, zeroed, was a
    tenth of the time of cheap cells. Where the C library cannot be told so, or has been told by the user, nothing is done.
    """
    told = any(name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"))
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" and not told else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _KEPT)


def solve_rows(study: type[Study], block: Block, backend: Backend, store: Store | None = None) -> pa.Table:
    """Solve a block in this process, with the artifacts it needs in ``store``, and return its rows."""
    start = time.perf_counter()
    solved = (study() if store is None else study(store)).solve(block, backend)
    return rows_table(study, block, solved, _provenance(backend.name, time.perf_counter() - start))


def _provenance(backend: str, seconds: float) -> dict[str, Any]:
    return {"backend": backend, "blas": blas_name(), "dtype": "float64", "threads": 1, "elapsed_s": seconds}


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS, OpenMP, Numba and Torch to one thread: a block is the unit of parallelism, and threads change bits."""
    import scipy.linalg  # noqa: F401  brings a BLAS of its own, which has to be there to be limited

    with contextlib.suppress(ImportError):
        # Now, and limited by its setter: it reads its variable again at every compilation and refuses a change.
        importlib.import_module("numba")
    later = [name for name in THREAD_VARIABLES if name != "NUMBA_NUM_THREADS"]
    environment = {name: os.environ.get(name) for name in later}
    os.environ.update(dict.fromkeys(later, "1"))  # for libraries that a study loads later
    numba, torch = sys.modules.get("numba"), sys.modules.get("torch")
    # Torch first: the question starts Numba's threads, which sets Torch's OpenMP library to all cores.
    before_torch = torch.get_num_threads() if torch else 0
    before = numba.get_num_threads() if numba else 0
    if numba:
        numba.set_num_threads(1)
    if torch:
        torch.set_num_threads(1)
    try:
        with _loaded_libraries(len(sys.modules)).limit(limits=1):
            yield
    finally:
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if numba:
            numba.set_num_threads(before)
        if torch:
            torch.set_num_threads(before_torch)


@functools.lru_cache(maxsize=1)
def _loaded_libraries(modules: int) -> Any:  # noqa: ARG001
    """Thread controls of the libraries in this process; looked for again, at 2 ms, only when a module has been imported."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@functools.cache
def blas_name() -> str:
    """Name and version of the BLAS that NumPy and SciPy use, for the ``blas`` column."""
    import numpy as np  # noqa: F401
    from threadpoolctl import threadpool_info

    found = [
        f"{lib['internal_api']} {lib['version']} {lib.get('architecture', '')}".strip()
        for lib in threadpool_info()
        if lib["user_api"] == "blas"
    ]
    return ", ".join(sorted(set(found))) or "unknown"  # not in the order in which they were loaded
