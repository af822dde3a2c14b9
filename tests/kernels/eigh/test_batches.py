from __future__ import annotations

import logging

import numpy as np
import pytest

from w2s_kernels import Backend
from w2s_kernels.eigh.batches import SHARE, device_free_bytes, in_batches, release_device_memory

ITEMS = np.arange(37.0)


class Device:
    """Squares items; runs out of memory beyond `room` items at a time."""

    def __init__(self, room: int) -> None:
        self.room, self.out, self.sizes, self.released = room, np.full(len(ITEMS), np.nan), [], 0

    def work(self, part: slice) -> None:
        self.out[part] = -1.0  # half done before it fails
        self.sizes.append(part.stop - part.start)
        if part.stop - part.start > self.room:
            raise MemoryError("no room")
        self.out[part] = ITEMS[part] ** 2

    def release(self) -> None:
        self.released += 1


@pytest.mark.parametrize("free", [0, 100, 1000, 10**9])
@pytest.mark.parametrize("room", [1, 2, 5, 36, 37])
def test_results_are_the_same_whatever_the_memory(free: int, room: int) -> None:
    device = Device(room)
    size = in_batches(device.work, len(ITEMS), 100, free, release=device.release)
    np.testing.assert_array_equal(device.out, ITEMS**2)
    failed = [n for n in device.sizes if n > room]
    assert size <= room
    assert device.released == len(failed)
    assert len(failed) <= 6  # halved each time
    assert device.sizes[0] == max(1, min(37, int(SHARE * free) // 100))


def test_batches_are_consecutive_and_no_longer_than_the_limit() -> None:
    parts: list[slice] = []
    assert in_batches(parts.append, 10, 1, 10**6, limit=4) == 4
    assert [(p.start, p.stop) for p in parts] == [(0, 4), (4, 8), (8, 10)]
    assert in_batches(parts.append, 0, 1, 10**6) == 0
    assert len(parts) == 3


def test_a_halved_batch_stays_halved(caplog: pytest.LogCaptureFixture) -> None:
    device = Device(10)
    with caplog.at_level(logging.WARNING, "w2s_kernels.eigh.batches"):
        assert in_batches(device.work, 37, 1, 74) == 10
    assert device.sizes == [37, 19, 10, 10, 10, 7]
    assert "out of memory with 37 items of about 1 bytes; continuing with 19" in caplog.text


def test_an_item_that_does_not_fit_alone_is_an_error() -> None:
    device = Device(0)
    with pytest.raises(MemoryError, match="no room"):
        in_batches(device.work, 4, 1, 100)
    assert device.sizes == [4, 2, 1]


def test_other_errors_are_not_retried() -> None:
    def work(part: slice) -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        in_batches(work, 4, 1, 100)


@pytest.mark.gpu
def test_device_memory_is_counted_and_batches_survive_its_end(device: Backend) -> None:
    free = device_free_bytes()
    assert free > 0
    each, done = max(1, free // 4), []

    def work(part: slice) -> None:
        device.xp.empty((part.stop - part.start) * each, dtype=np.uint8)
        done.append(part.stop - part.start)

    assert in_batches(work, 16, 1, 10**6, release=release_device_memory) <= 4
    assert sum(done) == 16
