"""How well a launch knows how long it will still take: the time left that it shows, against what came then.

A grid that takes a minute on one core, its cheapest blocks first, is launched `inline`; the account of the launch is asked
after every block. Looked at are the moments between a tenth and nine tenths of the work. Two numbers: predicted over true time
on the clock, which needs a machine with nothing else at work, and predicted over true worker seconds, which a busy machine
disturbs less. Beside them what a count of cells would have said. Bar, after a tenth of the grid: within 30 %.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _timing import options, save, verdict

from sweeper import launch
from sweeper.launching.ledger import Ledger
from sweeper.launching.progress import Progress

BAR = 0.3
SIZES = {150: (100, 200), 300: (200, 400), 700: (400, 800, 1600)}
"""Strong width of a sub-grid, and its labelled counts: small ones first, each some times as expensive as the one before."""


def grid(seeds: int) -> dict[str, Any]:
    """The grid of this measurement, as a launch takes it."""
    students = {"filter": ["ridge", "flow"], "ridge": [0.01, 0.1, 1.0], "time": [1, 10, 100]}
    parts = [{"fixed": {"d_strong": d}, "axes": {"n_labeled": list(counts), **students}} for d, counts in SIZES.items()]
    fixed = {"d_weak": 30, "d_overlap": 10, "n_transfer": 6000, "noise": 0.5}
    return {"study": "dong2025.regression", "fixed": fixed, "seeds": seeds, "grids": parts}


class Watching(Progress):
    """Keeps the account of the launch instead of printing."""

    ledger: Ledger

    @contextlib.contextmanager
    def running(self, ledger: Ledger) -> Iterator[None]:
        self.ledger = ledger
        yield

    def note(self, text: str) -> None: ...

    def tick(self, standing: Any) -> None: ...


def moments(seeds: int) -> list[tuple[float, float, float, int]]:
    """Launch the grid; after every block the time, the predicted time left, worker seconds so far, cells so far."""
    found = []
    account = Ledger._account

    def looked(self: Ledger, *given: Any) -> None:
        account(self, *given)
        found.append((time.monotonic(), self.seconds_left() or np.nan, self.actual, self.done))

    Ledger._account = looked  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as place:
            launch(grid(seeds), out=Path(place) / "run", executor="inline", progress=Watching())
    finally:
        Ledger._account = account  # type: ignore[method-assign]
    return found


def worst(said: np.ndarray, true: np.ndarray) -> float:
    """Largest deviation of a ratio from 1."""
    return float(np.max(np.abs(said / true - 1)))


def main() -> None:
    chosen = options(__doc__, "a tenth of the seeds; decides nothing").parse_args()
    seen = np.array(moments(2 if chosen.quick else 20))
    now, left, spent, cells = seen.T
    share = spent / spent[-1]
    kept = (share >= 0.1) & (share <= 0.9)
    overhead = (now[-1] - now[0]) / (spent[-1] - spent[0])
    by_time = left[kept] / (now[-1] - now[kept])
    by_work = left[kept] / overhead / (spent[-1] - spent[kept])
    by_cells = (spent[kept] * (cells[-1] / cells[kept] - 1)) / (spent[-1] - spent[kept])
    first = int(np.argmax(kept))
    print(f"{len(seen)} blocks, {spent[-1]:.1f} worker seconds, {now[-1] - now[0]:.1f} s on the clock")
    print(
        f"  predicted over true, median and extremes: clock {_three(by_time)}, work {_three(by_work)}, cells {_three(by_cells)}"
    )
    results = {"blocks": len(seen), "worker_seconds": spent[-1], "clock": by_time.tolist(), "work": by_work.tolist()}
    if not chosen.quick:
        at = [abs(by_time[0] - 1), abs(by_work[0] - 1)]
        results["claims"] = [
            verdict(f"time left after {100 * share[first]:.0f} %, off by, on the clock", at[0], BAR, unit=""),
            verdict("the same, worker seconds", at[1], BAR, unit=""),
            verdict("worst from a tenth to nine tenths, worker seconds", worst(by_work, np.ones(1)), BAR, unit=""),
        ]
    save(chosen.json, results)


def _three(values: np.ndarray) -> str:
    return f"{np.median(values):.2f} [{values.min():.2f}, {values.max():.2f}]"


if __name__ == "__main__":
    main()
