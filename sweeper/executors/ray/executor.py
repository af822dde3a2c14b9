"""Solve blocks as Ray tasks, on a running cluster or on a local one that is started and ended here.

Blocks are packed into tasks of about a second, from measured times; that changes the order of work and nothing else. Workers
write the parts, so a task returns receipts of a few hundred bytes, and only a bounded number of tasks is in flight.
"""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import ray
import ray.exceptions

from sweeper.cpus import usable_cpus
from sweeper.errors import RunError, StoreError, UserError
from sweeper.executors.ray.metrics import RayMetrics
from sweeper.grid.model import Compute
from sweeper.launching.progress import Progress
from sweeper.launching.schedule import Schedule
from sweeper.worker.make import ArtifactReceipt, make_artifact
from sweeper.worker.solve import Job, Receipt, record_failure, solve_blocks
from sweeper.worker.threads import THREAD_VARIABLES
from w2s.contract.block import Block

__all__ = ["RayExecutor"]

TASK_SECONDS = 1.0
"""Wall time aimed at per task: far above Ray's half millisecond per task, short enough for a smooth progress bar."""

_ATTEMPTS = 3


class RayExecutor:
    """Solves blocks as tasks of one CPU (and one GPU with the CuPy backend) each."""

    def __init__(self, settings: Compute, report: Progress, *, gpus: bool = False) -> None:
        self.settings, self.report = settings, report
        self.slots, self.has_gpus = 1, False
        self._takes_gpus = gpus or settings.backend == "cupy"

    def __enter__(self) -> RayExecutor:
        try:
            self._connect()
        except UserError:
            raise
        except Exception as error:
            ray.shutdown()
            where = self.settings.address or "a local cluster"
            raise RunError(
                f"Ray could not reach or start {where}: {type(error).__name__}: {str(error).splitlines()[0]}\n"
                "run without Ray: --executor inline; see what is wrong: w2s-sweep doctor"
            ) from None
        resources = ray.cluster_resources()
        self.has_gpus = self._takes_gpus and resources.get("GPU", 0) > 0
        self.slots = max(1, int(resources.get("GPU" if self.settings.backend == "cupy" else "CPU", 1)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        ray.shutdown()

    def describe(self) -> str:
        """Say where blocks are solved."""
        return f"ray {self.settings.address or 'local'}, {self.slots} slots"

    def run(self, job: Job, schedule: Schedule) -> Generator[Receipt | ArtifactReceipt]:
        """Yield receipts as tasks end. A task whose worker dies is tried again; then its cells become ``failed`` rows."""
        metrics = RayMetrics()
        flying: dict[Any, _Task] = {}
        retry: deque[_Task] = deque()
        pace = _Pace()
        try:
            while schedule.blocks or schedule.calls or flying or retry:
                while len(flying) < 2 * self.slots and (task := _next(schedule, retry, pace, self.slots)) is not None:
                    flying[self._submit(job, schedule, task)] = task
                ready, _ = ray.wait(list(flying), num_returns=1, timeout=1.0)
                for reference in ready:
                    task = flying.pop(reference)
                    if task.call is not None:
                        yield from self._made(reference, job, schedule, task, retry)
                        continue
                    for receipt in self._receipts(reference, job, task, retry):
                        pace.learn(receipt.seconds)
                        metrics.record(receipt, sum(b.wanted for b in task.blocks) / sum(b.size for b in task.blocks))
                        yield receipt
        finally:
            if self.settings.address:
                # A local cluster ends right after this. Never forced: Ray 2.60 may abort this process when a task that is
                # cancelled by force ends at that moment (a failed check in task_manager.cc).
                for reference in flying:
                    ray.cancel(reference)
            metrics.flush()

    def _submit(self, job: Job, schedule: Schedule, task: _Task) -> Any:
        if task.call is not None:
            call = schedule.by_key[task.call]
            gpus, cpus = _room(call.gpus if self.has_gpus else 0, call.cpus)
            remote = ray.remote(make_artifact).options(
                name=f"{call.artifact.name} {task.call[:8]}",
                num_cpus=cpus,
                num_gpus=gpus,
                max_retries=0,
                runtime_env=_worker_environment(gpu=gpus > 0),
            )
            return remote.remote(job, schedule.owner[task.call], task.call)
        batch = task.blocks
        label = f"{job.study} {len(batch)} block{'s' if len(batch) > 1 else ''} of {batch[0].wanted} cells"
        gpu = self.settings.backend == "cupy"
        remote = ray.remote(solve_blocks).options(
            name=label, num_cpus=1, num_gpus=1 if gpu else 0, max_retries=0, runtime_env=_worker_environment(gpu=gpu)
        )
        return remote.remote(job, batch)

    def _receipts(self, reference: Any, job: Job, task: _Task, retry: deque[_Task]) -> list[Receipt]:
        result, problem = _outcome(reference)
        if problem is None:
            return list(result)
        if task.attempt < _ATTEMPTS:
            # One block a task from now on: a block that kills its worker must not take others with it.
            retry.extend(_Task((block,), None, task.attempt + 1) for block in task.blocks)
            return []
        return [record_failure(job, block, f"{problem} ({task.attempt} attempts)") for block in task.blocks]

    def _made(
        self, reference: Any, job: Job, schedule: Schedule, task: _Task, retry: deque[_Task]
    ) -> Generator[Receipt | ArtifactReceipt]:
        """Account for an artifact: free what waited for it, or close what can never be solved without it."""
        assert task.call is not None
        made, problem = _outcome(reference)
        if problem is not None and task.attempt < _ATTEMPTS:
            retry.append(_Task((), task.call, task.attempt + 1))
            return
        if problem is not None:
            call = schedule.by_key[task.call]
            made = ArtifactReceipt(task.call, call.artifact.name, 0.0, f"{call!r}: {problem} ({task.attempt} attempts)")
        yield made
        if made.error is None:
            schedule.succeeded(task.call)
            return
        for block in schedule.failed(task.call, made.error):
            yield record_failure(job, block, made.error)

    def _connect(self) -> None:
        if self.settings.address:
            _knock(self.settings.address)
            ray.init(address=self.settings.address, logging_level="ERROR", log_to_driver=False)
            self.report.note(f"connected to Ray at {self.settings.address}")
            return
        cpus = self.settings.cpus or usable_cpus()
        context = ray.init(
            num_cpus=cpus,
            num_gpus=None if self._takes_gpus else 0,
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            object_store_memory=256 * 2**20,
            logging_level="ERROR",
            log_to_driver=False,
        )
        self.report.note(f"local Ray cluster with {cpus} CPU{'s' if cpus > 1 else ''}; {_dashboard(context)}")


@dataclass(frozen=True)
class _Task:
    """What one Ray task does: some blocks, or one artifact call."""

    blocks: tuple[Block, ...]
    call: str | None
    attempt: int = 1


def _next(schedule: Schedule, retry: deque[_Task], pace: _Pace, slots: int) -> _Task | None:
    """What to submit now: what failed by its worker's death, then blocks (rows come early), then artifacts."""
    if retry:
        return retry.popleft()
    if schedule.blocks:
        return _Task(pace.pack(schedule, slots), None)
    return _Task((), schedule.next_call()) if schedule.calls else None


def _room(gpus: float, cpus: float) -> tuple[float, float]:
    """GPUs and CPUs as wanted, or as many as the node has that comes nearest.

    Ray would wait for ever for a node that is not there; the call itself can say what it lacks.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return max((min(gpus, node.get("GPU", 0.0)), min(cpus, node.get("CPU", 0.0))) for node in nodes)


def _outcome(reference: Any) -> tuple[Any, str | None]:
    """A task's result, or why there is none; an unwritable folder is raised."""
    try:
        return ray.get(reference), None
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, StoreError):
            raise StoreError(str(error.cause)) from None
        return None, f"{type(error.cause).__name__}: {error.cause}"
    except ray.exceptions.OutOfMemoryError as error:
        return None, f"the worker ran out of memory: {str(error).splitlines()[0]}"
    except ray.exceptions.RayError as error:
        return None, f"the worker died: {type(error).__name__}"


def _worker_environment(*, gpu: bool) -> dict[str, Any]:
    """Threads are set before any library is imported; a CPU task sees no GPU, a GPU task sees the one Ray gives it."""
    variables = dict.fromkeys(THREAD_VARIABLES, "1")
    if not gpu:
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return {"env_vars": variables}


def _knock(address: str) -> None:
    """Raise OSError when nothing listens at ``host:port``: Ray itself tries for two minutes and then ends the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _dashboard(context: Any) -> str:
    """Say where the dashboard is, but only if it answers."""
    url = getattr(context, "dashboard_url", None)
    if not url:
        return "its dashboard did not start (w2s-sweep doctor says what is missing)"
    token = os.environ.get("RAY_AUTH_TOKEN", "")
    request = urllib.request.Request(f"http://{url}/api/version", headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            answer.read()
    except (OSError, urllib.error.URLError) as error:
        return f"its dashboard at {url} does not answer ({error})"
    port = url.rpartition(":")[2]
    lines = [f"dashboard http://{url}", f"  from elsewhere: ssh -L {port}:{url} <this machine>"]
    return "\n".join(lines + ([f"  its token: {token}"] if token else []))


class _Pace:
    """How many blocks go into one task: about :data:`TASK_SECONDS` of measured work, and a fair share near the end."""

    def __init__(self) -> None:
        self.blocks, self.seconds = 0, 0.0

    def learn(self, seconds: float) -> None:
        self.blocks += 1
        self.seconds += seconds

    def pack(self, schedule: Schedule, slots: int) -> tuple[Block, ...]:
        """Take whole bundles."""
        mean = self.seconds / self.blocks if self.blocks else TASK_SECONDS
        count = max(1, min(int(TASK_SECONDS / max(mean, 1e-4)), len(schedule.blocks) // (2 * slots)))
        taken = schedule.next_bundle()
        while schedule.blocks and len(taken) < count:
            taken += schedule.next_bundle()
        return taken
