"""How long the rest of a launch takes: predictions corrected by what was measured, on a clock that the test moves."""

from __future__ import annotations

import random

import pytest

from sweeper.executors.metrics import METRICS
from sweeper.launching.ledger import BLOCKS, Ledger, Work
from sweeper.worker.make import ArtifactReceipt
from sweeper.worker.solve import Receipt
from sweeper.worker.tasks import ArtifactTask, BlocksTask
from w2s.artifacts import Steps
from w2s.contract.block import Axis, Block

ONE = Block({}, (Axis.single("seed", [0]),))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def blocks_task() -> BlocksTask:
    return BlocksTask(None, (ONE,))  # type: ignore[arg-type]


def artifact_task(key: str, function: str = "train") -> ArtifactTask:
    return ArtifactTask(None, ONE, key, function)  # type: ignore[arg-type]


def solved(key: str, seconds: float, pid: int = 1, failed: int = 0) -> Receipt:
    return Receipt(key, 1, {"failed": failed} if failed else {"ok": 1}, seconds, "x" if failed else None, None, pid)


def run_one_by_one(actual: list[float], predicted: list[float], overhead: float = 0.0) -> list[tuple[float, float]]:
    """Run blocks in turn; return, after each, the predicted time left and the true one."""
    clock = Clock()
    work = {str(k): Work(BLOCKS, seconds) for k, seconds in enumerate(predicted)}
    ledger = Ledger(len(actual), 0, work, clock=clock)
    end, found = clock.now + sum(actual) + overhead * len(actual), []
    for k, seconds in enumerate(actual):
        task = blocks_task()
        ledger.submitted(task)
        clock.now += seconds + overhead
        ledger.ended(task)
        ledger.solved(solved(str(k), seconds))
        found.append((ledger.seconds_left(), end - clock.now))
    return found


def test_nothing_is_said_before_something_was_measured():
    assert Ledger(10, 0, {"a": Work(BLOCKS, 1.0)}).seconds_left() is None


def test_nothing_is_said_before_the_dear_kind_was_measured():
    """A list of items takes a second where almost none was predicted: that says nothing of the trainings that follow."""
    work = {"items": Work("items", 0.01)} | {f"train {k}": Work(f"train model{k % 2}", 100.0) for k in range(4)}
    clock = Clock()
    ledger = Ledger(0, 0, work, clock=clock)
    for name, seconds in (("items", 1.0), ("train 0", 10.0)):
        task = artifact_task(name)
        ledger.submitted(task)
        clock.now += seconds
        ledger.ended(task)
        ledger.finished(ArtifactReceipt(name, name.partition(" ")[0], seconds, None, 1))
        if name == "items":
            assert ledger.seconds_left() is None
    assert ledger.seconds_left() == pytest.approx(30.0), "of the other model's trainings too, which are of one family"


def test_the_time_left_is_that_of_the_work_and_not_of_the_cells():
    """Cheap blocks first, dear ones last: by cells the rest would take a twentieth of what it does."""
    predicted = [1.0] * 20 + [40.0] * 20
    found = run_one_by_one([3 * seconds for seconds in predicted], predicted)  # a machine of a third of the predicted speed
    for said, true in found[4:-1]:
        assert said == pytest.approx(true, rel=1e-6)
    assert found[-1] == pytest.approx((0.0, 0.0))


def test_the_first_block_of_a_worker_compiles_and_is_left_out():
    found = run_one_by_one([60.0] + [2.0] * 39, [1.0] * 40)
    assert found[0][0] is None, "nothing else was measured"
    assert [said for said, _ in found[3:]] == pytest.approx([true for _, true in found[3:]])


def test_time_between_blocks_counts():
    said, true = run_one_by_one([0.5] * 100, [1.0] * 100, overhead=0.1)[20]
    assert said == pytest.approx(true, rel=0.01)


def test_two_workers_and_blocks_of_unequal_lengths_within_a_few_percent():
    rng = random.Random(3)
    predicted = [rng.uniform(0.2, 2.0) for _ in range(200)]
    actual = [seconds * rng.uniform(1.2, 1.8) for seconds in predicted]
    clock = Clock()
    ledger = Ledger(200, 0, {str(k): Work(BLOCKS, s) for k, s in enumerate(predicted)}, slots=2, clock=clock)
    waiting, running, said = list(range(200)), [], {}
    while waiting or running:
        while waiting and len(running) < 2:
            k = waiting.pop(0)
            task = blocks_task()
            ledger.submitted(task)
            free = {1, 2} - {pid for *_, pid in running}
            running.append((clock.now + actual[k], k, task, min(free)))
        running.sort(key=lambda one: one[0])
        clock.now, k, task, pid = running.pop(0)
        ledger.ended(task)
        ledger.solved(solved(str(k), actual[k], pid))
        said[clock.now] = ledger.seconds_left()
    tenth = [(now, left) for now, left in said.items() if 0.1 < (now - 100.0) / (clock.now - 100.0) < 0.9]
    assert max(abs(left / (clock.now - now) - 1) for now, left in tenth) < 0.15


def test_kinds_have_ratios_of_their_own_and_unseen_ones_that_of_the_others():
    clock = Clock()
    calls = {name: Work("train", 10.0) for name in "abc"} | {"p": Work("predict", 4.0)}
    ledger = Ledger(1, 0, {"x": Work(BLOCKS, 1.0)}, calls, clock=clock)
    for key in "ab":
        task = artifact_task(key)
        ledger.submitted(task)
        clock.now += 50.0
        ledger.ended(task)
        ledger.finished(ArtifactReceipt(key, "train", 50.0, None, 1))
    assert ledger.seconds_left() == pytest.approx(5 * 10 + 5 * 4 + 5 * 1)
    task = artifact_task("p", "predict")
    ledger.submitted(task)
    clock.now += 4.0
    ledger.ended(task)
    ledger.finished(ArtifactReceipt("p", "predict", 4.0, None, 1))
    assert ledger.seconds_left() == pytest.approx(5 * 10 + 1 * (100 + 4) / (20 + 4), rel=0.3)


def test_a_training_that_tells_its_steps_is_known_before_it_ends():
    clock = Clock()
    ledger = Ledger(1, 0, {}, {"a": Work("train", 2.0), "b": Work("train", 2.0)}, clock=clock)
    ledger.submitted(artifact_task("a"))
    clock.now += 30.0
    (flying,) = ledger.look(lambda key: Steps(25, 100, 1100.0, "tokens"))
    assert flying.steps is not None
    assert ledger.seconds_left() == pytest.approx(90 + 120)


def test_failures_and_halves_of_blocks_are_counted_and_teach_nothing():
    clock = Clock()
    ledger = Ledger(3, 1, {"a": Work(BLOCKS, 1.0), "b": Work(BLOCKS, 3.0)}, clock=clock)
    ledger.ended(blocks_task())
    ledger.solved(solved("a", 900.0, failed=1))
    assert ledger.seconds_left() is None
    ledger.solved(solved("a half of b", 4.0))
    counts = ledger.counts()
    assert counts.keys() == METRICS.keys()
    named = ("cells", "cells_done", "cells_failed", "cells_pending", "actual_seconds")
    assert [counts[name] for name in named] == [3, 2, 1, 0, 904.0]
