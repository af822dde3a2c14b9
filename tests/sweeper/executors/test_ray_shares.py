"""What an artifact call asks of a cluster: its own share, and never more than a node has."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import sweeper.executors.ray.executor as module
from sweeper.errors import ClusterError, StoreError
from sweeper.executors.base import Setup
from sweeper.worker.tasks import ArtifactTask
from w2s.artifacts import artifact


@artifact(version=1, name="test.wide", cpus=lambda shards: shards, gpus=lambda shards: shards)
def wide(work, *, shards):
    raise AssertionError


@pytest.fixture
def asked(monkeypatch):
    """Options of every task that is submitted; two nodes that live, one that does not."""
    found = []

    def remote(_function):
        return SimpleNamespace(options=lambda **options: found.append(options) or SimpleNamespace(remote=lambda *_given: None))

    nodes = [({"CPU": 4.0}, True), ({"CPU": 2.0, "GPU": 2.0}, True), ({"CPU": 64.0, "GPU": 8.0}, False)]
    monkeypatch.setattr(module.ray, "remote", remote)
    monkeypatch.setattr(module.ray, "nodes", lambda: [{"Resources": has, "Alive": alive} for has, alive in nodes])
    return found


@pytest.mark.parametrize(
    ("shards", "gpus", "expected"), [(1, True, (1, 1)), (2, True, (2, 2)), (8, True, (2, 2)), (8, False, (4, 0))]
)
def test_a_call_occupies_as_much_as_its_arguments_say(asked, shards, gpus, expected):
    executor = module.RayExecutor(setup=Setup(gpus="some"))
    executor.has_gpus = gpus
    call = wide(shards=shards)
    executor.submit(ArtifactTask(None, None, call.key, call.artifact.name, call.cpus, call.gpus))
    (options,) = asked
    assert (options["num_cpus"], options["num_gpus"]) == expected
    assert ("CUDA_VISIBLE_DEVICES" in options["runtime_env"]["env_vars"]) == (not gpus)  # hidden where none is given


def test_a_node_that_sees_no_folder_is_left_out_until_none_is_left(asked, monkeypatch):
    nodes = [{"NodeID": name, "Resources": {"CPU": 2.0}, "Alive": True} for name in ("one", "two")]
    monkeypatch.setattr(module.ray, "nodes", lambda: nodes)
    said = []
    executor = module.RayExecutor(setup=Setup(said.append))
    call = wide(shards=1)
    executor.submit(ArtifactTask(None, None, call.key, call.artifact.name))
    for _ in range(2):
        executor._avoid(module._Refused("one", "host does not see the run folder /run"))
    executor.submit(ArtifactTask(None, None, call.key, call.artifact.name))
    assert [options.get("label_selector") for options in asked] == [None, {"ray.io/node-id": "!in(one)"}]
    assert said == ["node one: host does not see the run folder /run; its blocks run on other nodes"]
    assert (executor.slots, executor.capacity) == (2, 4)
    with pytest.raises(StoreError, match="no node of the cluster can do the work: host does not see"):
        executor._avoid(module._Refused("two", "host does not see the run folder /run"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (module.ray.exceptions.NodeDiedError("gone"), {"innocent": True}),
        (module.ray.exceptions.OutOfMemoryError("too much"), {"memory": True}),
        (module.ray.exceptions.WorkerCrashedError(), {}),
    ],
)
def test_what_is_said_of_a_lost_task(monkeypatch, error, kind):
    def get(_reference):
        raise error

    monkeypatch.setattr(module.ray, "get", get)
    finished = module._outcome("task", "reference")
    assert finished.error
    assert {name: getattr(finished, name) for name in ("innocent", "memory") if getattr(finished, name)} == kind
    error = module.ray.exceptions.LocalRayletDiedError()
    with pytest.raises(ClusterError, match="the Ray cluster has gone"):
        module._outcome("task", "reference")
