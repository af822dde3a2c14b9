"""The toy study, with somebody at work in its run folder: the file ``take`` in W2S_TOY says what is taken away, and how often.

It happens when two parts are there, in the process that solves a block.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from toy import Toy


class Losing(Toy):
    name = "losing"

    def solve(self, block, backend):
        order = Path(os.environ["W2S_TOY"]) / "take"
        with contextlib.suppress(FileNotFoundError):  # nothing is to be taken, or another process takes it
            what, run, times = order.read_text().split()
            parts = sorted(Path(run).glob("results/part-[!0]*.parquet"))
            if len(parts) >= 2:
                order.unlink() if times == "1" else order.write_text(f"{what} {run} {int(times) - 1}")
                take(what, Path(run), parts)
        return super().solve(block, backend)


def take(what, run, parts):
    if what == "part":
        parts[0].unlink()
    elif what == "end":
        parts[0].write_bytes(parts[0].read_bytes()[:-20])
    elif what == "results":
        (run / "results").rename(run / "elsewhere")
    elif what == "run":
        run.rename(run.with_name("elsewhere"))
    elif what == "grid":
        (run / "grid.yaml").unlink()
        (run / "events.jsonl").unlink()
