"""Processes that work as one: started together, watched, and ended together when one of them fails or is killed.

Each is given its rank as last argument and a pipe as standard input, which ends when this process does, in whatever way; a rank
that watches it (:func:`end_with_parent`) never outlives the call it belongs to.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["OUT_OF_MEMORY", "RankError", "end_with_parent", "run_ranks"]

OUT_OF_MEMORY = 77
"""Exit code of a rank whose device had no room for a batch."""

_GRACE = 2.0
"""Seconds in which the others may say themselves why they failed, and then to end when asked to."""


class RankError(RuntimeError):
    """A rank that failed or was killed; ``out_of_memory`` when that was the reason."""

    def __init__(self, message: str, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory


def run_ranks(
    command: Sequence[str],
    count: int,
    folder: Path,
    note: Callable[[str], None] = lambda _text: None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run ``command RANK`` for ranks 0..count-1 until all have ended well.

    What rank 0 prints goes to ``note`` line by line, the standard error of every rank to ``folder``/rank-<rank>.log. Raises
    :class:`RankError` with the last line of each that failed, when one fails or is killed; by then none is left running.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    variables = {**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", **(environment or {})}
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(count):
            with (folder / f"rank-{rank}.out").open("wb") as out, (folder / f"rank-{rank}.log").open("wb") as log:
                arguments = [*command, str(rank)]
                processes.append(subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=out, stderr=log, env=variables))
        note(f"{count} processes: {', '.join(str(process.pid) for process in processes)}")
        _watch(processes, folder, note)
    finally:
        _end(processes)


def end_with_parent() -> None:
    """End this process as soon as its parent process has ended."""

    def wait() -> None:
        while os.read(0, 1024):  # not sys.stdin, whose lock an ending interpreter wants
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _watch(processes: Sequence[subprocess.Popen[bytes]], folder: Path, note: Callable[[str], None]) -> None:
    with (folder / "rank-0.out").open(encoding="utf-8") as said:
        rest = ""
        while True:
            codes = [process.poll() for process in processes]
            *lines, rest = (rest + said.read()).split("\n")
            for line in lines:
                note(line)
            if any(codes):
                _wait(processes, _GRACE)
                raise _reason([process.poll() for process in processes], folder)
            if None not in codes:
                return
            time.sleep(0.05)


def _reason(codes: Sequence[int | None], folder: Path) -> RankError:
    """Make the error that says what went wrong, from the exit codes and the logs of all ranks that failed."""
    failed = sorted((code, rank) for rank, code in enumerate(codes) if code)
    told = [f"rank {rank} of {len(codes)}: {_words(code, folder / f'rank-{rank}.log')}" for code, rank in failed]
    return RankError("; ".join(told), out_of_memory=any(code == OUT_OF_MEMORY for code, _ in failed))


def _words(code: int, log: Path) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit code {code}"


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Terminate the processes that still run, and kill those that have not ended after a while."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    _wait(processes, _GRACE)
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _wait(processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(process.poll() is None for process in processes):
        time.sleep(0.02)
