"""Tasks on a Ray cluster. The only room that imports Ray, and only when an executor is made."""

from __future__ import annotations

from sweeper.errors import RunError
from sweeper.executors.base import Executor, Setup
from sweeper.executors.options import RayOptions
from sweeper.executors.ray.environment import has_ray, prepare_ray_environment

__all__ = ["open_ray"]


def open_ray(options: RayOptions, setup: Setup) -> Executor:
    """Make the executor. Raises :class:`sweeper.errors.RunError` where Ray is not installed."""
    if not has_ray():
        raise RunError("Ray is not installed; launch with --executor processes or inline, or pip install 'ray[default]'")
    prepare_ray_environment(options.address)  # before the import: Ray's core reads the environment once
    from sweeper.executors.ray.executor import RayExecutor

    return RayExecutor(options, setup)
