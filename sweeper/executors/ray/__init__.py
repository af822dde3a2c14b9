"""Tasks on a Ray cluster. The only room that imports Ray, and only when an executor is made."""

from __future__ import annotations

from sweeper.errors import RunError
from sweeper.executors.base import Executor, Setup
from sweeper.executors.options import RayOptions
from sweeper.executors.ray.environment import has_ray, prepare_ray_environment
from sweeper.executors.ray.surroundings import allow_files, cluster_address

__all__ = ["open_ray"]


def open_ray(options: RayOptions, setup: Setup) -> Executor:
    """Make the executor; ``RAY_ADDRESS`` counts as an address that is not written.

    Raises :class:`sweeper.errors.RunError` where Ray is not installed, or where this process may open too few files for it.
    """
    if not has_ray():
        raise RunError("Ray is not installed; launch with --executor processes or inline, or pip install 'ray[default]'")
    allow_files()
    address = cluster_address(options.address)
    if address and not options.address:
        setup.note(f"RAY_ADDRESS names a cluster: {address} (--address local starts one here)")
    options = options.model_copy(update={"address": address})
    prepare_ray_environment(address)  # before the import: Ray's core reads the environment once
    from sweeper.executors.ray.executor import RayExecutor

    return RayExecutor(options, setup)
