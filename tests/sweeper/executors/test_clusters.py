"""Clusters that run already: joined, grown, shrunk and submitted to, on this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from buckets import HOST, bucket_table, credentials
from workbench import TOY_GRID, table, wait_until

from sweeper import launch
from sweeper.errors import RunError
from sweeper.executors.ray import address as room
from sweeper.executors.ray.address import check_address
from sweeper.executors.ray.code import compare_own_code, own_code

ROOT = Path(__file__).resolve().parents[3]
GRID = TOY_GRID.replace("[1, 2, 3, 4]", "[1, 2, 3, 4, 5, 6]").replace("seeds: 2", "seeds: 4")
CLUSTER = """
import json, sys
from ray.cluster_utils import Cluster

cluster = Cluster(True, head_node_args=json.loads(sys.argv[1]))
print(cluster.address, flush=True)
nodes = []
for line in sys.stdin:
    if line.strip() == "add":
        nodes.append(cluster.add_node(num_cpus=1))
        cluster.wait_for_nodes()
    else:
        cluster.remove_node(nodes.pop(), allow_graceful=False)
    print("done", flush=True)
cluster.shutdown()
"""
SHARED = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0" * 32,
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


class RayCluster:
    """A cluster of its own, with one CPU at first."""

    def __init__(self, head: subprocess.Popen[str], dashboard: int, control: Path) -> None:
        self.head, self.dashboard, self.control = head, dashboard, control
        self.address = self._line()

    def _line(self) -> str:
        """The next word of the cluster; Ray itself writes much between."""
        while True:
            line = self.head.stdout.readline().strip()
            assert line, "the cluster did not start"
            if line == "done" or line.replace(".", "").replace(":", "").isdigit():
                return line

    def tell(self, word: str) -> None:
        """Add a node, or end one without a word."""
        self.head.stdin.write(f"{word}\n")
        self.head.stdin.flush()
        assert self._line() == "done"


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


@contextmanager
def started(command, environment):
    """A process with a cluster, which ends with its standard input."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        start_new_session=True,
    ) as head:
        try:
            yield head
        finally:
            head.stdin.close()
            head.wait(timeout=60)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, s3_server):
    dashboard, control = free_port(), tmp_path_factory.mktemp("control")
    arguments = {"num_cpus": 1, "include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": dashboard}
    arguments |= {"object_store_memory": 100 * 2**20, "dashboard_agent_listen_port": free_port()}  # jobs need the agent
    environment = os.environ | SHARED | credentials(s3_server) | {"W2S_TOY": str(control)}
    with started([sys.executable, "-c", CLUSTER, json.dumps(arguments)], environment) as head:
        yield RayCluster(head, dashboard, control)


@pytest.fixture
def joined(cluster, monkeypatch):
    """The cluster, with what joining it takes in the environment of processes that the test starts."""
    for name, value in SHARED.items():
        monkeypatch.setenv(name, value)
    return cluster


@pytest.fixture
def local(bench):
    """The rows of the grid, solved here."""
    return table(launch(bench.grid(GRID), executor="inline", out=bench.folder / "local").run)


class _Web(BaseHTTPRequestHandler):
    def log_message(self, *_arguments):
        """Say nothing."""


def test_what_is_no_cluster_is_told_in_one_line(monkeypatch):
    """A port where nobody listens, one that stays silent, a web server, a server that speaks HTTP/2 and is no Ray, a dashboard."""
    monkeypatch.setattr(room, "_SECONDS", 0.3)
    monkeypatch.setattr(room, "_LONGEST", 0.5)
    with ExitStack() as servers:
        silent, other = (servers.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        web = servers.enter_context(HTTPServer(("127.0.0.1", 0), _Web))
        threading.Thread(target=web.serve_forever, daemon=True).start()
        servers.callback(web.shutdown)

        def greet():
            kept = []
            while True:
                try:
                    connection, _ = other.accept()
                except OSError:
                    return
                connection.sendall(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
                kept.append(connection)

        threading.Thread(target=greet, daemon=True).start()
        ports = {name: server.getsockname()[1] for name, server in (("silent", silent), ("http/2", other))}
        wrong = [f"127.0.0.1:{ports['silent']}", f"127.0.0.1:{web.server_port}", f"127.0.0.1:{ports['http/2']}"]
        for address in (*wrong, f"ray://127.0.0.1:{ports['silent']}"):
            with pytest.raises(
                RunError, match=r"^Ray could not reach or start \S+: what answers there is no Ray cluster[^\n]*$"
            ):
                check_address(address)
    with pytest.raises(
        RunError,
        match=r"^Ray could not reach or start 127\.0\.0\.1:\d+: nothing answers there \(Connection refused\); to run without Ray: .*$",
    ):
        check_address(f"127.0.0.1:{free_port()}")
    with pytest.raises(RunError, match=r"no address of a Ray cluster \(that of its dashboard, for ray job submit\?\)"):
        check_address("http://localhost:8265")


def test_a_node_with_other_code_is_refused():
    compare_own_code(own_code())
    with pytest.raises(
        RunError, match=r"^a node has other code of w2s-sweep \([0-9a-f]{16}\) than this launch \(0{16}\): install"
    ):
        compare_own_code("0" * 16)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_job_that_is_submitted_gives_the_same_rows_in_a_bucket(bench, local, joined, s3):
    """`ray job submit` as docs/clusters.md has it: the working folder travels, RAY_ADDRESS is set there, rows go to the bucket."""
    work = bench.folder / "work"
    work.mkdir()
    for name in ("toy.py", "grid.yaml"):
        shutil.copy(bench.folder / name, work)
    variables = {"env_vars": {"PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}"}}
    command = f"{sys.executable} -m sweeper launch grid.yaml --out {s3}/run"
    where = f"http://{HOST}:{joined.dashboard}"
    submit = [sys.executable, "-m", "ray.scripts.scripts", "job", "submit", "--address", where, "--working-dir", str(work)]
    submit += ["--runtime-env-json", json.dumps(variables), "--", *command.split()]
    for _ in range(5):  # a cluster that has just started may have no agent for jobs yet
        done = subprocess.run(submit, capture_output=True, text=True, timeout=200)
        if "No available agent" not in done.stderr:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RAY_ADDRESS names a cluster" in done.stdout
    assert "48 cells computed" in done.stdout
    assert bucket_table(s3 / "run").equals(local)


@pytest.mark.ray
@pytest.mark.fault
@pytest.mark.timeout(240)
def test_a_node_that_comes_and_one_that_is_lost_in_the_middle(bench, local, joined, s3):
    """Rows are in a bucket; those of the lost node are solved again by the other one."""
    run = s3 / "run"
    bench.grid(GRID)
    (joined.control / "sleep").write_text("1")

    def workers():
        solved = joined.control / "solved"
        return [line.split()[1] for line in solved.read_text().splitlines()] if solved.exists() else []

    process = bench.start("launch", "grid.yaml", "--address", joined.address, "--out", run)
    wait_until(lambda: len(workers()) >= 2, 120)
    joined.tell("add")
    wait_until(lambda: len(set(workers())) >= 2, 120)
    joined.tell("remove")
    (joined.control / "sleep").unlink()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert bucket_table(run).equals(local)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nodes_without_the_code_and_without_the_folder(bench, local, s3, s3_server, monkeypatch):
    """All nodes are where neither this package nor the study's folder is seen; `ship` sends one, tasks carry the other."""
    hidden = [ROOT / "sweeper", ROOT / "w2s", ROOT / "kernels", bench.folder]
    mounts = " && ".join(f"mount -t tmpfs none '{folder}'" for folder in hidden)
    if subprocess.run(["unshare", "-m", "sh", "-c", mounts], capture_output=True).returncode:
        pytest.skip("hiding folders from processes takes the right to mount")
    arguments = json.dumps({"num_cpus": 2, "include_dashboard": False, "object_store_memory": 100 * 2**20})
    inside = f'{mounts} && cd / && exec "$@"'
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | SHARED | credentials(s3_server)
    command = ["unshare", "-m", "sh", "-c", inside, "sh", sys.executable, "-c", CLUSTER, arguments]
    for name, value in SHARED.items():
        monkeypatch.setenv(name, value)
    with started(command, environment) as head:
        address = RayCluster(head, 0, bench.folder).address
        bench.grid(GRID + f"out: {s3}/refused\ncompute: {{address: {address}}}\n")
        refused = bench.sweep("launch", "grid.yaml", timeout=100)
        assert (refused.returncode, refused.stderr.count("error:"), "Traceback" in refused.stderr) == (2, 1, False)
        assert "send it with compute: {ship: true}" in refused.stderr
        assert "a node lacks code of this launch" in refused.stderr or "a node has other code" in refused.stderr
        bench.grid(GRID + f"out: {s3}/run\ncompute: {{address: {address}, ship: true}}\n")
        done = bench.sweep("launch", "grid.yaml", timeout=150)
    assert (done.returncode, "48 cells computed" in done.stdout) == (0, True), done.stderr
    assert bucket_table(s3 / "run").equals(local)
