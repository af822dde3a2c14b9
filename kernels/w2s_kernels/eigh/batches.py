"""Work on many items in batches that fit the free memory of a device."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["device_free_bytes", "in_batches", "release_device_memory"]

SHARE = 0.5  # of the free memory: the library's own workspaces and other users of the device need some too

log = logging.getLogger(__name__)


def in_batches(
    work: Callable[[slice], None],
    items: int,
    bytes_per_item: int,
    free_bytes: int,
    *,
    share: float = SHARE,
    limit: int | None = None,
    release: Callable[[], None] | None = None,
) -> int:
    """Call work(slice) on consecutive ranges that cover 0 ... items - 1, halving the batch when memory runs out.

    Parameters
    ----------
    work :
        does the items of a slice and writes their results where they belong. It may be called again for items that it had
        begun. Its result for an item must not depend on which others are in the batch: then neither does anything here.
    bytes_per_item :
        memory that an item needs while it is worked on, >= 1.
    free_bytes :
        memory that is free now; the first batch takes `share` of it, and at least one item.
    limit :
        largest batch, whatever the memory.
    release :
        called after a failure, before the next attempt, e.g. to hand cached memory back.

    Returns
    -------
    Size of the batches that went through last, 0 without items.

    Raises
    ------
    MemoryError : one item alone does not fit; everything before it is done.
    """
    size = max(1, min(items, int(share * free_bytes) // bytes_per_item, items if limit is None else limit))
    start = 0
    while start < items:
        stop = min(start + size, items)
        if _fits(work, slice(start, stop)):
            start = stop
            continue
        # Outside the handler: the error no longer holds the frames, and so the arrays, of the attempt.
        size = (stop - start + 1) // 2
        log.warning("out of memory with %d items of about %d bytes; continuing with %d", stop - start, bytes_per_item, size)
        if release is not None:
            release()
    return size if items else 0


def device_free_bytes() -> int:
    """Count the bytes that the current CUDA device can still give, including those that CuPy's pool caches."""
    import cupy

    return int(cupy.cuda.Device().mem_info[0]) + int(cupy.get_default_memory_pool().free_bytes())


def release_device_memory() -> None:
    """Return the memory that CuPy's pool caches to the device."""
    import cupy

    cupy.get_default_memory_pool().free_all_blocks()


def _fits(work: Callable[[slice], None], part: slice) -> bool:
    """Do a part of the work, and return False when memory ran out and the part can be halved.

    CuPy's out-of-memory error is a MemoryError.
    """
    try:
        work(part)
    except MemoryError:
        if part.stop - part.start == 1:
            raise
        return False
    return True
