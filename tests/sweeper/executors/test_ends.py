"""What a study may do to its process, under every executor: failed rows that say why, exit 3, and the other cells as ever."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pyarrow.parquet as pq
import pytest
from kin import alive, descendants, program
from workbench import events, part_files, table, wait_until

from sweeper.errors import GridError
from sweeper.executors import processes as module
from sweeper.launching.launch import launch

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]
RAY = pytest.param("ray", marks=pytest.mark.ray)
WELL = ("none", "chdir", "thread", "large")
FAULTS = {
    "os_exit": r"the worker died: (it ended with code 0|WorkerCrashedError) \(3 attempts\)",
    "segfault": r"the worker died: (killed by SIGSEGV|WorkerCrashedError) \(3 attempts\)",
    "interrupt": r"KeyboardInterrupt \(ends\.py:\d+\)",
    "base": r"ends\.Odd: neither an Exception \(ends\.py:\d+\)",
    "surrogates": r"ValueError: bad \\udcff name \x1b\[31m \(ends\.py:\d+\)",
    "exit": r"SystemExit: 0 \(ends\.py:\d+\)",
    "hopeless": r"numpy\S*MemoryError: .*\(ends\.py:\d+\); the process held [\d.]+ GiB at most",
    "hang": r"the block took longer than the time limit of 3 s \(it was in ends\.py:\d+\)",
}
SEEDS = 4


def faulty(faults):
    return f"study: ends.py:Ends\naxes:\n  fault: [{', '.join(faults)}]\nseeds: {SEEDS}\ncompute: {{on_error: continue, cpus: 2}}\n"


@pytest.mark.parametrize("executor", ["inline", "processes", RAY])
def test_every_fault_becomes_failed_rows_and_takes_nothing_with_it(bench, executor):
    """Injected: each fault in the four cells of one value. Lost, doubled and altered cells: none."""
    inline = executor == "inline"
    faults = [fault for fault in FAULTS if not (inline and fault == "hang")]
    grid = bench.grid(faulty([*WELL, *faults]))
    limit = [] if inline else ["--time-limit", "3"]
    done = bench.sweep("launch", grid, "--executor", executor, *limit, timeout=150)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b[31m" not in done.stdout + done.stderr
    run = bench.folder / "runs" / "grid"
    rows = table(run).to_pylist()
    assert Counter(row["fault"] for row in rows) == dict.fromkeys([*WELL, *faults], SEEDS)
    assert len({row["cell_id"] for row in rows}) == len(rows)
    for row in rows:
        if row["fault"] in WELL:
            expected = (2.0 + row["seed"], 1.0 + row["seed"], 0.3 + row["seed"])
            assert (row["status"], row["message"]) == ("ok", None)
            assert (row["weak_error"], row["student_error"], row["misfit"]) == expected
        else:
            assert (row["status"], row["weak_error"]) == ("failed", None)
            assert re.fullmatch(FAULTS[row["fault"]], row["message"]), row
    assert events(run, "end")[-1] | {"time": 0, "computed": 0} == {
        "time": 0,
        "event": "end",
        "exit": 3,
        "computed": 0,
        "failed": SEEDS * len(faults),
        "pending": 0,
    }
    assert re.search(r"first failure, cell \w{32}: .*fault=\w+", done.stderr), done.stderr
    assert not [name for name in (path.name for path in run.iterdir()) if name.startswith((".late", ".token", ".tmp"))]

    found = bench.sweep("status", run, "--failed", "--trust-code")
    assert all(
        re.search(f"^[48] failed: {FAULTS[fault]}$".replace(r"\x1b", r"\\x1b"), found.stdout, re.MULTILINE) for fault in faults
    )
    assert len(re.findall(r"^  cell \w{32}: .*fault=\w+", found.stdout, re.MULTILINE)) == SEEDS * len(faults)


def test_a_block_that_was_halved_is_found_by_the_next_launch(bench):
    grid = bench.grid(faulty(["large", "none"]))
    first = launch(grid, executor="processes")
    assert (first.exit, first.computed, first.failed) == (0, 2 * SEEDS, 0)
    assert len(part_files(first.run)) == 3, "one block, and two halves of the other"
    again = launch(grid, executor="processes")
    assert (again.exit, again.found, again.computed) == (0, 2 * SEEDS, 0)


def test_a_worker_that_the_kernel_kills_for_want_of_memory_gets_half_of_the_block(bench, monkeypatch):
    """A real SIGKILL; what the kernel would have counted is made up."""
    kills = iter(range(100))
    monkeypatch.setattr(module, "oom_kills", lambda: next(kills))
    study = bench.folder / "ends.py"
    text = study.read_text()
    study.write_text(
        text.replace(
            "misbehave(fault, len",
            "len(block.values('seed')) > 1 and os.kill(os.getpid(), 9)\n            misbehave(fault, len",
        )
    )
    outcome = launch(bench.grid(faulty(["none"])), executor="processes")
    assert (outcome.exit, outcome.computed, outcome.failed) == (0, SEEDS, 0)
    assert len(part_files(outcome.run)) == SEEDS
    study.write_text(text.replace("misbehave(fault, len", "os.kill(os.getpid(), 9)\n            misbehave(fault, len"))
    outcome = launch(
        bench.grid(faulty(["none"]).replace("seeds: 4", "seeds: 1")), executor="processes", out=bench.folder / "other"
    )
    assert (outcome.exit, outcome.failed) == (3, 1)
    assert re.search(
        r"SIGKILL for want of memory; the largest worker held [\d.]+ GiB at most \(3 attempts\)", outcome.first_error
    )


def test_inline_refuses_a_time_limit_and_auto_takes_workers_for_it(bench):
    grid = bench.grid(faulty(["none"]))
    with pytest.raises(GridError, match="inline has no worker that could be ended"):
        launch(grid, executor="inline", time_limit=3)
    done = bench.sweep("launch", grid, "--time-limit", "30")
    assert done.returncode == 0, done.stderr
    assert events(bench.folder / "runs" / "grid", "launch")[-1]["executor"] == "processes, 2 workers"
    with pytest.raises(GridError, match=r"compute\.time_limit: 0.0 is not allowed"):
        launch(bench.grid(faulty(["none"]).replace("cpus: 2", "time_limit: 0")), executor="inline")


SLOW = "study: ends.py:Ends\nfixed: {seconds: 0.3}\naxes: {fault: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t]}\nseeds: 2\n"


def running(bench, executor):
    """A launch that has written two parts, and its run folder."""
    process = bench.start("launch", bench.grid(SLOW), "--executor", executor, "--cpus", "2")
    run = bench.folder / "runs" / "grid"
    wait_until(lambda: len(part_files(run)) >= 2 or process.poll() is not None, 90)
    return process, run


@pytest.mark.parametrize(
    ("executor", "signals"),
    [
        ("inline", [signal.SIGHUP]),
        pytest.param("inline", [signal.SIGTERM] * 2, marks=pytest.mark.slow),
        pytest.param("processes", [signal.SIGHUP], marks=pytest.mark.slow),
        ("processes", [signal.SIGTERM] * 2),
        pytest.param("ray", [signal.SIGHUP], marks=[pytest.mark.ray, pytest.mark.slow]),
        pytest.param("ray", [signal.SIGTERM] * 3, marks=pytest.mark.ray),
    ],
)
def test_signals_end_every_executor_alike(bench, executor, signals):
    """The second and third signal arrive while the first is being obeyed."""
    process, run = running(bench, executor)
    below = descendants(process.pid)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.2)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted; launch again to resume" in out, err
    assert "Traceback" not in err
    (end,) = events(run, "end")
    assert (end["exit"], end["failed"]) == (130, 0)
    assert end["pending"] > 0
    wait_until(lambda: not any(alive(pid) for pid in below), 20)
    assert set(pq.read_table(run / "results")["status"].to_pylist()) == {"ok"}, "no worker took its end for an error"
    assert launch(bench.folder / "grid.yaml", executor="inline").exit == 0
    rows = pq.read_table(run / "results").to_pylist()
    assert len(rows) == len({row["cell_id"] for row in rows}) == 40


TERMINAL = """
import os, pty, select, sys
from pathlib import Path
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.executable, [sys.executable, "-m", "sweeper", "launch", "grid.yaml", "--executor", "inline"])
while len(list(Path("runs/grid/results").glob("part-*"))) < 3:
    if select.select([terminal], [], [], 0.05)[0]:
        os.read(terminal, 10_000)
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_terminal_that_goes_is_an_interrupt(bench):
    """The progress bar can no longer be drawn, nor can anything be printed."""
    bench.grid(SLOW)
    command = [sys.executable, "-c", TERMINAL]
    done = subprocess.run(command, cwd=bench.folder, env=bench.environment, timeout=90, capture_output=True, check=False)
    assert done.returncode == 130, done.stderr
    (end,) = events(bench.folder / "runs" / "grid", "end")
    assert (end["exit"], end["failed"]) == (130, 0)


@pytest.mark.ray
@pytest.mark.slow
def test_a_raylet_that_dies_fails_no_cell(bench):
    process, run = running(bench, "ray")
    raylets = [pid for pid in descendants(process.pid) if program(pid).endswith("/raylet")]
    assert len(raylets) == 1
    os.kill(raylets[0], signal.SIGKILL)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 1, err
    assert "error: the Ray cluster has gone" in err
    assert "Traceback" not in err
    (end,) = events(run, "end")
    assert (end["exit"], end["failed"]) == (1, 0)
    assert end["pending"] > 0
    outcome = launch(bench.folder / "grid.yaml", executor="inline")
    assert (outcome.exit, outcome.found + outcome.computed) == (0, 40)
    assert outcome.found == 40 - end["pending"]


LOST = """
import os, signal, sys
from sweeper import launch
import sweeper.launching.launch as module

class Dying:
    def __del__(self):
        if {error}:
            return
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass

def ledger(*given, made=module.make_ledger):
    Dying()
    if {error}:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(1000):
                pass
        except KeyboardInterrupt:
            raise ValueError("what compiled code makes of an interrupt") from None
    return made(*given)

module.make_ledger = ledger
print(int(launch(sys.argv[1], executor=sys.argv[2]).exit))
"""


@pytest.mark.parametrize("executor", ["inline", "processes"])
@pytest.mark.parametrize("error", [False, True])
def test_an_interrupt_that_something_swallows_or_changes_still_ends_the_launch(bench, executor, error):
    command = [sys.executable, "-c", LOST.format(error=error), str(bench.grid()), executor]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=bench.environment, cwd=bench.folder
    )
    assert done.stdout == "130\n", done.stderr
    assert "Traceback" not in done.stderr
    assert [event["exit"] for event in events(bench.folder / "runs" / "grid", "end")] == [130]
    again = bench.sweep("launch", "grid.yaml", "--executor", "inline")
    assert again.returncode == 0, again.stderr
