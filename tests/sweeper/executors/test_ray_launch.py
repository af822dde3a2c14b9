"""Ray: the same bits as inline, workers that die, interrupts that leave nothing behind, metrics that are seen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from kin import alive, descendants
from workbench import TOY_GRID, events, part_files, table, wait_until

from sweeper import launch
from sweeper.executors.metrics import METRICS

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]
GRID = TOY_GRID.replace("[1, 2, 3, 4]", "[1, 66, 3, 4]")
PROBE = """\
study: probe.table
fixed: {data: digits, task: classification, d_strong: 60, n_transfer: 150, n_test: 100, n_validation: 50, ceiling_tuning: best_on_validation}
axes:
  n_labeled: [60, 90]
  d_weak: [10, 20]
  labels: [soft, hard]
  filter: [ridge, flow]
  ridge: [1.0e-4, 0.01]
  time: [10, 1000]
seeds: 3
"""
DONG = """\
study: dong2025.regression
fixed: {d_weak: 5, d_strong: 6, d_overlap: 2, n_transfer: 60, noise: 0.5}
axes:
  n_labeled: [20, 40, 80]
  filter: [ridge, steps]
  ridge: [0, 0.1]
seeds: 20
"""

IN_ONE_CLUSTER = """
import os, re, sys, time, urllib.request
from pathlib import Path
from sweeper.executors.base import Executor
from sweeper.executors.options import RayOptions
from sweeper.executors.ray.environment import prepare_ray_environment
from sweeper.launching.launch import launch

prepare_ray_environment(None)
import ray
import sweeper.executors.ray.executor as module

folder = Path(sys.argv[1])
cluster = module.RayExecutor(RayOptions(cpus=2))
with cluster:
    # One cluster serves all launches: entering and leaving it is what takes seconds.
    shared = type("Shared", (module.RayExecutor,), {
        "__enter__": lambda self: self._look_around() or self, "close": lambda self: None})
    module.RayExecutor = shared
    counters, shown = module.SweepCounters, {}
    class Kept(counters):
        def show(self, counts):
            shown[id(self)] = (self, dict(counts))
            super().show(counts)
    module.SweepCounters = Kept
    control = Path(os.environ["W2S_TOY"])
    for name in ("toy", "probe", "dong"):
        print(name, int(launch(folder / f"{name}.yaml", executor="ray", backend="numpy", out=folder / "ray" / name).exit))
    (control / "die_once").touch()
    print("once", int(launch(folder / "die.yaml", executor="ray", out=folder / "ray" / "once").exit))
    (control / "die_always").touch()
    print("always", int(launch(folder / "die.yaml", executor="ray", out=folder / "ray" / "always").exit))
    (control / "die_always").unlink()
    print("mended", int(launch(folder / "die.yaml", executor="ray", out=folder / "ray" / "always").exit))
    print("slots", cluster.slots)
    end = time.monotonic() + 40
    while time.monotonic() < end:
        text = ""
        for one, counts in shown.values():
            counters.show(one, counts)  # Ray forgets a metric that is not set again
        for node in ray.nodes():
            with urllib.request.urlopen(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics", timeout=10) as answer:
                text += answer.read().decode()
        # Ray exports a few seconds late, and what was counted last comes last.
        seen = {(m[1], m[2]): float(m[3]) for m in re.finditer(r'^ray_w2s_(\\w+)\\{.*\\brun="(\\w+)".*\\} (\\S+)$', text, re.MULTILINE)}
        if all(seen.get(("cells_done", name)) == 16 for name in ("toy", "once", "always")):
            break
        time.sleep(0.5)
    print("\\n".join(line for line in text.splitlines() if line.startswith("ray_w2s_")))
"""


def test_one_cluster_same_bits_dead_workers_and_metrics(bench):
    bench.grid(TOY_GRID, "toy.yaml")
    bench.grid(PROBE, "probe.yaml")
    bench.grid(DONG, "dong.yaml")
    bench.grid(GRID, "die.yaml")
    done = subprocess.run(
        [sys.executable, "-c", IN_ONE_CLUSTER, str(bench.folder)],
        capture_output=True,
        text=True,
        timeout=200,
        env=bench.environment | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 32},
    )
    assert done.returncode == 0, done.stderr
    said = dict(re.findall(r"^(\w+) (\d+)$", done.stdout, re.MULTILINE))
    assert said == {"toy": "0", "probe": "0", "dong": "0", "once": "0", "always": "3", "mended": "0", "slots": "2"}, done.stderr

    for name in ("toy", "probe", "dong"):
        alone = launch(bench.folder / f"{name}.yaml", executor="inline", backend="numpy", out=bench.folder / "inline" / name)
        assert table(bench.folder / "ray" / name).equals(table(alone.run)), name
        assert part_files(bench.folder / "ray" / name) == part_files(alone.run)
    whole = table(launch(bench.folder / "die.yaml", executor="inline", out=bench.folder / "inline" / "die").run)
    for name in ("once", "always"):
        assert table(bench.folder / "ray" / name).equals(whole), name

    failed = [event for event in events(bench.folder / "ray" / "always", "block") if "error" in event]
    assert {event["error"] for event in failed} == {"the worker died: WorkerCrashedError (3 attempts)"}
    assert sum(event["rows"] for event in failed) == 4, "no other cell failed with it"
    assert len({event["pid"] for event in events(bench.folder / "ray" / "dong", "block")}) >= 1

    pattern = r'^ray_w2s_(\w+)\{.*\brun="(\w+)".*\bstudy="([\w.]+)".*\} (\S+)$'
    metrics = {(m[1], m[2], m[3]): float(m[4]) for m in re.finditer(pattern, done.stdout, re.MULTILINE)}
    assert {name for name, *_ in metrics} == METRICS.keys()
    for run in ("toy", "once", "always"):
        found = [metrics[name, run, "toy"] for name in ("cells", "cells_done", "cells_failed", "cells_pending")]
        assert found == [16, 16, 0, 0], (run, "failed cells are counted from 0, and the last launch found or made the rest")
    assert metrics["actual_seconds", "dong", "dong2025.regression"] > 0
    assert metrics["predicted_seconds", "dong", "dong2025.regression"] > 0
    assert 0 < metrics["batch_fill", "toy", "toy"] <= 1


@pytest.mark.slow
def test_an_interrupt_leaves_no_process_and_the_same_rows(bench, monkeypatch):
    bench.steer(sleep=0.4)
    grid = bench.grid(TOY_GRID.replace("seeds: 2", "seeds: 12"))
    place = bench.folder / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    process = bench.start("launch", grid, "--executor", "ray", "--cpus", "2")
    run = bench.folder / "runs" / "grid"
    wait_until(lambda: len(part_files(run)) >= 2 or process.poll() is not None, 90)
    below = descendants(process.pid)
    assert any("raylet" in Path(f"/proc/{pid}/cmdline").read_text() for pid in below if alive(pid))
    (key,) = place.glob("w2s-ray-token-*")
    token = key.read_text().strip()
    assert (len(token), key.stat().st_mode & 0o777) == (64, 0o600)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted; launch again to resume" in out
    assert "Traceback" not in err
    assert token not in out + err
    assert not [path for path in run.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    wait_until(lambda: not any(alive(pid) for pid in below), 20)
    there = table(run)
    assert 0 < there.num_rows < 96

    url = re.search(r"dashboard (http://\S+)", err)
    assert url, err
    kept = re.search(r"takes what this prints: cat (\S+)$", err, re.MULTILINE)
    assert kept, err
    assert not Path(kept[1]).exists(), "it is gone with the cluster"
    with pytest.raises(OSError, match=r"refused|reset|timed out"):
        urllib.request.urlopen(url[1], timeout=5)

    bench.steer(sleep=None)
    again = bench.sweep("launch", grid, "--executor", "ray", "--cpus", "2", timeout=120)
    assert again.returncode == 0, again.stderr
    assert table(run).equals(table(launch(grid, executor="inline", out=bench.folder / "inline").run))
    kept = {row["cell_id"]: row for row in table(run).to_pylist()}
    assert [
        (name, value, kept[row["cell_id"]][name])
        for row in there.to_pylist()
        for name, value in row.items()
        if kept[row["cell_id"]][name] != value
    ] == []
    assert "1 slots" not in str(events(run, "launch")), "the cluster is described once it is there"


def test_a_cluster_that_is_not_there(bench):
    done = bench.sweep("launch", bench.grid(), "--executor", "ray", "--address", "127.0.0.1:1", timeout=60)
    assert done.returncode == 2
    assert "Ray could not reach or start 127.0.0.1:1" in done.stderr
    assert "--executor inline" in done.stderr
    assert "Traceback" not in done.stderr
    assert not part_files(bench.folder / "runs" / "grid")


def test_inline_and_help_import_little(bench):
    heavy = ("numpy", "pandas", "pyarrow", "ray", "torch", "matplotlib", "scipy", "numba", "sklearn", "pydantic", "yaml")
    code = "import sys\nfrom sweeper.cli import app\ntry: app({})\nexcept SystemExit: pass\nprint([m for m in {} if m in sys.modules])"
    for arguments, absent in (
        (["--help"], heavy),
        (["launch", str(bench.grid()), "--executor", "inline"], ("ray", "torch", "matplotlib")),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments, absent)],
            capture_output=True,
            text=True,
            check=True,
            env=bench.environment,
        )
        assert done.stdout.splitlines()[-1] == "[]", done.stdout
    assert table(bench.folder / "runs" / "grid").num_rows == 16


def test_help_imports_no_package_but_ours_and_those_of_the_terminal():
    code = (
        "import sys, typer, rich.console, rich.table, rich.text\nbefore = {m.partition('.')[0] for m in sys.modules}\n"
        "from sweeper.cli import app\ntry: app(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} - before - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['sweeper', 'w2s']"
