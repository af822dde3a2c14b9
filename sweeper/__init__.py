"""The sweep engine: grids, plans, run folders, executors and the command line. It knows no paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.fronts import on_demand

if TYPE_CHECKING:
    from sweeper.errors import Exit, GridError, RunError, UserError
    from sweeper.grid.model import Grid
    from sweeper.grid.read import load_grid
    from sweeper.launching.launch import Outcome, launch
    from sweeper.plan.cut import Plan, make_plan

__all__ = ["Exit", "Grid", "GridError", "Outcome", "Plan", "RunError", "UserError", "launch", "load_grid", "make_plan"]

_HOME = {
    "Exit": "sweeper.errors",
    "Grid": "sweeper.grid.model",
    "GridError": "sweeper.errors",
    "Outcome": "sweeper.launching.launch",
    "Plan": "sweeper.plan.cut",
    "RunError": "sweeper.errors",
    "UserError": "sweeper.errors",
    "launch": "sweeper.launching.launch",
    "load_grid": "sweeper.grid.read",
    "make_plan": "sweeper.plan.cut",
}


__getattr__ = on_demand(__name__, _HOME)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
