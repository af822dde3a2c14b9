"""The numbers of a launch for the Ray dashboard and its Prometheus endpoint."""

from __future__ import annotations

from collections.abc import Mapping

from ray.util.metrics import Gauge

from sweeper.executors.metrics import LABELS, METRICS, PREFIX

__all__ = ["SweepCounters"]


class SweepCounters:
    """The metrics of one launch, seen as ``ray_w2s_*`` on the metrics endpoint, labelled with run and study.

    All are gauges, so that each is there from the start: a counter that was never increased is not exported. Ray exports every
    value a few seconds after it was set.
    """

    def __init__(self, run: str, study: str) -> None:
        tags = dict(zip(LABELS, (run, study), strict=True))
        self._gauges = {name: Gauge(PREFIX + name, description=text, tag_keys=LABELS) for name, text in METRICS.items()}
        for gauge in self._gauges.values():
            gauge.set_default_tags(tags)

    def show(self, counts: Mapping[str, float]) -> None:
        """Set the metrics to the numbers of now."""
        for name, gauge in self._gauges.items():
            gauge.set(counts[name])
