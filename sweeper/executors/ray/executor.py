"""Run tasks on Ray, on a running cluster or on a local one that is started and ended here.

Workers write the parts, so a task returns receipts of a few hundred bytes, and only a bounded number of tasks is in flight.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import ray
import ray.exceptions
import ray.job_config

from sweeper.cpus import THREAD_VARIABLES, usable_cpus
from sweeper.errors import ClusterError, RunError, StoreError, UnseenFolderError, UserError
from sweeper.executors.base import Executor, Finished, Setup, Task
from sweeper.executors.options import RayOptions
from sweeper.executors.ray.address import check_address
from sweeper.executors.ray.code import compare_own_code, lacking_code, own_code, shipped_code
from sweeper.executors.ray.counters import SweepCounters
from sweeper.executors.ray.environment import token_file
from sweeper.executors.ray.surroundings import room_for_sockets, temporary_folder_problem
from sweeper.signals import EndingSignals
from w2s.errors import first_line

__all__ = ["RayExecutor"]

_LOOK_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 3.0


def _run_task(task: Task, code: str | None = None) -> Any:
    """Do a task in a worker whose package has the digest ``code``; None where it is that of the launch anyway.

    Ray cancels the task by SIGINT and ends the worker by SIGTERM: no errors of the study.
    """
    if code is not None:
        compare_own_code(code)
    with EndingSignals((signal.SIGINT, signal.SIGTERM), obey=True):
        try:
            return task()
        except UnseenFolderError as problem:
            return _Refused(ray.get_runtime_context().get_node_id(), str(problem))


@dataclass(frozen=True)
class _Refused:
    """A task that a node has not done, since it does not see the folders of the launch."""

    node: str
    why: str


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
        self._avoided: dict[str, str] = {}
        self._counters: SweepCounters | None = None
        self._looked = 0.0

    def __enter__(self) -> Self:
        try:
            self._connect()
        except UserError:
            raise
        except SystemExit:  # how Ray ends on SIGTERM while it starts
            self._end()
            raise KeyboardInterrupt from None
        except Exception as error:
            self._end()
            where = self.options.address or "a local cluster"
            raise RunError(
                f"Ray could not reach or start {where}: {type(error).__name__}: {first_line(error)}\n"
                "run without Ray: --executor processes or --executor inline; see what is wrong: w2s-sweep doctor"
            ) from None
        self._look_around()
        return self

    def submit(self, task: Task) -> None:
        """Submit the task to the cluster."""
        gpus, cpus = _share(task.gpus if self.has_gpus else 0, task.cpus)
        elsewhere = {"label_selector": {"ray.io/node-id": f"!in({','.join(sorted(self._avoided))})"}} if self._avoided else {}
        remote = ray.remote(_run_task).options(
            name=task.name,
            num_cpus=cpus,
            num_gpus=gpus,
            max_retries=0,
            runtime_env=_worker_environment(gpu=gpus > 0),
            **elsewhere,
        )
        self._flying[remote.remote(task, own_code() if self.options.address else None)] = task

    def wait(self) -> list[Finished]:
        """Wait for the next task that ends. A node that does not see the folders is left out, and its tasks run elsewhere.

        Raises :class:`sweeper.errors.StoreError` where no node is left.
        """
        ended: list[Finished] = []
        while not ended:
            ready, _ = ray.wait(list(self._flying), num_returns=1, timeout=_LOOK_SECONDS)
            for finished in [_outcome(self._flying.pop(reference), reference) for reference in ready]:
                if isinstance(finished.result, _Refused):
                    self._avoid(finished.result)
                    self.submit(finished.task)
                else:
                    ended.append(finished)
            if time.monotonic() - self._looked > _LOOK_AGAIN_SECONDS:
                self._look_around()
        return ended

    def _avoid(self, refused: _Refused) -> None:
        """Leave a node out from now on, and say so once."""
        if refused.node in self._avoided:
            return
        self._avoided[refused.node] = refused.why
        self._look_around()
        self.setup.note(f"node {refused.node[:8]}: {refused.why}; its blocks run on other nodes")

    def close(self) -> None:
        """Leave the cluster: cancel the tasks in flight on a shared cluster, shut down a local one."""
        if self.options.address and ray.is_initialized():
            # A local cluster ends right after this. Never forced: Ray 2.60 may abort this process when a task that is
            # cancelled by force ends at that moment (a failed check in task_manager.cc).
            with contextlib.suppress(ray.exceptions.RayError):  # the cluster may have gone
                for reference in self._flying:
                    ray.cancel(reference)
        self._end()

    def _end(self) -> None:
        ray.shutdown()
        self._folder.close()

    def show(self, counts: Mapping[str, float]) -> None:
        """Pass the numbers on to Ray's metrics endpoint."""
        self._counters = self._counters or SweepCounters(self.setup.run, self.setup.study)
        self._counters.show(counts)

    def describe(self) -> str:
        """Say where tasks run."""
        return f"ray {self.options.address or 'local'}, {self.slots} slots"

    def _look_around(self) -> None:
        """Read the resources of the nodes that are not left out, and set the number of slots and the capacity.

        Nodes may come and go.
        """
        self._looked = time.monotonic()
        nodes = [node for node in ray.nodes() if node["Alive"] and node["NodeID"] not in self._avoided]
        resources = Counter[str]()
        for node in nodes:
            resources.update(node["Resources"])
        if self._avoided and not resources["CPU"]:
            raise StoreError(f"no node of the cluster can do the work: {next(iter(self._avoided.values()))}")
        self.has_gpus = self.setup.gpus != "none" and resources.get("GPU", 0) > 0
        self.slots = max(1, int(resources.get("GPU" if self.setup.gpus == "every" else "CPU", 1)))
        self.capacity = 2 * self.slots

    def _job(self) -> ray.job_config.JobConfig:
        """Name the launch in the list of jobs, by the key under which Ray's dashboard looks for a name."""
        return ray.job_config.JobConfig(metadata={"job_name": f"{self.setup.study} in {self.setup.run}"})

    def _connect(self) -> None:
        if self.options.address:
            check_address(self.options.address)
            code = {"py_modules": shipped_code()} if self.options.ship else None
            ray.init(
                address=self.options.address,
                runtime_env=code,
                job_config=self._job(),
                logging_level="ERROR",
                log_to_driver=False,
            )
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
            job_config=self._job(),
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            object_store_memory=256 * 2**20,
            logging_level="ERROR",
            log_to_driver=False,
        )
        key = self._folder.enter_context(token_file())
        self.setup.note(f"local Ray cluster with {cpus} CPU{'s' if cpus > 1 else ''}; {_dashboard(context, key)}")


def _share(gpus: float, cpus: float) -> tuple[float, float]:
    """Return the GPUs and CPUs to ask for: those wanted, or the most that any node has.

    Ray would wait for ever for a node that does not exist; the task itself can say what it lacks.
    """
    if (gpus, cpus) == (0, 1):
        return gpus, cpus
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return max((min(gpus, node.get("GPU", 0.0)), min(cpus, node.get("CPU", 0.0))) for node in nodes)


def _outcome(task: Task, reference: Any) -> Finished:
    """Return a task's result, or why there is none; raise the error of an unwritable folder, or of a cluster that has gone."""
    try:
        return Finished(task, ray.get(reference))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, StoreError | RunError):
            raise type(error.cause)(str(error.cause)) from None
        if isinstance(error.cause, ray.exceptions.RaySystemError):
            raise lacking_code(first_line(error.cause).removeprefix("System error: ")) from None
        return Finished(task, error=f"{type(error.cause).__name__}: {error.cause}")
    except ray.exceptions.OutOfMemoryError as error:
        return Finished(task, error=f"the worker ran out of memory: {' '.join(str(error).split())[:400]}", memory=True)
    except ray.exceptions.LocalRayletDiedError:
        raise ClusterError(
            "the Ray cluster has gone: its process on this machine (raylet) died; launch again to resume"
        ) from None
    except ray.exceptions.NodeDiedError:
        return Finished(task, error="the node died: NodeDiedError", innocent=True)
    except ray.exceptions.RayError as error:
        return Finished(task, error=f"the worker died: {type(error).__name__}")


def _worker_environment(*, gpu: bool) -> dict[str, Any]:
    """Return environment variables that fix the threads before any library is imported, and hide GPUs from a CPU task."""
    variables = dict.fromkeys(THREAD_VARIABLES, "1")
    if not gpu:
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return {"env_vars": variables}


def _dashboard(context: Any, key: Path | None) -> str:
    """Say where the dashboard is, if it answers, and in which file its token is; the token itself is never shown."""
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
    # Ray's dialog advises `ray get-auth-token`, which prints the token of another cluster.
    asks = f"  its dialog 'Authentication Token Required' takes what this prints: cat {key}"
    return "\n".join(lines + ([asks] if key else []))
