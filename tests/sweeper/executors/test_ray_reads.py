"""What a person sees of a launch on Ray: the name of the job, names of tasks, the way to the token, and graphs of Prometheus."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from workbench import TOY_GRID, part_files, wait_until

from sweeper.executors.metrics import METRICS
from sweeper.tools.dashboard import grafana_page, prometheus_file, write_dashboard

TOOL = os.environ.get("W2S_PROMETHEUS") or shutil.which("prometheus")


def asked(url: str, token: str = "") -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return json.loads(answer.read())


@contextmanager
def prometheus(config: Path, folder: Path) -> Iterator[str]:
    """A Prometheus on loopback; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"127.0.0.1:{port}"
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder}", f"--web.listen-address={address}"]
    with (folder.parent / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([str(TOOL), *options], stdout=log, stderr=log)
    try:
        yield "http://" + address
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.ray
@pytest.mark.timeout(280)
def test_a_launch_reads_like_its_grid(bench, monkeypatch):
    bench.steer(sleep=0.7)
    grid = bench.grid(TOY_GRID.replace("seeds: 2", "seeds: [5, 6, 7, 8, 9, 10]"))
    place = Path(tempfile.mkdtemp(prefix="w2s-t-", dir="/tmp"))  # Ray's sockets need a short name
    monkeypatch.setenv("RAY_TMPDIR", str(place))
    write_dashboard(bench.folder / "watch", place / "ray")
    process = bench.start("launch", grid, "--executor", "ray", "--cpus", "2")
    run, lines = bench.folder / "runs" / "grid", []
    try:
        for line in process.stderr:  # type: ignore[union-attr]
            lines.append(line)
            if "takes what this prints" in line:
                break
        said = "".join(lines)
        address = re.search(r"dashboard (\S+)$", said, re.MULTILINE)
        key = re.search(r"its dialog 'Authentication Token Required' takes what this prints: cat (\S+)$", said, re.MULTILINE)
        assert address, said
        assert key, said
        token = Path(key[1]).read_text().strip()
        assert token not in said
        wait_until(lambda: len(part_files(run)) >= 2, 60)
        jobs = asked(f"{address[1]}/api/jobs/", token)
        assert "toy in grid" in json.dumps(jobs), jobs
        tasks = asked(f"{address[1]}/api/v0/tasks?limit=50", token)["data"]["result"]["result"]
        names = {task["name"] for task in tasks}
        assert any(re.fullmatch(r"solve x=\S+ n=\S+ seeds? \S+", name) for name in names), names
        assert not [name for name in names if re.search(r"[0-9a-f]{8}", name)]
        if TOOL is None:
            pytest.skip("the rest needs prometheus on the PATH, or its path in W2S_PROMETHEUS")
        (bench.folder / "tsdb").mkdir()
        with prometheus(bench.folder / "watch" / "prometheus.yml", bench.folder / "tsdb") as server:
            seen: dict[str, float] = {}
            end = time.monotonic() + 60
            while time.monotonic() < end and (seen.keys() != METRICS.keys() or not seen["cells_done"]):
                time.sleep(1.0)
                for name in METRICS:
                    query = urllib.parse.quote(f'max by (run, study) (ray_w2s_{name}{{run=~".*", study=~".*"}})')
                    for found in asked(f"{server}/api/v1/query?query={query}")["data"]["result"]:
                        assert found["metric"] == {"run": "grid", "study": "toy"}
                        seen[name] = float(found["value"][1])
        assert seen.keys() == METRICS.keys()
        assert (seen["cells"], seen["cells_failed"], seen["cells_done"] + seen["cells_pending"]) == (48, 0, 48)
        assert seen["actual_seconds"] > 0
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        shutil.rmtree(place, ignore_errors=True)


def test_the_page_has_every_metric_once_and_chooses_by_run_and_study():
    page = grafana_page()
    asked_for = [target["expr"] for panel in page["panels"] for target in panel["targets"]]
    named = [re.search(r"\(ray_w2s_(\w+)\{run=~\"\$run\", study=~\"\$study\"\}\)", text)[1] for text in asked_for]  # type: ignore[index]
    assert sorted(named) == sorted(METRICS)
    assert len({panel["id"] for panel in page["panels"]}) == len(page["panels"])
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in page["panels"]}
    assert len(places) == len(page["panels"])
    assert [entry["name"] for entry in page["templating"]["list"]] == ["source", "run", "study"]


def test_the_scrape_file_is_one(tmp_path):
    folder = tmp_path / "ray"
    written, page = write_dashboard(tmp_path / "new", folder)
    assert written.read_text() == prometheus_file(folder)
    assert json.loads(page.read_text()) == grafana_page()
    assert str(folder / "prom_metrics_service_discovery.json") in written.read_text()
    tool = None if TOOL is None else Path(TOOL).with_name("promtool")
    if tool is None or not tool.exists():
        pytest.skip("promtool, which comes with prometheus, checks the file")
    checked = subprocess.run([tool, "check", "config", written], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
