"""What benchmarks share: their options, one thread, turns, whether a claim holds, and tables on pages."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from w2s_kernels import Backend, choose

Quartiles = tuple[float, float, float]


def options(description: str | None, quick: str) -> argparse.ArgumentParser:
    """`--quick`, with what it leaves out, and `--json FILE`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    return parser


def save(place: Path | None, numbers: Any) -> None:
    """Write the numbers where `--json` asks for them."""
    if place is not None:
        place.write_text(json.dumps(numbers, indent=1) + "\n")


def write_between(page: Path, mark: str, text: str) -> None:
    """Replace what stands between `<!-- mark -->` and `<!-- end -->` on a page. Raises ValueError where the mark is missing."""
    before, first, rest = page.read_text(encoding="utf-8").partition(f"<!-- {mark} -->\n")
    if not first or "<!-- end -->" not in rest:
        raise ValueError(f"{page} has no place for this table: <!-- {mark} --> ... <!-- end -->")
    page.write_text(before + first + text + rest[rest.index("<!-- end -->") :], encoding="utf-8")


def one_core() -> None:
    """Keep this process on one core: XLA and Eigen start a thread for every core that they may use, whatever they are told."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def one_thread_backend(name: str = "auto") -> Backend:
    """A backend whose compiled code has one thread; BLAS is limited by its caller."""
    backend = choose(name)
    if backend.name == "numba":
        import numba

        numba.set_num_threads(1)
    return backend


def available(peers: Iterable[str]) -> list[str]:
    """Peers that are installed, Torch on one thread."""
    try:
        import torch
    except ImportError:
        print("torch is not installed: numpy is the only peer")
        return [name for name in peers if name != "torch"]
    torch.set_num_threads(1)
    return list(peers)


def seconds_of(call: Callable[[], Any], clock: Callable[[], Any] = time.perf_counter) -> Any:
    """Seconds of one call, of the clock on the wall or of `time.process_time`, which other processes hardly disturb."""
    start = clock()
    call()
    return clock() - start


def interleaved(
    sides: dict[str, Callable[[], Any]], repeats: int, clock: Callable[[], Any] = time.perf_counter
) -> dict[str, np.ndarray]:
    """Seconds of every run of every side, taken in turns; one unmeasured turn first."""
    seconds: dict[str, list[Any]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, call in sides.items():
            spent = seconds_of(call, clock)
            if turn:
                seconds[name].append(spent)
    return {name: np.array(values) for name, values in seconds.items()}


def both_clocks() -> Any:
    """Seconds on the wall and of this process, for `interleaved`, whose arrays then have two columns."""
    return np.array([time.perf_counter(), time.process_time()])


def quartiles(values: Any) -> Quartiles:
    """Lower quartile, median, upper quartile."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


def spread(values: Any, scale: float = 1.0) -> str:
    """Median and quartiles as text."""
    low, middle, high = (scale * value for value in quartiles(values))
    return f"{middle:9.3f} [{low:.3f}, {high:.3f}]"


def show_sides(spent: Mapping[str, Quartiles], notes: Mapping[str, str], scale: float = 1e3, unit: str = "ms") -> None:
    """Print a line for every side: median and quartiles, and what is noted beside them."""
    for name, (low, middle, high) in spent.items():
        print(f"  {name:15s} {scale * middle:9.3f} {unit}  [{scale * low:.3f}, {scale * high:.3f}]   {notes[name]}")


def verdict(claim: str, measured: float, bar: float, *, unit: str = "x", at_least: bool = False) -> dict[str, Any]:
    """Print one line that begins with PASS or MISSED, which `w2s-sweep bench` collects, and return what it says."""
    met = measured >= bar if at_least else measured <= bar
    side = "at least" if at_least else "at most"
    print(f"{'PASS' if met else 'MISSED':6s}  {claim:64s} {measured:12,.3f} {unit:18s} bar: {side} {bar:,g}")
    return {"claim": claim, "measured": measured, "bar": bar, "unit": unit, "met": bool(met)}
