"""The order of work: every call once, inputs first, blocks when theirs are done, and nothing waits for what failed."""

from __future__ import annotations

import random

import pytest

from sweeper.launching.schedule import Schedule
from w2s.artifacts import Call, Work, artifact, in_order
from w2s.contract.block import Axis, Block


@artifact(version=1, name="test.leaf")
def leaf(work: Work, *, name: int) -> None: ...


@artifact(version=1, name="test.join")
def join(work: Work, *, parts: list[Call]) -> None: ...


def block(number: int) -> Block:
    return Block({"number": number}, (Axis.single("seed", [0]),))


def number(b: Block) -> int:
    return int(b.fixed["number"])


def diamond():
    """Two blocks over one shared leaf: 0 needs a join of leaves 0 and 1, 1 a join of 1 and 2, 2 needs nothing."""
    leaves = [leaf(name=k) for k in range(3)]
    return leaves, {0: [join(parts=leaves[:2])], 1: [join(parts=leaves[1:])], 2: []}


def run_all(schedule, broken=()):
    made, solved, lost = [], [], []
    while schedule.calls or schedule.bundles:
        while schedule.bundles:
            solved += [number(b) for b in schedule.bundles.popleft()]
        if schedule.calls:
            key = schedule.next_call()
            made.append(key)
            if key in broken:
                lost += [number(b) for b in schedule.failed(key, "no luck")]
            else:
                schedule.succeeded(key)
    return made, solved, lost


def test_each_call_once_and_inputs_first():
    _, needs = diamond()
    schedule = Schedule([(block(k),) for k in range(3)], lambda b: needs[number(b)], lambda call: False)
    assert schedule.missing == 5
    made, solved, lost = run_all(schedule)
    assert len(made) == len(set(made)) == 5
    for call in in_order([*needs[0], *needs[1]]):
        assert all(made.index(needed.key) < made.index(call.key) for needed in call.inputs)
    assert solved[0] == 2
    assert sorted(solved) == [0, 1, 2]
    assert lost == []


def test_rows_come_early():
    """Seed after seed: what the first block needs is made before anything that only later blocks need."""
    chains = {k: [join(parts=[join(parts=[leaf(name=k)]), leaf(name=100 + k)])] for k in range(6)}
    schedule = Schedule([(block(k),) for k in range(6)], lambda b: chains[number(b)], lambda call: False)
    made, solved, _ = run_all(schedule)
    assert made == [call.key for k in range(6) for call in in_order(chains[k])]
    assert solved == list(range(6))


def test_finished_values_are_not_made_again():
    leaves, needs = diamond()
    finished = {leaves[0].key, needs[1][0].key}
    schedule = Schedule([(block(k),) for k in range(3)], lambda b: needs[number(b)], lambda call: call.key in finished)
    made, solved, _ = run_all(schedule)
    assert set(made) == {leaves[1].key, needs[0][0].key}
    assert solved[:2] == [1, 2]


@pytest.mark.parametrize(("broken", "lost"), [(0, [0]), (1, [0, 1]), (2, [1])])
def test_a_failure_takes_what_needs_it_and_nothing_else(broken, lost):
    leaves, needs = diamond()
    schedule = Schedule([(block(k),) for k in range(3)], lambda b: needs[number(b)], lambda call: False)
    made, solved, gone = run_all(schedule, broken={leaves[broken].key})
    assert sorted(gone) == lost
    assert sorted(solved) == sorted({0, 1, 2} - set(lost))
    assert len(made) == len(set(made))


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs_end_with_every_block_solved_or_lost(seed):
    generator = random.Random(seed)
    calls = [leaf(name=k) for k in range(6)]
    for _ in range(20):
        calls.append(join(parts=generator.sample(calls, generator.randint(1, 4))))
    needs = {k: generator.sample(calls, generator.randint(0, 4)) for k in range(12)}
    broken = {call.key for call in generator.sample(calls, 3)}
    finished = {call.key for call in generator.sample(calls, 5)} - broken
    schedule = Schedule([(block(k),) for k in needs], lambda b: needs[number(b)], lambda call: call.key in finished)
    made, solved, lost = run_all(schedule, broken)
    assert sorted(solved + lost) == list(needs)
    assert len(made) == len(set(made))
    for k, wanted in needs.items():
        closure = {call.key for call in in_order(wanted, lambda call: call.key in finished)}
        assert (k in lost) == bool(closure & broken)


def test_a_bundle_starts_when_all_its_blocks_can_and_loses_those_that_cannot():
    calls = [leaf(name=k) for k in range(3)]
    needs = {0: [calls[0]], 1: [calls[1]], 2: [], 3: [calls[2]]}
    schedule = Schedule([(block(0), block(1), block(2)), (block(3),)], lambda b: needs[number(b)], lambda call: False)
    assert not schedule.bundles
    schedule.succeeded(calls[0].key)
    assert not schedule.bundles, "one of its blocks still waits"
    assert [number(b) for b in schedule.failed(calls[1].key, "no luck")] == [1]
    assert [[number(b) for b in bundle] for bundle in schedule.bundles] == [[0, 2]]
    assert [number(b) for b in schedule.failed(calls[2].key, "no luck")] == [3]
    assert len(schedule.bundles) == 1, "a bundle of which nothing is left does not run"
