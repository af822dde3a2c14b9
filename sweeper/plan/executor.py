"""Which executor a plan gets, and how many CPUs that is: ``auto`` decides by the predicted time."""

from __future__ import annotations

from collections.abc import Callable

from sweeper.errors import GridError
from sweeper.executors.registry import Choice, choose
from sweeper.grid.compute import Compute
from sweeper.plan.cut import Plan
from sweeper.plan.forecast import Forecast, is_predicted, make_forecast
from sweeper.plan.rates import load_rates
from w2s.errors import FieldError

__all__ = ["choose_executor", "cpus_in_use"]


def choose_executor(
    plan: Plan,
    settings: Compute,
    *,
    share: float = 1.0,
    making: Callable[[], float | None] = lambda: 0.0,
    forecast: Forecast | None = None,
) -> Choice:
    """Return the executor for a ``share`` of a plan (0 to 1). Raises :class:`sweeper.errors.GridError` where there is none.

    ``making`` predicts the seconds of the artifacts that are to be made, None where that is not known. The time is not known
    either where the study's account of its work is broken. Cost: a forecast for ``auto`` unless it is given, nothing otherwise.
    """

    def seconds() -> float | None:
        artifacts = making()
        if artifacts is None:
            return None
        if not is_predicted(plan.grid.study):  # its blocks join what the artifacts hold
            return artifacts + load_rates()[0].rows.seconds(plan.cells, plan.block_count)
        try:
            return artifacts + share * (forecast or make_forecast(plan)).seconds
        except GridError:
            return None

    try:
        return choose(settings.executor, settings.options, plan.grid.folder, seconds)
    except FieldError as error:
        raise GridError(f"compute.executor: {error}", plan.grid.file) from None


def cpus_in_use(plan: Plan, choice: Choice) -> int | None:
    """Count the CPUs of this machine that a launch would use; None where they are elsewhere and their number is not known."""
    cpus = choice.kind.cpus(choice.options)
    return None if cpus is None else max(1, min(cpus, plan.block_count))
