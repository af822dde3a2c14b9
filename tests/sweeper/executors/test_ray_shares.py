"""What an artifact call asks of a cluster: its own share, and never more than a node has."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import sweeper.executors.ray.executor as module
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
    monkeypatch.setattr(module, "SweepCounters", lambda: None)
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
