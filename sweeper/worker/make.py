"""What a worker does with one artifact call: find it, make it on one thread, return a receipt.

Calls do not travel: a worker derives them from the block that needs them, so a function in a study file of one's own works on
any node, and nothing has to be serialised.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sweeper.errors import StoreError
from sweeper.worker.failure import describe_error, raise_interrupt
from sweeper.worker.solve import Job
from sweeper.worker.threads import one_thread
from w2s.artifacts import Call, in_order, open_store
from w2s.contract.block import Block
from w2s.places.bucket import PlaceError

__all__ = ["ArtifactReceipt", "make_artifact"]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class ArtifactReceipt:
    """What a worker returns for one call; ``words`` is what the study calls it, added by the launch.

    ``notes`` are what the call told a person, where its worker reaches none.
    """

    key: str
    function: str
    seconds: float
    error: str | None
    pid: int = 0
    words: str = ""
    notes: tuple[str, ...] = ()


def make_artifact(job: Job, block: Block, key: str, note: Callable[[str], None] | None = None) -> ArtifactReceipt:
    """Make the artifact with this key among those that ``block`` needs; its inputs are finished.

    Without ``note``, which tells a person something at once, the receipt has what was to be told.
    An exception of the function becomes the receipt's error; only a store that cannot be written raises (:class:`StoreError`).
    """
    assert job.store is not None
    call = _find(job, block, key)
    start = time.perf_counter()
    notes: list[str] = []
    try:
        with one_thread():
            open_store(job.store).compute(call, note or notes.append)
    except OSError as problem:
        if isinstance(problem, PlaceError) or problem.errno in _NO_ROOM:
            raise StoreError(f"cannot write in the artifact store {job.store}: {problem.strerror}") from None
        return _receipt(call, start, problem)
    except BaseException as problem:
        raise_interrupt(problem)
        if f"(os error {errno.ENOSPC})" in str(problem):  # safetensors has an error of its own for a full disk
            raise StoreError(f"cannot write in the artifact store {job.store}: {os.strerror(errno.ENOSPC)}") from None
        return _receipt(call, start, problem)
    return replace(_receipt(call, start, None), notes=tuple(notes))


def _find(job: Job, block: Block, key: str) -> Call:
    study = job.find_study()
    return next(call for call in in_order(study().needs(block)) if call.key == key)


def _receipt(call: Call, start: float, problem: BaseException | None) -> ArtifactReceipt:
    error = None if problem is None else describe_error(problem, call.artifact.function)
    where = f"{call.artifact.name} ({call.key[:8]}): " if error else ""
    said = f"{where}{error}" if error else None
    return ArtifactReceipt(call.key, call.artifact.name, time.perf_counter() - start, said, os.getpid())
