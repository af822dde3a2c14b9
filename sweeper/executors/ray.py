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
from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Any

import ray
import ray.exceptions

from sweeper.cpus import usable_cpus
from sweeper.errors import RunError, StoreError, UserError
from sweeper.grid import Compute
from sweeper.metrics import RayMetrics
from sweeper.progress import Progress
from sweeper.work import THREAD_VARIABLES, Job, Receipt, record_failure, solve_block
from w2s.block import Block

__all__ = ["RayExecutor"]

TASK_SECONDS = 1.0
"""Wall time aimed at per task: far above Ray's half millisecond per task, short enough for a smooth progress bar."""

_ATTEMPTS = 3


def solve_batch(job: Job, blocks: Sequence[Block]) -> list[Receipt]:
    """Solve some blocks in a worker."""
    return [solve_block(job, block) for block in blocks]


class RayExecutor:
    """Solves blocks as tasks of one CPU (and one GPU with the CuPy backend) each."""

    def __init__(self, settings: Compute, report: Progress) -> None:
        self.settings, self.report = settings, report
        self.slots = 1

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
        self.slots = max(1, int(resources.get("GPU" if self._wants_gpu else "CPU", 1)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        ray.shutdown()

    def describe(self) -> str:
        """Say where blocks are solved."""
        return f"ray {self.settings.address or 'local'}, {self.slots} slots"

    def run(self, job: Job, blocks: Sequence[Block]) -> Generator[Receipt]:
        """Yield receipts as tasks end. A task whose worker dies is tried again; then its cells become ``failed`` rows."""
        metrics = RayMetrics()
        waiting = deque(blocks)
        flying: dict[Any, tuple[list[Block], int]] = {}
        retry: deque[tuple[list[Block], int]] = deque()
        pace = _Pace()
        try:
            while waiting or flying or retry:
                while (waiting or retry) and len(flying) < 2 * self.slots:
                    batch, attempt = retry.popleft() if retry else (pace.pack(waiting, self.slots), 1)
                    flying[self._submit(job, batch)] = (batch, attempt)
                ready, _ = ray.wait(list(flying), num_returns=1, timeout=1.0)
                for reference in ready:
                    batch, attempt = flying.pop(reference)
                    for receipt in self._receipts(reference, job, batch, attempt, retry):
                        pace.learn(receipt.seconds)
                        metrics.record(receipt, sum(b.wanted for b in batch) / sum(b.size for b in batch))
                        yield receipt
        finally:
            if self.settings.address:
                # A local cluster ends right after this. Never forced: Ray 2.60 may abort this process when a task that is
                # cancelled by force ends at that moment (a failed check in task_manager.cc).
                for reference in flying:
                    ray.cancel(reference)
            metrics.flush()

    def _submit(self, job: Job, batch: list[Block]) -> Any:
        label = f"{job.study} {len(batch)} block{'s' if len(batch) > 1 else ''} of {batch[0].wanted} cells"
        task = ray.remote(solve_batch).options(
            name=label, num_cpus=1, num_gpus=1 if self._wants_gpu else 0, max_retries=0, runtime_env=self._worker_environment()
        )
        return task.remote(job, batch)

    def _receipts(
        self, reference: Any, job: Job, batch: list[Block], attempt: int, retry: deque[tuple[list[Block], int]]
    ) -> list[Receipt]:
        try:
            return list(ray.get(reference))
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, StoreError):
                raise StoreError(str(error.cause)) from None
            problem = f"{type(error.cause).__name__}: {error.cause}"
        except ray.exceptions.OutOfMemoryError as error:
            problem = f"the worker ran out of memory: {str(error).splitlines()[0]}"
        except ray.exceptions.RayError as error:
            problem = f"the worker died: {type(error).__name__}"
        if attempt < _ATTEMPTS:
            # One block a task from now on: a block that kills its worker must not take others with it.
            retry.extend(([block], attempt + 1) for block in batch)
            return []
        return [record_failure(job, block, f"{problem} ({attempt} attempts)") for block in batch]

    @property
    def _wants_gpu(self) -> bool:
        return self.settings.backend == "cupy"

    def _worker_environment(self) -> dict[str, Any]:
        """Threads are set before any library is imported; a CPU task sees no GPU, a GPU task sees the one Ray gives it."""
        variables = dict.fromkeys(THREAD_VARIABLES, "1")
        if not self._wants_gpu:
            variables["CUDA_VISIBLE_DEVICES"] = ""
        return {"env_vars": variables}

    def _connect(self) -> None:
        if self.settings.address:
            _knock(self.settings.address)
            ray.init(address=self.settings.address, logging_level="ERROR", log_to_driver=False)
            self.report.note(f"connected to Ray at {self.settings.address}")
            return
        cpus = self.settings.cpus or usable_cpus()
        context = ray.init(
            num_cpus=cpus,
            num_gpus=None if self._wants_gpu else 0,
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            object_store_memory=256 * 2**20,
            logging_level="ERROR",
            log_to_driver=False,
        )
        self.report.note(f"local Ray cluster with {cpus} CPU{'s' if cpus > 1 else ''}; {_dashboard(context)}")


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

    def pack(self, waiting: deque[Block], slots: int) -> list[Block]:
        mean = self.seconds / self.blocks if self.blocks else TASK_SECONDS
        count = max(1, min(int(TASK_SECONDS / max(mean, 1e-4)), len(waiting) // (2 * slots)))
        return [waiting.popleft() for _ in range(count)]
