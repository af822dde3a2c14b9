"""Sweep metrics for the Ray dashboard and its Prometheus endpoint."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ray.util.metrics import Counter, Gauge

if TYPE_CHECKING:
    from sweeper.worker.solve import Receipt

__all__ = ["RayMetrics"]


class RayMetrics:
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

    def record(self, receipt: Receipt, fill: float) -> None:
        """Account for one block."""
        failed = int(receipt.statuses.get("failed", 0))
        self._cells += receipt.rows
        if receipt.rows:
            self._done.inc(receipt.rows)
        if failed:
            self._failed.inc(failed)
        self._fill.set(fill)
        self.flush()

    def flush(self) -> None:
        """Set the rate."""
        self._rate.set(self._cells / max(time.monotonic() - self._start, 1e-9))
