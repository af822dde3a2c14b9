"""The manifests and the batch script of docs/clusters.md, read by parsers of what they are written for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from workbench import wait_until

DOCUMENT = (Path(__file__).resolve().parent.parent / "docs" / "clusters.md").read_text()
SBATCH = {  # option -> form of its value
    "job-name": r"[\w-]+",
    "nodes": r"\d+(-\d+)?",
    "ntasks-per-node": r"\d+",
    "cpus-per-task": r"\d+",
    "time": r"(\d+-)?\d{2}:\d{2}:\d{2}",
    "signal": r"([BR]+:)?(TERM|INT|USR1)@\d+",
    "requeue": "",
}


def block(language: str, first: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    return next(text for text in found if text.startswith(first))


@pytest.fixture(params=["rayjob.yaml", "raycluster.yaml"])
def manifest(request) -> dict[str, Any]:
    return yaml.safe_load(block("yaml", f"# {request.param}\n"))


def cluster_of(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest["spec"]["rayClusterSpec"] if manifest["kind"] == "RayJob" else manifest["spec"]


def test_manifests_have_what_the_custom_resources_require(manifest):
    assert (manifest["apiVersion"], manifest["kind"] in ("RayJob", "RayCluster")) == ("ray.io/v1", True)
    cluster = cluster_of(manifest)
    assert cluster["headGroupSpec"].keys() == {"rayStartParams", "template"}
    for group in cluster["workerGroupSpecs"]:
        assert group.keys() == {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values()), "the resource takes texts only"
    if manifest["kind"] == "RayJob":
        known = {"entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "backoffLimit", "rayClusterSpec"}
        assert manifest["spec"].keys() == known
        assert manifest["spec"]["entrypoint"].startswith("w2s-sweep launch /grids/")


def test_pods_of_the_manifests_are_valid(manifest):
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="pods are checked against the schemas of Kubernetes"
    )
    cluster = cluster_of(manifest)
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": group["template"]["spec"]}
        kubernetes_validate.validate(pod, "1.32", strict=True)
        (container,) = pod["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "w2s-bucket"}}], "credentials from a secret, nowhere written"
        broken = pod | {"spec": {"containers": [container | {"imagee": "x"}]}}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(broken, "1.32", strict=True)


def test_the_batch_script_is_one(tmp_path):
    script = tmp_path / "job.sh"
    script.write_text(block("bash", "#!/bin/bash\n"))
    subprocess.run(["bash", "-n", script], check=True, timeout=10)
    options = re.findall(r"^#SBATCH --([a-z-]+)(?:=(\S+))?$", script.read_text(), flags=re.MULTILINE)
    assert len(options) == script.read_text().count("#SBATCH") == len(dict(options))
    for name, value in options:
        assert re.fullmatch(SBATCH[name], value), (name, value)
    lines = script.read_text().splitlines()
    commands = [k for k, line in enumerate(lines) if line and not line.startswith("#")]
    assert max(k for k, line in enumerate(lines) if line.startswith("#SBATCH")) < min(commands), (
        "Slurm reads none after a command"
    )


FAKES = {
    "scontrol": 'echo "$@" >> calls; [ "$1" = show ] && printf "node1\\nnode2\\n"; true',
    "srun": 'echo "srun $*" >> calls; case "$*" in *hostname*) echo 10.0.0.1;; esac',
    "sleep": "exec /bin/sleep 0.1",
    "w2s-sweep": 'echo "w2s-sweep $*" >> calls; trap "exit 130" TERM; touch up; while :; do /bin/sleep 0.05; done',
}


@pytest.mark.fault
def test_the_batch_script_is_put_back_after_its_time_limit(tmp_path):
    """Run with stand-ins for Slurm's commands: SIGTERM reaches the launch, which ends with 130, and the job is requeued."""
    for name, text in FAKES.items():
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/bash\n{text}\n")
        file.chmod(0o755)
    (tmp_path / "job.sh").write_text(block("bash", "#!/bin/bash\n"))
    slurm = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_ID": "77", "SLURM_CPUS_PER_TASK": "8", "SLURM_JOB_NUM_NODES": "2"}
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "SLURM_SUBMIT_DIR": "/shared/me", **slurm}
    with subprocess.Popen(["bash", "job.sh"], cwd=tmp_path, env=environment) as job:
        wait_until((tmp_path / "up").exists)
        job.terminate()
        assert job.wait(timeout=30) == 130
    calls = (tmp_path / "calls").read_text().splitlines()
    assert "w2s-sweep launch grid.yaml --address 10.0.0.1:20077 --out /shared/me/runs/first" in calls
    assert sum("ray start --head --port=20077" in line for line in calls) == 1
    assert sum("--exclude=node1" in line and "ray start --address=10.0.0.1:20077" in line for line in calls) == 1
    assert calls[-1] == "requeue 77"
