"""How benchmarks take turns, and how they say whether a claim holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np


def seconds_of(call: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one call, of the clock on the wall or of `time.process_time`, which other processes hardly disturb."""
    start = clock()
    call()
    return clock() - start


def interleaved(
    sides: dict[str, Callable[[], Any]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, np.ndarray]:
    """Seconds of every run of every side, taken in turns; one unmeasured turn first."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, call in sides.items():
            spent = seconds_of(call, clock)
            if turn:
                seconds[name].append(spent)
    return {name: np.array(values) for name, values in seconds.items()}


def quartiles(values: Any) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


def spread(values: Any, scale: float = 1.0) -> str:
    """Median and quartiles as text."""
    low, middle, high = (scale * value for value in quartiles(values))
    return f"{middle:9.3f} [{low:.3f}, {high:.3f}]"


def verdict(claim: str, measured: float, bar: float, *, unit: str = "x", at_least: bool = False) -> dict[str, Any]:
    """Print one line that begins with PASS or MISSED, which `w2s-sweep bench` collects, and return what it says."""
    met = measured >= bar if at_least else measured <= bar
    side = "at least" if at_least else "at most"
    print(f"{'PASS' if met else 'MISSED':6s}  {claim:64s} {measured:12,.3f} {unit:18s} bar: {side} {bar:,g}")
    return {"claim": claim, "measured": measured, "bar": bar, "unit": unit, "met": bool(met)}
