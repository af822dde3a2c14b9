"""The sweep engine: grids, plans, run folders, executors and the command line. It knows no paper."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeper.errors import Exit, GridError, RunError, UserError
    from sweeper.grid import Grid
    from sweeper.plan import Plan, make_plan
    from sweeper.reader import load_grid
    from sweeper.run import Outcome, launch

__all__ = ["Exit", "Grid", "GridError", "Outcome", "Plan", "RunError", "UserError", "launch", "load_grid", "make_plan"]

_HOME = {
    "Exit": "sweeper.errors",
    "Grid": "sweeper.grid",
    "GridError": "sweeper.errors",
    "Outcome": "sweeper.run",
    "Plan": "sweeper.plan",
    "RunError": "sweeper.errors",
    "UserError": "sweeper.errors",
    "launch": "sweeper.run",
    "load_grid": "sweeper.reader",
    "make_plan": "sweeper.plan",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'sweeper' has no attribute {name!r}")
