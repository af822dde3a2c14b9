"""Options of the built-in executors, apart from the executors themselves: a grid is checked without importing Ray."""

from __future__ import annotations

from pydantic import Field

from sweeper.executors.base import Options

__all__ = ["ProcessesOptions", "RayOptions"]


class ProcessesOptions(Options):
    """Options of ``processes``."""

    cpus: int | None = Field(None, ge=1, description="number of worker processes; default: the CPUs this process may use")


class RayOptions(Options):
    """Options of ``ray``."""

    address: str | None = Field(
        None, description="address of a running Ray cluster; default: RAY_ADDRESS, else a cluster is started here, as by local"
    )
    cpus: int | None = Field(None, ge=1, description="CPUs of a local cluster; default: those this process may use")
    ship: bool = Field(False, description="send the code of w2s-sweep to the nodes of a running cluster, which may lack it")
