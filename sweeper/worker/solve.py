"""What a worker does with one block: set the threads, solve, write the part, return a receipt.

Rows never travel through the scheduler: the worker writes them itself and hands back a few numbers.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.cpus import held_memory
from sweeper.errors import UnseenFolderError
from sweeper.folder.part import Code, status_counts
from sweeper.folder.run_folder import RunFolder
from sweeper.folder.token import Token, check_token
from sweeper.plan.bundle import memo_of
from sweeper.plan.cut import block_key
from sweeper.worker.failure import describe_error, describe_trace, folder_of, raise_interrupt
from sweeper.worker.halve import halves
from sweeper.worker.limit import limited, where_it_stood
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
from w2s_kernels.loops import choose_kept

__all__ = ["Job", "Receipt", "block_code", "record_failure", "solve_block", "solve_blocks", "solve_rows", "time_is_over"]


@dataclass(frozen=True)
class Job:
    """Everything a worker needs besides the block: where the study, rows and artifacts are, which kernels to use.

    ``source`` is the digest of the study's own file, where it is in one: a worker takes no other, however late it looks. The
    text itself, ``files``, is for workers that do not see the file. ``token`` is what a worker must find in the run folder;
    ``time_limit`` the most seconds that a block may take. The whole launch is ``small`` where Numba need not start for it.
    """

    study: str
    base: Path
    run: Where
    backend: str
    metadata: Mapping[bytes, bytes]
    store: Where | None = None
    source: str | None = None
    files: Source | None = None
    token: Token | None = None
    time_limit: float | None = None
    small: bool = False

    def find_study(self) -> type[Study]:
        """Return the study, from the source that the launch has read."""
        if self.files is not None and self.source is not None:
            take_source(self.study, self.base, self.files, self.source)
        return find_study(self.study, self.base, self.source)

    def check_folders(self) -> None:
        """Raise :class:`sweeper.errors.UnseenFolderError` where this process does not see the folders of the launch."""
        if self.token is not None:
            check_token(self.token)
        if isinstance(self.store, Path) and not self.store.is_dir():
            raise UnseenFolderError(f"{socket.gethostname()} does not see the store {self.store}")


@dataclass(frozen=True)
class Receipt:
    """What a worker returns for one block; of one that failed also its first cell, with the values that it has of the axes.

    A block that is ``too_large`` for this machine's memory has no rows: its halves are to be solved instead.
    """

    key: str
    rows: int
    statuses: Mapping[str, int]
    seconds: float
    error: str | None
    first_cell: str | None
    pid: int
    axes: Mapping[str, Any] = field(default_factory=dict)
    too_large: bool = False


def solve_blocks(job: Job, blocks: Sequence[Block]) -> list[Receipt]:
    """Solve blocks one after another, and compute once the values that several of them need.

    Each block has the bits that it has alone.
    """
    memo = memo_of(job.find_study()(), blocks)
    return [solve_block(job, block, memo) for block in blocks]


def solve_block(job: Job, block: Block, memo: Memo | None = None) -> Receipt:
    """Solve a block and write its part; ``memo`` keeps what it has in common with others.

    Whatever the study raises becomes ``failed`` rows with its message, SystemExit too; only an unwritable folder raises
    (:class:`StoreError`). Deterministic: the same block gives the same bits in any process.
    """
    study = job.find_study()
    # Numba, where it is needed, starts before its threads are limited.
    backend = choose_kept(job.backend, small=job.small) if study.compiled_from else choose(job.backend)
    keep_freed_memory()
    start = time.perf_counter()
    try:
        with limited(job.run, block_key(study, block), job.time_limit), one_thread(numba_too=not (backend.kept or job.small)):
            store = None if job.store is None else open_store(job.store)
            code = block_code(study(store), block)
            table = solve_rows(study, block, backend, store, memo, code)
            curves = study(store).curves(block) if store is not None else None
    except BaseException as problem:
        raise_interrupt(problem)
        error = describe_error(problem, study)
        if isinstance(problem, MemoryError):
            if halves(block):
                return Receipt(block_key(study, block), 0, {}, 0.0, error, None, os.getpid(), too_large=True)
            error = f"{error}; the process held {held_memory()}"
        return record_failure(job, block, error, time.perf_counter() - start, describe_trace(problem, study))
    if curves is not None:
        RunFolder(job.run).write_curves(block_key(study, block), curves)
    return _record(job, study, block, table, time.perf_counter() - start, code)


def record_failure(job: Job, block: Block, error: str, seconds: float = 0.0, trace: str | None = None) -> Receipt:
    """Write a block's cells as ``failed`` rows with the error as their message, and the traceback where there is one."""
    study = job.find_study()
    table = failed_rows(study, block, error, _provenance(job.backend, seconds) | {"traceback": trace})
    return _record(job, study, block, table, seconds, Code(), error=error)


def time_is_over(job: Job, block: Block) -> str | None:
    """Say that a block took longer than the launch allows, and where it was, if that is why its worker ended; else None."""
    if job.time_limit is None:
        return None
    study = job.find_study()
    where = where_it_stood(job.run, block_key(study, block), folder_of(study))
    if where is None:
        return None
    return f"the block took longer than the time limit of {job.time_limit:g} s{f' (it was in {where})' if where else ''}"


def _record(
    job: Job, study: type[Study], block: Block, table: pa.Table, seconds: float, code: Code, *, error: str | None = None
) -> Receipt:
    key = block_key(study, block)
    statuses = status_counts(table)
    footer = {"study": study.name, "version": study.version, "statuses": statuses, "seconds": seconds}
    RunFolder(job.run).write_part(key, table.replace_schema_metadata({**job.metadata, **code.metadata()}), footer)
    if not statuses.get("failed"):
        return Receipt(key, table.num_rows, statuses, seconds, error, None, os.getpid())
    first = table.slice(pc.index(table["status"], "failed").as_py(), 1).to_pylist()[0]
    axes = {name: first[name] for axis in block.axes for name in axis.names}
    return Receipt(key, table.num_rows, statuses, seconds, error or first["message"], first["cell_id"], os.getpid(), axes)


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
    solved = solver.solve(block.copy(), backend)  # whatever it does to its block, the rows are those that were asked for
    return rows_table(study, block, solved, _provenance(backend.name, time.perf_counter() - start, code))


def _provenance(backend: str, seconds: float, code: Code | None = None) -> dict[str, Any]:
    made = {"backend": backend, "blas": blas_name(), "dtype": "float64", "threads": 1, "elapsed_s": seconds}
    return made | {"code_digest": None if code is None else code.digest}
