"""How far an unfinished call is: a small file in its scratch folder, which whoever watches may read at any time.

    STORE/scratch/<key>/steps.json     {"step": 40, "steps": 63, "rate": 1100.0, "unit": "tokens"}

The file decides nothing, and neither writer nor reader ends for it.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

from w2s.files.durable import replaced
from w2s.files.regular import read_regular

__all__ = ["StepTeller", "Steps", "read_steps"]

_NAME = "steps.json"
_MOST = 1 << 10
_SECONDS = 1.0


@dataclass(frozen=True)
class Steps:
    """``step`` of ``steps`` are done, at ``rate`` of ``unit`` a second; a rate of 0 is not known."""

    step: int
    steps: int
    rate: float
    unit: str

    @property
    def share(self) -> float:
        """The share that is done, 0 to 1."""
        return self.step / self.steps


class StepTeller:
    """Writes :class:`Steps` into a scratch folder, at most once a second, so that telling costs a step nothing.

    ``scratch`` None writes nothing; ``done`` units were done by an earlier attempt and count for no rate.
    """

    def __init__(self, scratch: Path | None, unit: str, done: float = 0.0) -> None:
        self.scratch, self.unit = scratch, unit
        self._before, self._start = done, time.monotonic()
        self._last = -math.inf

    def tell(self, step: int, steps: int, done: float) -> None:
        """Say that ``step`` of ``steps`` and ``done`` units are done."""
        now = time.monotonic()
        if self.scratch is None or now - self._last < _SECONDS:
            return
        self._last = now
        rate = (done - self._before) / max(now - self._start, 1e-9)
        content = {"step": step, "steps": steps, "rate": round(rate, 1), "unit": self.unit}
        with contextlib.suppress(OSError):  # a full disk is found out by what has to be written
            self.scratch.mkdir(parents=True, exist_ok=True)
            replaced(self.scratch / _NAME, json.dumps(content).encode())


def read_steps(scratch: Path) -> Steps | None:
    """Return what a call has told last; None where there is nothing, or nothing that a :class:`StepTeller` writes."""
    try:
        found = json.loads(read_regular(scratch / _NAME, _MOST))
        steps = Steps(int(found["step"]), int(found["steps"]), float(found["rate"]), str(found["unit"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    return steps if 0 <= steps.step <= steps.steps > 0 and math.isfinite(steps.rate) else None
