"""Hold every library that a worker computes with to one thread."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from sweeper.cpus import THREAD_VARIABLES
from w2s_kernels.scipy_parts import lapack

__all__ = ["blas_name", "keep_freed_memory", "one_thread"]


_KEPT = 2**28
_LARGEST = 2**25  # the most that the GNU library accepts
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of its mallopt


@functools.cache
def keep_freed_memory() -> None:
    """Let this process keep memory that it frees, from now on: arrays up to 32 MiB, and 256 MiB at the end of the heap.

    Arrays of a few MiB come and go all the time in a block. Handing their pages back and getting zeroed ones again took
    a tenth of the time of cheap cells. Where the C library has no such setting, or the user has made it, nothing is done.
    """
    told = any(name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"))
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" and not told else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _KEPT)


@contextlib.contextmanager
def one_thread(*, numba_too: bool = True) -> Iterator[None]:
    """Limit BLAS, OpenMP, Numba and Torch to one thread: a block is the unit of parallelism, and threads change bits.

    Without ``numba_too`` Numba is not started for the sake of its limit, only limited where it runs already.
    """
    lapack()  # brings a BLAS of its own, which has to be there to be limited

    if numba_too:
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
    """Return the thread controls of the loaded libraries; a new search, 2 ms, is made only when a module has been imported."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@functools.cache
def blas_name() -> str:
    """Return name and version of the BLAS that NumPy and SciPy use, for the ``blas`` column."""
    import numpy as np  # noqa: F401
    from threadpoolctl import threadpool_info

    found = [
        f"{lib['internal_api']} {lib['version']} {lib.get('architecture', '')}".strip()
        for lib in threadpool_info()
        if lib["user_api"] == "blas"
    ]
    return ", ".join(sorted(set(found))) or "unknown"  # not in the order in which they were loaded
