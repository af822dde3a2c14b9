"""Launches and workers that are killed at random moments, and launched again until they are done."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
from tally import Tally, rows_of
from workbench import TOY_GRID, Bench

__all__ = ["GRID", "below", "driver_kills", "undisturbed", "worker_kills"]

GRID = TOY_GRID.replace("seeds: 2", "seeds: 6")
_SLEEP = 0.04
_ENDS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SAID = {signal.SIGTERM: 130, signal.SIGINT: 130, signal.SIGHUP: 130}


def undisturbed(bench: Bench) -> pd.DataFrame:
    """Compute the rows of the grid without a fault."""
    bench.steer(sleep=None)
    done = bench.sweep("launch", bench.grid(GRID), "--executor", "inline", "--out", "undisturbed")
    assert done.returncode == 0, done.stderr
    return rows_of(bench.folder / "undisturbed")


def driver_kills(bench: Bench, count: int, seed: int, executors: Iterable[str] = ("inline", "processes")) -> Tally:
    """Kill a launch, or one of the processes it is made of, again and again, until ``count`` kills have landed.

    Two of five kills are SIGKILL, the others ask the launch to end, which it has to do with exit code 130.
    """
    good, tally = undisturbed(bench), Tally("launch killed or ended by a signal")
    names, run, number = list(executors), 0, 0
    while number < count:
        run += 1
        dice, out = random.Random(f"driver {seed} {run}"), bench.folder / "runs" / f"driver-{run}"
        with tally.watching(run):
            kills = 0
            bench.steer(sleep=_SLEEP)
            while kills < 6 and number < count:
                landed = _ended(bench, out, names[run % len(names)], dice, tally, run)
                number, kills = number + landed, kills + landed
                if not landed:
                    break
            bench.steer(sleep=None)
            done = bench.sweep("launch", "grid.yaml", "--executor", "inline", "--out", out)
            if done.returncode:
                tally.wrong.append(f"seed {run}: exit {done.returncode}: {done.stderr[-200:]}")
            tally.judge(out, good, kills, run)
    return tally


def _ended(bench: Bench, out: Path, executor: str, dice: random.Random, tally: Tally, run: int) -> bool:
    """Start a launch and send it a signal at a random moment; return whether it was still at work."""
    before = _written(out)
    process = bench.start("launch", "grid.yaml", "--executor", executor, "--out", out)
    time.sleep(dice.uniform(0.3, 3.0))
    how = dice.choice(_ENDS)
    landed = process.poll() is None
    if landed:
        victims = [process.pid] if how != signal.SIGKILL else [process.pid, *below(process.pid)]
        os.kill(dice.choice(victims), how)
    _text, error = process.communicate(timeout=60)
    if "Traceback" in error:
        tally.wrong.append(f"seed {run}: a traceback after {how.name}:\n{error[-3000:]}")
    asked = landed and how in _SAID and process.returncode not in (0, _SAID[how])
    if asked and (process.returncode != -how or _written(out) != before):  # while Python itself starts, it ends so
        tally.wrong.append(f"seed {run}: exit {process.returncode} after {how.name}")
    if landed and process.returncode == 0 and how == signal.SIGKILL and len(rows_of(out)) != 48:
        tally.wrong.append(f"seed {run}: exit 0 with rows missing after SIGKILL")
    return landed


def _written(run: Path) -> dict[Path, int]:
    """Return every file of a run folder with its size."""
    return {path: path.stat().st_size for path in run.rglob("*") if path.is_file()}


def worker_kills(bench: Bench, count: int, seed: int, executor: str = "processes") -> Tally:
    """Kill workers of a launch that goes on; the launch itself has to end with every row."""
    good, tally = undisturbed(bench), Tally(f"worker killed ({executor})")
    number, run = 0, 0
    while number < count:
        run += 1
        dice, out = random.Random(f"worker {seed} {run}"), bench.folder / "runs" / f"{executor}-{run}"
        bench.steer(sleep=0.1)
        with tally.watching(run):
            process, kills = bench.start("launch", "grid.yaml", "--executor", executor, "--cpus", 2, "--out", out), 0
            while kills < 2 and number < count and process.poll() is None:
                time.sleep(dice.uniform(0.3, 0.9))
                if workers := list(_workers(process.pid)):
                    os.kill(dice.choice(workers), signal.SIGKILL)
                    kills, number = kills + 1, number + 1
            bench.steer(sleep=0.02)
            _out, error = process.communicate(timeout=120)
            if process.returncode or "Traceback" in error:
                tally.wrong.append(f"seed {run}: exit {process.returncode}: {error[-200:]}")
            tally.judge(out, good, kills, run)
    return tally


def _workers(pid: int) -> Iterator[int]:
    """Yield the processes below a launch that solve blocks."""
    for process in below(pid):
        line = _command(process)
        if "sweeper.executors.processes" in line or (line.startswith("ray::") and "Agent" not in line):
            yield process


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def below(pid: int) -> list[int]:
    """List the processes below one, in no order."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, open_ = [], [pid]
    while open_:
        known = children.get(open_.pop(), [])
        found += known
        open_ += known
    return found
