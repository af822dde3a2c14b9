"""The loop on an executor made for it: what is tried again and how often, what is given up, how bundles are packed."""

from __future__ import annotations

from collections import Counter, deque

import pytest

from sweeper.errors import StoreError
from sweeper.executors.base import Executor, Finished
from sweeper.executors.inline import InlineExecutor
from sweeper.launching import drive as module
from sweeper.launching.drive import drive
from sweeper.launching.schedule import Schedule
from sweeper.worker.make import ArtifactReceipt
from sweeper.worker.solve import Job, Receipt
from sweeper.worker.tasks import ArtifactTask, BlocksTask
from w2s.artifacts import Work, artifact
from w2s.contract.block import Axis, Block


@artifact(version=1, name="test.drive")
def made(work: Work, *, name: int) -> None: ...


def block(number: int) -> Block:
    return Block({"number": number}, (Axis.single("seed", [0]),))


def number(b: Block) -> int:
    return int(b.fixed["number"])


def receipt(numbers, seconds=0.2):
    return [Receipt(str(n), 1, {"ok": 1}, seconds, None, None, 0) for n in numbers]


class Scripted(Executor):
    """Ends the last task first; ``fate`` says of a set of block numbers, or of a key, why the task has no result."""

    capacity = 4

    def __init__(self, fate=lambda what: None, **kind):
        super().__init__()
        self.fate, self.kind = fate, kind
        self.at_hand, self.tried, self.most, self.counted = deque(), Counter(), 0, 0

    def submit(self, task):
        self.at_hand.append(task)
        self.most = max(self.most, len(self.at_hand))

    def wait(self):
        task = self.at_hand.pop()
        what = frozenset(map(number, task.blocks)) if isinstance(task, BlocksTask) else task.key
        self.tried[what] += 1
        if error := self.fate(what):
            return [Finished(task, error=error, **self.kind)]
        if isinstance(task, ArtifactTask):
            return [Finished(task, ArtifactReceipt(task.key, task.function, 0.1, None))]
        return [Finished(task, receipt(map(number, task.blocks)))]

    def show(self, counts):
        self.counted = counts["cells_done"] + counts["cells_failed"]


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job whose failed rows are receipts only: there is no study behind these blocks."""

    def failure(_job, b, error):
        return Receipt(str(number(b)), 1, {"failed": 1}, 0.0, error, "cell", 0)

    monkeypatch.setattr(module, "record_failure", failure)
    return Job("none", tmp_path, tmp_path, "numpy", {})


def schedule(bundles, needs=lambda b: ()):
    return Schedule([tuple(map(block, bundle)) for bundle in bundles], needs, lambda call: False)


def outcomes(receipts):
    return {int(r.key): r.error for r in receipts if isinstance(r, Receipt)}


def test_a_lost_bundle_is_tried_again_block_by_block_and_only_the_culprit_fails(job):
    executor = Scripted(lambda what: "the worker died" if 1 in what else None)
    found = outcomes(drive(job, schedule([(0, 1, 2), (3,)]), executor))
    assert found == {0: None, 1: "the worker died (3 attempts)", 2: None, 3: None}
    assert executor.tried[frozenset({0, 1, 2})] == 1
    assert executor.tried[frozenset({1})] == 2
    assert executor.tried[frozenset({0})] == executor.tried[frozenset({2})] == 1
    assert executor.counted == 4, "failed cells count too"
    assert executor.most <= executor.capacity


def test_a_task_that_is_lost_with_its_machine_is_not_charged_for_it(job):
    lost = Counter()

    def fate(what):
        lost[what] += 1
        return "the node died" if lost[what] <= 5 else None

    executor = Scripted(fate, innocent=True)
    assert outcomes(drive(job, schedule([(0,), (1,)]), executor)) == {0: None, 1: None}
    assert executor.tried[frozenset({0})] == 6, "more often than a task that its own fault ends"


def test_machines_that_are_always_lost_end_it(job):
    executor = Scripted(lambda what: "the node died", innocent=True)
    assert set(outcomes(drive(job, schedule([(0,)]), executor)).values()) == {"the node died (3 attempts)"}
    assert executor.tried[frozenset({0})] == 23


@pytest.mark.parametrize("by_worker", [True, False])
def test_a_block_without_memory_is_solved_in_halves(job, by_worker):
    """The worker says so itself, or the executor says it of a worker that was killed."""
    seeds = []

    class Small(Scripted):
        def wait(self):
            task = self.at_hand.pop()
            (b,) = task.blocks
            seeds.append(b.values("seed"))
            if len(seeds[-1]) > 2 and by_worker:
                return [Finished(task, [Receipt("0", 0, {}, 0.0, "MemoryError", None, 0, too_large=True)])]
            if len(seeds[-1]) > 2:
                return [Finished(task, error="killed", memory=True)]
            return [Finished(task, receipt([sum(seeds[-1])]))]

    large = Block({"number": 0}, (Axis.single("seed", range(8)),))
    found = list(drive(job, Schedule([(large,)], lambda b: (), lambda call: False), Small()))
    assert [r.error for r in found] == [None] * 4
    assert sorted(seeds) == sorted([[*range(8)], [*range(4)], [*range(4, 8)], [0, 1], [2, 3], [4, 5], [6, 7]])


def test_a_final_error_is_not_tried_again_once_it_is_alone(job):
    executor = Scripted(lambda what: "SystemExit: no" if 1 in what else None, final=True)
    assert outcomes(drive(job, schedule([(0, 1)]), executor)) == {0: None, 1: "SystemExit: no"}
    assert executor.tried[frozenset({1})] == 1


def test_an_artifact_that_is_lost_three_times_closes_what_needs_it_and_leaves_the_rest_of_its_bundle(job):
    calls = [made(name=k) for k in range(3)]
    executor = Scripted(lambda what: "lost" if what == calls[1].key else None)
    plan = schedule([(0, 1), (2,)], lambda b: [calls[number(b)]])
    receipts = list(drive(job, plan, executor))
    error = f"test.drive({calls[1].key[:8]}): lost (3 attempts)"
    assert outcomes(receipts) == {0: None, 1: error, 2: None}
    assert [r.error for r in receipts if isinstance(r, ArtifactReceipt) and r.key == calls[1].key] == [error]
    assert executor.tried[calls[1].key] == 3
    assert executor.tried[frozenset({0})] == 1, "the rest of the bundle ran without the lost block"


def test_bundles_stay_whole_and_tasks_grow_to_the_time_an_executor_wants(job):
    bundles = [(2 * k, 2 * k + 1) for k in range(100)]
    executor = Scripted()
    assert len(outcomes(drive(job, schedule(bundles), executor))) == 200
    sizes = {len(what) for what in executor.tried}
    assert max(sizes) == 4, "five blocks of .2 s are a second, and a bundle is not torn"
    assert all(len({n // 2 for n in what}) * 2 == len(what) for what in executor.tried)


def test_inline_takes_one_bundle_at_a_time_in_plan_order(job, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "sweeper.worker.tasks.solve_blocks", lambda job, bs: seen.append([*map(number, bs)]) or receipt(seen[-1])
    )
    assert len(outcomes(drive(job, schedule([(0, 1), (2,), (3, 4)]), InlineExecutor()))) == 5
    assert seen == [[0, 1], [2], [3, 4]]


def test_a_disk_that_is_full_ends_the_loop(job):
    class Full(Scripted):
        def wait(self):
            raise StoreError("no space")

    with pytest.raises(StoreError, match="no space"):
        list(drive(job, schedule([(0,)]), Full()))
