"""Run tasks in local processes, without Ray: one pipe to each worker, and a new worker for each that dies.

Workers are fresh interpreters and not forks: their thread variables are set before any library is imported, the program that
launches needs no ``if __name__ == "__main__"``, and no lock of a thread is copied while it is held. A worker leads a session of
its own, so an interrupt typed at a terminal reaches the launch alone; it ends when its pipe closes, however the launch ends. It
reads nothing from the terminal, and what a study prints goes nowhere; warnings and tracebacks reach the launch's error stream.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from multiprocessing.connection import wait as wait_for_any

from sweeper.cpus import THREAD_VARIABLES, gpu_count, held_memory, oom_kills, usable_cpus
from sweeper.errors import StoreError
from sweeper.executors.base import Executor, Finished, Setup, Task
from sweeper.executors.options import ProcessesOptions

__all__ = ["ProcessesExecutor", "serve"]

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from sweeper.executors.processes import serve; serve(sys.argv[2])"
)
_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0


@dataclass
class _Worker:
    """A process, the end of its pipe, the task it has, and how often the kernel had lacked memory before it was started."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    sees_gpus: bool
    oom_kills: int
    task: Task | None = None


class ProcessesExecutor(Executor):
    """Workers of one CPU each on this machine. Tasks that ask for a GPU share one worker, which alone sees the GPUs."""

    options_model = ProcessesOptions

    def __init__(self, options: ProcessesOptions | None = None, setup: Setup | None = None) -> None:
        super().__init__(options, setup)
        self.slots = self.options.cpus or usable_cpus()
        self.capacity = 2 * self.slots
        self._has_gpus = self.setup.gpus != "none" and gpu_count() > 0
        self._waiting: deque[Task] = deque()
        self._workers: list[_Worker] = []

    def submit(self, task: Task) -> None:
        """Give the task to a free worker, or keep it until one is free."""
        self._waiting.append(task)
        self._hand_out()

    def wait(self) -> list[Finished]:
        """Wait for answers and for workers that died; a dead worker's task is an error, and a new worker replaces it."""
        ended: list[Finished] = []
        while not ended:
            ready = set(wait_for_any([worker.pipe for worker in self._workers], timeout=_LOOK_SECONDS))
            for worker in list(self._workers):
                # A process that the worker left behind may hold the pipe open, so silence is no sign of life.
                if worker.pipe in ready or worker.process.poll() is not None:
                    ended += self._answer(worker)
            self._hand_out()
        return ended

    def close(self) -> None:
        """Stop every worker by closing its pipe, and kill those that still run after a while."""
        for worker in self._workers:
            worker.pipe.close()
        end = time.monotonic() + _PATIENCE_SECONDS
        for worker in self._workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, end - time.monotonic()))
            worker.process.kill()
            worker.process.wait()
        self._workers.clear()

    def describe(self) -> str:
        """Say where tasks run."""
        return f"processes, {self.slots} worker{'s' if self.slots > 1 else ''}"

    def _hand_out(self) -> None:
        """Give waiting tasks to free workers, in order, while there are cores for them."""
        for task in list(self._waiting):
            busy = sum(min(worker.task.cpus, self.slots) for worker in self._workers if worker.task is not None)
            if busy + min(task.cpus, self.slots) > self.slots:
                return
            worker = self._free_worker(sees_gpus=self._has_gpus and task.gpus > 0)
            if worker is None:
                continue
            self._waiting.remove(task)
            worker.task = task
            with contextlib.suppress(OSError):  # a worker that died idle: `wait` finds it so, and the task is tried again
                worker.pipe.send_bytes(pickle.dumps(task))

    def _free_worker(self, *, sees_gpus: bool) -> _Worker | None:
        alike = [worker for worker in self._workers if worker.sees_gpus == sees_gpus]
        free = next((worker for worker in alike if worker.task is None), None)
        if free is None and len(alike) < (1 if sees_gpus else self.slots):
            free = _start_worker(sees_gpus=sees_gpus)
            self._workers.append(free)
        return free

    def _answer(self, worker: _Worker) -> list[Finished]:
        """Receive a worker's answer, and forget the worker if it is dead."""
        task, worker.task = worker.task, None
        try:
            kind, content = worker.pipe.recv() if worker.pipe.poll() else ("died", None)
        except (EOFError, OSError):
            kind, content = "died", None
        if kind == "died":
            worker.process.kill()
            code = worker.process.wait()
            content = f"the worker died: {_ending(code)}"
            if code == -signal.SIGKILL and oom_kills() > worker.oom_kills:
                kind, content = "memory", f"{content} for want of memory; the largest worker held {held_memory(children=True)}"
            worker.pipe.close()
            self._workers.remove(worker)
        if kind == "store":
            raise StoreError(content)
        if task is None:
            return []
        if kind == "done":
            return [Finished(task, content)]
        return [Finished(task, error=content, final=kind == "exit", memory=kind == "memory")]


def _start_worker(*, sees_gpus: bool) -> _Worker:
    ours, theirs = Pipe()
    variables = dict.fromkeys(THREAD_VARIABLES, "1") | ({} if sees_gpus else {"CUDA_VISIBLE_DEVICES": ""})
    process = subprocess.Popen(
        [sys.executable, "-c", _START, json.dumps(sys.path), str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=os.environ | variables,
        pass_fds=[theirs.fileno()],
        start_new_session=True,
    )
    theirs.close()  # the worker has the only other end: its death closes the pipe
    return _Worker(process, ours, sees_gpus, oom_kills())


def _ending(code: int) -> str:
    if code >= 0:
        return f"it ended with code {code}"
    known = {int(number): number.name for number in signal.Signals}
    return f"killed by {known.get(-code, f'signal {-code}')}"


def serve(descriptor: str) -> None:
    """Run in a worker: do the tasks that arrive on a pipe and send back their results, until the pipe closes."""
    pipe = Connection(int(descriptor))
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, tasks), daemon=True).start()
    while True:
        pipe.send(_outcome(tasks.get()))


def _listen(pipe: Connection, tasks: queue.SimpleQueue[bytes]) -> None:
    """Put tasks into the queue as they arrive, without unpickling them: that would import modules.

    When the launch has gone, end the process at once, even within a task.
    """
    with contextlib.suppress(EOFError, OSError):
        while True:
            tasks.put(pipe.recv_bytes())
    os._exit(0)


def _outcome(task: bytes) -> tuple[str, object]:
    try:
        return "done", pickle.loads(task)()
    except StoreError as problem:
        return "store", str(problem)
    except Exception as problem:
        return "raised", f"{type(problem).__name__}: {problem}"
    except BaseException as problem:
        return "exit", f"{type(problem).__name__}: {problem}"
