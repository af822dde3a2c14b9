"""Nodes of a cluster that do not see the run folder: their blocks run elsewhere, and where nobody sees it the launch says so.

Both nodes are on this machine. A node's processes live in a mount namespace of their own, where an empty file system hides a folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from kin import alive, descendants, program
from workbench import events, part_files, table, wait_until

pytestmark = [
    pytest.mark.ray,
    pytest.mark.fault,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0,
        reason="a mount namespace needs the right to make one",
    ),
]
RAY = str(Path(sys.executable).with_name("ray"))
GRID = "study: ends.py:Ends\nfixed: {seconds: 0.3}\naxes: {fault: [a, b, c, d, e, f, g, h]}\nseeds: 2\n"


@contextlib.contextmanager
def node(environment, hidden, *options):
    """A node of a Ray cluster in whose processes some folders are empty; it is killed with all that it started."""
    hide = " && ".join([f"mount -t tmpfs none {folder}" for folder in hidden] + [f'exec "{RAY}" start --block "$@"'])
    command = ["unshare", "-m", "sh", "-c", hide, "sh", "--node-ip-address=127.0.0.1", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        yield process
    finally:
        below = descendants(process.pid)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()
        wait_until(lambda: not any(alive(pid) for pid in below), 30)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


WAIT = "import ray, sys, time; ray.init(sys.argv[1], log_to_driver=False)\nwhile len(ray.nodes()) < 2: time.sleep(.2)"


def test_blocks_of_a_node_that_does_not_see_the_folder_run_elsewhere(bench, monkeypatch):
    """Injected: one blind node of two, then two of two, then a node that is killed in the middle. Lost and doubled rows: none."""
    for name in ("seen", "unseen"):
        (bench.folder / name).mkdir()
    seen, unseen, port = bench.folder / "seen", bench.folder / "unseen", free_port()
    address = f"127.0.0.1:{port}"
    head = (f"--port={port}", "--head", "--num-cpus=1", "--include-dashboard=false")
    # A folder of its own, with a short name: `ray start` writes into Ray's where others look for a cluster to join.
    with tempfile.TemporaryDirectory(prefix="w2s-", dir="/tmp") as place, contextlib.ExitStack() as nodes:
        for name, value in {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 32, "RAY_TMPDIR": place}.items():
            monkeypatch.setenv(name, value)
        environment = bench.environment | {"RAY_USAGE_STATS_ENABLED": "0"}
        nodes.enter_context(node(environment, [unseen], *head))
        wait_until(lambda: listens(port), 60)
        second = nodes.enter_context(node(environment, [seen, unseen], f"--address={address}", "--num-cpus=3"))
        subprocess.run([sys.executable, "-c", WAIT, address], check=True, timeout=60, capture_output=True, env=environment)
        options = ("--executor", "ray", "--address", address)
        one = bench.sweep("launch", bench.grid(GRID), *options, "--out", seen / "run", timeout=90)
        none = bench.sweep("launch", bench.grid(GRID), *options, "--out", unseen / "run", timeout=90)
        both = bench.folder / "both"
        lost = bench.start("launch", bench.grid(GRID.replace("0.3", "1")), *options, "--out", both)
        wait_until(lambda: len(part_files(both)) >= 3 or lost.poll() is not None, 60)
        (raylet,) = [pid for pid in descendants(second.pid) if program(pid).endswith("/raylet")]
        os.kill(raylet, signal.SIGKILL)
        before = len(part_files(both))
        _, said = lost.communicate(timeout=90)
    assert one.returncode == 0, one.stderr
    notes = re.findall(
        r"^node \w{8}: \S+ does not see the run folder .*; its blocks run on other nodes$", one.stderr, re.MULTILINE
    )
    assert len(notes) == 1, one.stderr
    rows = table(seen / "run").to_pylist()
    assert len(rows) == len({row["cell_id"] for row in rows}) == 16
    assert {row["status"] for row in rows} == {"ok"}
    (end,) = events(seen / "run", "end")
    assert (end["computed"], end["failed"], end["pending"]) == (16, 0, 0)

    assert none.returncode == 1, none.stderr
    assert re.search(
        "^error: no node of the cluster can do the work: .* does not see the run folder", none.stderr, re.MULTILINE
    )
    assert "Traceback" not in none.stderr
    (end,) = events(unseen / "run", "end")
    assert (end["exit"], end["computed"], end["failed"], end["pending"]) == (1, 0, 0, 16)

    assert lost.returncode == 0, said
    assert before < 16, "the node was lost in the middle"
    rows = table(both).to_pylist()
    assert len(rows) == len({row["cell_id"] for row in rows}) == 16
    assert {row["status"] for row in rows} == {"ok"}
