"""Run tasks on Ray, on a running cluster or on a local one that is started and ended here.

Workers write the parts, so a task returns receipts of a few hundred bytes, and only a bounded number of tasks is in flight.
"""

from __future__ import annotations

import contextlib
import os
import time
import urllib.error
import urllib.request
from typing import Any, Self

import ray
import ray.exceptions

from sweeper.cpus import THREAD_VARIABLES, usable_cpus
from sweeper.errors import RunError, StoreError, UserError
from sweeper.executors.base import Executor, Finished, Setup, Task
from sweeper.executors.options import RayOptions
from sweeper.executors.ray.address import check_address
from sweeper.executors.ray.code import compare_own_code, lacking_code, own_code, shipped_code
from sweeper.executors.ray.counters import SweepCounters
from sweeper.executors.ray.surroundings import room_for_sockets, temporary_folder_problem

__all__ = ["RayExecutor"]

_LOOK_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 3.0


def _run_task(task: Task, code: str | None = None) -> Any:
    """Do a task in a worker whose package has this digest; None where it is that of the launch anyway."""
    if code is not None:
        compare_own_code(code)
    return task()


class RayExecutor(Executor):
    """Ray tasks of as many CPUs and GPUs as each asks for.

    A task holds about a second of work: far above Ray's half millisecond per task, short enough for a smooth progress bar.
    """

    options_model = RayOptions
    task_seconds = 1.0

    def __init__(self, options: RayOptions | None = None, setup: Setup | None = None) -> None:
        super().__init__(options, setup)
        self.slots, self.has_gpus = 1, False
        self._folder = contextlib.ExitStack()
        self._flying: dict[Any, Task] = {}
        self._counters: SweepCounters | None = None
        self._looked = 0.0

    def __enter__(self) -> Self:
        try:
            self._connect()
        except UserError:
            raise
        except Exception as error:
            self._end()
            where = self.options.address or "a local cluster"
            raise RunError(
                f"Ray could not reach or start {where}: {type(error).__name__}: {str(error).splitlines()[0]}\n"
                "run without Ray: --executor processes or --executor inline; see what is wrong: w2s-sweep doctor"
            ) from None
        self._look_around()
        return self

    def submit(self, task: Task) -> None:
        """Submit the task to the cluster."""
        self._counters = self._counters or SweepCounters()
        gpus, cpus = _share(task.gpus if self.has_gpus else 0, task.cpus)
        remote = ray.remote(_run_task).options(
            name=task.name, num_cpus=cpus, num_gpus=gpus, max_retries=0, runtime_env=_worker_environment(gpu=gpus > 0)
        )
        self._flying[remote.remote(task, own_code() if self.options.address else None)] = task

    def wait(self) -> list[Finished]:
        """Wait for the next task that ends."""
        ready: list[Any] = []
        while not ready:
            ready, _ = ray.wait(list(self._flying), num_returns=1, timeout=_LOOK_SECONDS)
            if time.monotonic() - self._looked > _LOOK_AGAIN_SECONDS:
                self._look_around()
        return [_outcome(self._flying.pop(reference), reference) for reference in ready]

    def close(self) -> None:
        """Leave the cluster: cancel the tasks in flight on a shared cluster, shut down a local one."""
        if self._counters is not None:
            self._counters.set_rate()
        if self.options.address and ray.is_initialized():
            # A local cluster ends right after this. Never forced: Ray 2.60 may abort this process when a task that is
            # cancelled by force ends at that moment (a failed check in task_manager.cc).
            for reference in self._flying:
                ray.cancel(reference)
        self._end()

    def _end(self) -> None:
        ray.shutdown()
        self._folder.close()

    def count(self, cells: int, failed: int, fill: float) -> None:
        """Pass the counts on to Ray's metrics endpoint."""
        if self._counters is not None:
            self._counters.count(cells, failed, fill)

    def describe(self) -> str:
        """Say where tasks run."""
        return f"ray {self.options.address or 'local'}, {self.slots} slots"

    def _look_around(self) -> None:
        """Read the resources of the cluster, and set the number of slots and the capacity. Nodes may come and go."""
        self._looked = time.monotonic()
        resources = ray.cluster_resources()
        self.has_gpus = self.setup.gpus != "none" and resources.get("GPU", 0) > 0
        self.slots = max(1, int(resources.get("GPU" if self.setup.gpus == "every" else "CPU", 1)))
        self.capacity = 2 * self.slots

    def _connect(self) -> None:
        if self.options.address:
            check_address(self.options.address)
            code = {"py_modules": shipped_code()} if self.options.ship else None
            ray.init(address=self.options.address, runtime_env=code, logging_level="ERROR", log_to_driver=False)
            self.setup.note(f"connected to Ray at {self.options.address}")
            return
        cpus = self.options.cpus or usable_cpus()
        problem = temporary_folder_problem()
        folder = self._folder.enter_context(room_for_sockets())
        if folder is not None:
            self.setup.note(f"{problem}: they are in {folder}")
        context = ray.init(
            address="local",
            _temp_dir=folder,
            num_cpus=cpus,
            num_gpus=None if self.setup.gpus != "none" else 0,
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            object_store_memory=256 * 2**20,
            logging_level="ERROR",
            log_to_driver=False,
        )
        self.setup.note(f"local Ray cluster with {cpus} CPU{'s' if cpus > 1 else ''}; {_dashboard(context)}")


def _share(gpus: float, cpus: float) -> tuple[float, float]:
    """Return the GPUs and CPUs to ask for: those wanted, or the most that any node has.

    Ray would wait for ever for a node that does not exist; the task itself can say what it lacks.
    """
    if (gpus, cpus) == (0, 1):
        return gpus, cpus
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return max((min(gpus, node.get("GPU", 0.0)), min(cpus, node.get("CPU", 0.0))) for node in nodes)


def _outcome(task: Task, reference: Any) -> Finished:
    """Return a task's result, or why there is none; raise the error of an unwritable folder."""
    try:
        return Finished(task, ray.get(reference))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, StoreError | RunError):
            raise type(error.cause)(str(error.cause)) from None
        if isinstance(error.cause, ray.exceptions.RaySystemError):
            raise lacking_code(str(error.cause).splitlines()[0].removeprefix("System error: ")) from None
        return Finished(task, error=f"{type(error.cause).__name__}: {error.cause}")
    except ray.exceptions.OutOfMemoryError as error:
        return Finished(task, error=f"the worker ran out of memory: {str(error).splitlines()[0]}")
    except ray.exceptions.RayError as error:
        return Finished(task, error=f"the worker died: {type(error).__name__}")


def _worker_environment(*, gpu: bool) -> dict[str, Any]:
    """Return environment variables that fix the threads before any library is imported, and hide GPUs from a CPU task."""
    variables = dict.fromkeys(THREAD_VARIABLES, "1")
    if not gpu:
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return {"env_vars": variables}


def _dashboard(context: Any) -> str:
    """Say where the dashboard is, if it answers."""
    url = getattr(context, "dashboard_url", None)
    if not url:
        return "its dashboard did not start (w2s-sweep doctor says what is missing)"
    token = os.environ.get("RAY_AUTH_TOKEN", "")
    request = urllib.request.Request(f"http://{url}/api/version", headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        # Loopback is asked directly, whatever proxy the environment names.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            answer.read()
    except (OSError, urllib.error.URLError) as error:
        return f"its dashboard at {url} does not answer ({error})"
    port = url.rpartition(":")[2]
    lines = [f"dashboard http://{url}", f"  from elsewhere: ssh -L {port}:{url} <this machine>"]
    return "\n".join(lines + ([f"  its token: {token}"] if token else []))
