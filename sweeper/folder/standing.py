"""How far a launch is, in a small file of the run folder that lasts as long as the launch: for whoever watches from elsewhere.

    RUN/standing.json      replaced every two seconds, removed at the end; what a killed launch leaves says how far it was

Rows alone say what is done: nothing is decided by this file. A run in a bucket has none.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from w2s.artifacts import Steps
from w2s.files.durable import replaced
from w2s.files.regular import read_regular
from w2s.places.url import Where

__all__ = ["Standing", "TaskStanding", "clear_standing", "read_standing", "time_text", "write_standing"]

_NAME = "standing.json"
_MOST = 1 << 16
_TASKS = 64
_COUNTS = ("cells", "done", "failed", "artifacts", "made")


@dataclass(frozen=True)
class TaskStanding:
    """A task that a worker has, for ``seconds`` by now, and how far it is where it tells."""

    name: str
    seconds: float
    steps: Steps | None = None

    def line(self) -> str:
        """Write it in one line: ``train student mpnet cola naive seed 2: step 40 of 63, 1,100 tokens/s``."""
        if self.steps is None:
            return f"{self.name}: {time_text(self.seconds)}"
        rate = f", {self.steps.rate:,.0f} {self.steps.unit}/s" if self.steps.rate > 0 else ""
        return f"{self.name}: step {self.steps.step:,} of {self.steps.steps:,}{rate}"


_FIRST = "; on a machine's first launch kernels are compiled, some ten seconds"


@dataclass(frozen=True)
class Standing:
    """Cells and artifacts of a launch, cells a second, predicted seconds to the end (None: not known yet), tasks at work."""

    cells: int
    done: int
    failed: int
    artifacts: int
    made: int
    rate: float
    left: float | None
    tasks: tuple[TaskStanding, ...] = field(default=())

    def line(self) -> str:
        """Write it in one line, without the tasks."""
        parts = [f"{self.made:,} of {self.artifacts:,} artifacts"] if self.artifacts else []
        parts += [f"{self.done + self.failed:,} of {self.cells:,} cells"]
        parts += [f"{self.rate:,.0f}/s"] if self.rate >= 0.5 else []
        parts += [f"about {time_text(self.left)} left"] if self.left is not None else []
        parts += [f"{self.failed:,} failed"] if self.failed else []
        waiting = not (self.done or self.failed or self.artifacts)
        return ", ".join(parts) + (_FIRST if waiting else "")


def time_text(seconds: float) -> str:
    """Write a time as a person says it: ``34 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 120:
        return f"{seconds:,.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60:,} h {minutes % 60} min"


def write_standing(run: Where, standing: Standing) -> None:
    """Replace the file of a run. What cannot be written is left out: the rows tell about a full disk."""
    if isinstance(run, Path):
        with contextlib.suppress(OSError):
            replaced(run / _NAME, json.dumps(asdict(standing)).encode())


def clear_standing(run: Where) -> None:
    """Remove the file of a run."""
    if isinstance(run, Path):
        for name in (_NAME, f".{_NAME}"):
            with contextlib.suppress(OSError):
                (run / name).unlink(missing_ok=True)


def read_standing(run: Where) -> Standing | None:
    """Return what a launch has said last; None where there is nothing, or nothing that a launch writes."""
    if not isinstance(run, Path):
        return None
    try:
        found = json.loads(read_regular(run / _NAME, _MOST))
        tasks = tuple(_task(item) for item in found["tasks"][:_TASKS])
        left = None if found["left"] is None else _number(found["left"])
        counts = {name: int(_number(found[name])) for name in _COUNTS}
        return Standing(**counts, rate=_number(found["rate"]), left=left, tasks=tasks)
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None


def _task(item: Mapping[str, Any]) -> TaskStanding:
    told = item["steps"]
    steps = None if told is None else Steps(int(told["step"]), int(told["steps"]), _number(told["rate"]), str(told["unit"]))
    return TaskStanding(str(item["name"]), _number(item["seconds"]), steps)


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{value!r} is no count")
    return number
