"""Local processes: the same bits as inline, workers that die, interrupts that leave nothing behind, and no Ray."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kin import alive, descendants
from test_ray_launch import DONG, PROBE
from workbench import TOY_GRID, events, part_files, table, wait_until

from sweeper import launch

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]
GRID = TOY_GRID.replace("[1, 2, 3, 4]", "[1, 66, 3, 4]")


def processes(grid, **options):
    return launch(grid, executor="processes", cpus=2, backend="numpy", **options)


def test_the_same_bits_as_inline_with_one_thread_each(bench):
    study = bench.folder / "toy.py"
    spy = '        Path(os.environ["W2S_TOY"], f"env-{os.getpid()}").write_text(os.environ.get("OMP_NUM_THREADS", "none"))\n'
    study.write_text(study.read_text().replace("        misbehave(block)\n", spy + "        misbehave(block)\n"))
    for name, text in (("toy", TOY_GRID), ("probe", PROBE), ("dong", DONG)):
        grid = bench.grid(text, f"{name}.yaml")
        ours = processes(grid, out=bench.folder / "ours" / name)
        alone = launch(grid, executor="inline", backend="numpy", out=bench.folder / "inline" / name)
        assert (ours.exit, ours.computed) == (0, alone.computed), name
        assert table(ours.run).equals(table(alone.run)), name
        assert part_files(ours.run) == part_files(alone.run)
        assert events(ours.run, "launch")[-1]["executor"] == "processes, 2 workers"
        assert os.getpid() not in {event["pid"] for event in events(ours.run, "block")}
    seen = {path.name: path.read_text() for path in bench.control.glob("env-*") if path.name != f"env-{os.getpid()}"}
    assert seen
    assert set(seen.values()) == {"1"}


def test_a_worker_that_is_killed_once_and_one_that_always_is(bench):
    grid = bench.grid(GRID)
    whole = table(launch(grid, executor="inline", backend="numpy", out=bench.folder / "inline").run)
    bench.steer(die_once=1)
    once = processes(grid, out=bench.folder / "once")
    assert not (bench.control / "die_once").exists(), "the kill landed"
    assert (once.exit, once.computed) == (0, 16)
    assert table(once.run).equals(whole)

    bench.steer(die_always=1)
    always = processes(grid, out=bench.folder / "always")
    assert (always.exit, always.failed, always.computed) == (3, 4, 12)
    failed = [event for event in events(always.run, "block") if "error" in event]
    assert {event["error"] for event in failed} == {"the worker died: killed by SIGKILL (3 attempts)"}
    assert sum(event["rows"] for event in failed) == 4, "no other cell failed with it"
    bench.steer(die_always=None)
    mended = processes(grid, out=bench.folder / "always")
    assert (mended.exit, mended.found, mended.computed) == (0, 12, 4)
    assert table(mended.run).equals(whole)


def test_a_study_that_ends_its_process_is_not_tried_again(bench):
    outcome = processes(bench.grid("study: faulty.py:Faulty\nfixed: {fault: exit}\nseeds: 2\n"))
    assert (outcome.exit, outcome.failed) == (3, 2)
    assert outcome.first_error == "SystemExit: a study must not end the process (faulty.py:83)"


LIMITED = """
import resource, sys
from sweeper.cli import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main()
"""


def test_a_part_that_a_worker_cannot_write_ends_the_launch(bench):
    """A file may not grow beyond some kilobytes, in workers as in the launch."""
    grid = bench.grid()
    whole = launch(grid, executor="inline", backend="numpy", out=bench.folder / "inline").run
    limit = min(path.stat().st_size for path in (whole / "results").glob("part-*")) - 1000
    command = [sys.executable, "-c", LIMITED, str(limit), "launch", str(grid), "--executor", "processes", "--cpus", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=bench.environment, check=False)
    assert done.returncode == 1, done.stderr
    assert len(re.findall("^error: cannot write .*part-", done.stderr, re.MULTILINE)) == 1, done.stderr
    assert not part_files(bench.folder / "runs" / "grid")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_launch_in_the_middle_of_a_block(bench, how):
    bench.steer(sleep=1)
    grid = bench.grid(TOY_GRID.replace("seeds: 2", "seeds: 12"))
    process = bench.start("launch", grid, "--executor", "processes", "--cpus", "2", stdin=subprocess.DEVNULL)
    run = bench.folder / "runs" / "grid"
    wait_until(lambda: len(part_files(run)) >= 2 or process.poll() is not None, 90)
    below = descendants(process.pid)
    assert len(below) == 3, "the child that launches, and two workers"
    os.killpg(process.pid, how)
    out, err = process.communicate(timeout=60)
    wait_until(lambda: not any(alive(pid) for pid in below), 20)
    assert "Traceback" not in err
    if how == signal.SIGINT:
        assert process.returncode == 130, err
        assert "interrupted; launch again to resume" in out
    there = table(run)
    assert 0 < there.num_rows < 96
    bench.steer(sleep=None)
    assert processes(grid).found == there.num_rows
    assert table(run).equals(table(launch(grid, executor="inline", backend="numpy", out=bench.folder / "inline").run))


NO_RAY = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, path=None, target=None: None if name.partition(".")[0] == "ray" else find(name, path, target)
"""


def test_without_ray_auto_takes_processes_and_ray_is_refused(bench, monkeypatch):
    """Every interpreter started here, workers too, runs where Ray is not installed; at the built-in rates the grid takes 24 s."""
    (bench.folder / "site").mkdir()
    (bench.folder / "site" / "sitecustomize.py").write_text(NO_RAY)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(bench.folder / "site"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(bench.folder / "cache"))
    grid = bench.grid()
    done = bench.sweep("launch", grid, "--cpus", "2", timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.search(r"executor processes: predicted [\d.]+ core seconds, fewer than the 300", done.stderr)
    assert events(bench.folder / "runs" / "grid", "launch")[-1]["executor"] == "processes, 2 workers"
    refused = bench.sweep("launch", grid, "--executor", "ray", "--out", bench.folder / "other", timeout=120)
    assert refused.returncode == 2
    assert "Ray is not installed; launch with --executor processes or inline" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not part_files(bench.folder / "other")


SCRIPT = """
from sweeper import launch
outcome = launch("grid.yaml", executor="processes", cpus=2)
print(outcome.computed)
"""


def test_a_program_needs_no_guard(bench):
    bench.grid()
    Path(bench.folder / "program.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=bench.folder, env=bench.environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "16\n"), done.stderr
