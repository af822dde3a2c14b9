"""How well a launch knows how long it will still take: the time left that it shows, against what came then.

A grid that takes a minute on one core, its cheapest blocks first, is launched `inline`; the account of the launch is asked
after every block. Looked at are the moments between a tenth and nine tenths of the work. Two numbers: predicted over true time
on the clock, which needs a machine with nothing else at work; and the same for a second account, which is kept in processor
time and which a busy machine disturbs less. Beside them what a count of cells would have said. Bar, after a tenth of the grid:
within 30 %.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _timing import options, save, verdict

from sweeper import launch
from sweeper.launching.ledger import Ledger, Work
from sweeper.launching.progress import Progress

BAR = 0.3
SIZES = {150: (100, 200), 300: (200, 400), 700: (400, 800, 1600)}
"""Strong width of a sub-grid, and its labelled counts: small ones first, each some times as expensive as the one before."""


def grid(seeds: int) -> dict[str, Any]:
    """The grid of this measurement, as a launch takes it."""
    students = {"student_filter": ["ridge", "flow"], "ridge": [0.01, 0.1, 1.0], "time": [1, 10, 100]}
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


def moments(seeds: int) -> np.ndarray:
    """Launch the grid; after every block (2 accounts, time and predicted time left) and the cells so far: (blocks, 5)."""
    found: list[list[float]] = []
    accounts: dict[int, Ledger] = {}
    last = [time.process_time()]
    ended, account = Ledger.ended, Ledger._account

    def watched_ended(self: Ledger, task: Any) -> None:
        ended(self, task)
        if (other := accounts.get(id(self))) is not None:
            other.slots = self.slots
            ended(other, task)

    def watched_account(self: Ledger, work: Any, receipt: Any) -> None:
        account(self, work, receipt)
        if id(self) not in accounts:  # the account in processor time begins with what this one began with
            left = {f"{name} {k}": Work(name, kind.left) for k, (name, kind) in enumerate(self._kinds.items())}
            accounts[id(self)] = Ledger(self.cells, self.found, left, clock=time.process_time)
            last[0] = time.process_time()
        else:
            other, now = accounts[id(self)], time.process_time()
            account(other, work, replace(receipt, seconds=now - last[0]))
            last[0] = now
            lefts = [one.seconds_left() or np.nan for one in (self, other)]
            found.append([time.monotonic(), lefts[0], now, lefts[1], self.done])

    Ledger.ended, Ledger._account = watched_ended, watched_account  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as place:
            launch(grid(seeds), out=Path(place) / "run", executor="inline", progress=Watching())
    finally:
        Ledger.ended, Ledger._account = ended, account  # type: ignore[method-assign]
    return np.array(found)


def main() -> None:
    chosen = options(__doc__, "a tenth of the seeds; decides nothing").parse_args()
    now, left, spent, cpu_left, cells = moments(2 if chosen.quick else 80).T
    share = (spent - spent[0]) / (spent[-1] - spent[0])
    kept = (share >= 0.1) & (share <= 0.9)
    by_clock = left[kept] / (now[-1] - now[kept])
    by_cpu = cpu_left[kept] / (spent[-1] - spent[kept])
    by_cells = (spent[kept] - spent[0]) * (cells[-1] - cells[kept]) / (cells[kept] - cells[0]) / (spent[-1] - spent[kept])
    print(f"{len(now) + 1} blocks, {spent[-1] - spent[0]:.1f} s of the processor, {now[-1] - now[0]:.1f} s on the clock")
    sides = {"clock": by_clock, "processor": by_cpu, "cells": by_cells}
    print("  predicted over true, median and extremes:", ", ".join(f"{name} {_three(r)}" for name, r in sides.items()))
    results: dict[str, Any] = {name: ratios.tolist() for name, ratios in sides.items()}
    if not chosen.quick:
        first = f"time left after {100 * share[kept][0]:.0f} %, off by"
        results["claims"] = [
            verdict(f"{first}, on the clock", abs(by_clock[0] - 1), BAR, unit=""),
            verdict(f"{first}, processor time", abs(by_cpu[0] - 1), BAR, unit=""),
            verdict("worst from a tenth to nine tenths, processor time", float(np.max(np.abs(by_cpu - 1))), BAR, unit=""),
        ]
    save(chosen.json, results)


def _three(values: np.ndarray) -> str:
    return f"{np.median(values):.2f} [{values.min():.2f}, {values.max():.2f}]"


if __name__ == "__main__":
    main()
