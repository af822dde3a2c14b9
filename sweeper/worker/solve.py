"""What a worker does with one block: set the threads, solve, write the part, return a receipt.

Rows never travel through the scheduler: the worker writes them itself and hands back a few numbers.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from sweeper.folder.part import Code, status_counts
from sweeper.folder.run_folder import RunFolder
from sweeper.plan.bundle import memo_of
from sweeper.plan.cut import block_key
from sweeper.worker.threads import blas_name, keep_freed_memory, one_thread
from w2s.artifacts import Store, open_store
from w2s.contract.block import Block
from w2s.contract.memo import Memo
from w2s.contract.rows import failed_rows, rows_table
from w2s.contract.study import Study
from w2s.places.url import Where
from w2s.studies.registry import find_study
from w2s.user_files import Source, code_files, take_source
from w2s_kernels import Backend, choose

__all__ = ["Job", "Receipt", "block_code", "record_failure", "solve_block", "solve_blocks", "solve_rows"]


@dataclass(frozen=True)
class Job:
    """Everything a worker needs besides the block: where the study, rows and artifacts are, which kernels to use.

    ``source`` is the digest of the study's own file, where it is in one: a worker takes no other, however late it looks. The
    text itself, ``files``, is for workers that do not see the file.
    """

    study: str
    base: Path
    run: Where
    backend: str
    metadata: Mapping[bytes, bytes]
    store: Where | None = None
    source: str | None = None
    files: Source | None = None

    def find_study(self) -> type[Study]:
        """Return the study, from the source that the launch has read."""
        if self.files is not None and self.source is not None:
            take_source(self.study, self.base, self.files, self.source)
        return find_study(self.study, self.base, self.source)


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


def solve_blocks(job: Job, blocks: Sequence[Block]) -> list[Receipt]:
    """Solve blocks one after another, and compute once the values that several of them need.

    Each block has the bits that it has alone.
    """
    memo = memo_of(job.find_study()(), blocks)
    return [solve_block(job, block, memo) for block in blocks]


def solve_block(job: Job, block: Block, memo: Memo | None = None) -> Receipt:
    """Solve a block and write its part; ``memo`` keeps what it has in common with others.

    An exception of the study becomes ``failed`` rows with its message; only a folder that cannot be written raises
    (:class:`StoreError`). Deterministic: the same block gives the same bits in any process.
    """
    study = job.find_study()
    backend = choose(job.backend)  # imports Numba, before its threads are limited
    keep_freed_memory()
    start = time.perf_counter()
    try:
        with one_thread():
            store = None if job.store is None else open_store(job.store)
            code = block_code(study(store), block)
            table = solve_rows(study, block, backend, store, memo, code)
            curves = study(store).curves(block) if store is not None else None
    except Exception as problem:
        error = "".join(traceback.format_exception_only(problem)).strip()
        return record_failure(job, block, error, time.perf_counter() - start)
    if curves is not None:
        RunFolder(job.run).write_curves(block_key(study, block), curves)
    return _record(job, study, block, table, time.perf_counter() - start, code)


def record_failure(job: Job, block: Block, error: str, seconds: float = 0.0) -> Receipt:
    """Write a block's cells as ``failed`` rows with the error as their message."""
    study = job.find_study()
    table = failed_rows(study, block, error, _provenance(job.backend, seconds))
    return _record(job, study, block, table, seconds, Code(), error=error)


def _record(
    job: Job, study: type[Study], block: Block, table: pa.Table, seconds: float, code: Code, *, error: str | None = None
) -> Receipt:
    key = block_key(study, block)
    statuses = status_counts(table)
    footer = {"study": study.name, "version": study.version, "statuses": statuses, "seconds": seconds}
    RunFolder(job.run).write_part(key, table.replace_schema_metadata({**job.metadata, **code.metadata()}), footer)
    first = None if error is None else table["cell_id"][0].as_py()
    return Receipt(key, table.num_rows, statuses, seconds, error, first, os.getpid())


def block_code(study: Study, block: Block) -> Code:
    """Return what code outside this package the rows of a block depend on."""
    parts = {name: digest for part in study.parts(block) for name, digest in code_files(part).items()}
    own = code_files(type(study))
    return Code(own, {name: digest for name, digest in parts.items() if name not in own})


def solve_rows(
    study: type[Study],
    block: Block,
    backend: Backend,
    store: Store | None = None,
    memo: Memo | None = None,
    code: Code | None = None,
) -> pa.Table:
    """Solve a block in this process, with the artifacts it needs in ``store``, and return its rows."""
    start = time.perf_counter()
    solver = study() if store is None else study(store)
    solver.memo = memo
    solved = solver.solve(block, backend)
    return rows_table(study, block, solved, _provenance(backend.name, time.perf_counter() - start, code))


def _provenance(backend: str, seconds: float, code: Code | None = None) -> dict[str, Any]:
    made = {"backend": backend, "blas": blas_name(), "dtype": "float64", "threads": 1, "elapsed_s": seconds}
    return made | {"code_digest": None if code is None else code.digest}
