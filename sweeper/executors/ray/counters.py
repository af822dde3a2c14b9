"""Counts of a sweep for the Ray dashboard and its Prometheus endpoint."""

from __future__ import annotations

import time

from ray.util.metrics import Counter, Gauge

__all__ = ["SweepCounters"]


class SweepCounters:
    """Cells done, failures, cells per second and batch fill, seen as ``ray_w2s_*`` on the metrics endpoint.

    Ray exports every value a few seconds after it was set.
    """

    def __init__(self) -> None:
        self._done = Counter("w2s_cells_done", description="Cells that have a row.")
        self._failed = Counter("w2s_cells_failed", description="Cells whose row has status failed.")
        self._rate = Gauge("w2s_cells_per_second", description="Cells per second since the launch.")
        self._fill = Gauge("w2s_batch_fill", description="Wanted cells / solved cells of the last task, 0 to 1.")
        self._start = time.monotonic()
        self._cells = 0

    def count(self, cells: int, failed: int, fill: float) -> None:
        """Add one block to the counts."""
        self._cells += cells
        if cells:
            self._done.inc(cells)
        if failed:
            self._failed.inc(failed)
        self._fill.set(fill)
        self.set_rate()

    def set_rate(self) -> None:
        """Set the metric of cells per second to the present rate."""
        self._rate.set(self._cells / max(time.monotonic() - self._start, 1e-9))
