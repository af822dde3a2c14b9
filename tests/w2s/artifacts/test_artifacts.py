"""Artifacts: keys follow what determines a value, each value is computed once, nothing half-made is ever seen."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from workbench import wait_until

from w2s.artifacts import ArtifactError, Call, Store, Work, artifact, in_order
from w2s.files.datafile import DataFile


@artifact(version=1, name="test.number", cost=lambda value: 10.0 * value)
def number(work: Work, *, value: int) -> None:
    (work.folder / "value.json").write_text(json.dumps(value))


@artifact(version=1, name="test.total")
def total(work: Work, *, parts: list[Path], scale: float = 1.0) -> None:
    values = [json.loads((folder / "value.json").read_text()) for folder in parts]
    (work.folder / "value.json").write_text(json.dumps(scale * sum(values)))


@artifact(version=1, name="test.slow")
def slow(work: Work, *, log: str, seconds: float) -> None:
    with Path(log).open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    (work.folder / "half.json").write_text("{}")
    (work.scratch / "checkpoint.json").write_text("17")
    time.sleep(seconds)
    (work.folder / "value.json").write_text("1")


@artifact(version=1, name="test.broken")
def broken(work: Work, *, attempt: int) -> None:
    (work.folder / "value.json").write_text("1")
    (work.scratch / "checkpoint.json").write_text("17")
    raise ValueError("no luck")


def value_of(folder: Path) -> float:
    return float(json.loads((folder / "value.json").read_text()))


def test_key_follows_arguments_version_and_inputs(tmp_path):
    assert number(value=3).key == number(value=3.0).key  # one number, two spellings
    assert number(value=3).key != number(value=4).key
    other = artifact(version=2, name="test.number")(number.function)
    assert other(value=3).key != number(value=3).key
    assert total(parts=[number(value=1)]).key == total(parts=[number(value=1)], scale=1).key  # defaults are part of it
    assert total(parts=[number(value=1)]).key != total(parts=[number(value=2)]).key
    assert total(parts=[number(value=1), number(value=2)]).key != total(parts=[number(value=2), number(value=1)]).key
    with pytest.raises(TypeError):
        number(valu=3)


def test_key_of_a_file_is_its_content(tmp_path):
    for name, text in (("a.csv", "x"), ("b.csv", "x"), ("c.csv", "y")):
        (tmp_path / name).write_text(text)
    first, same, other = (number(value=DataFile.find(name, tmp_path)) for name in ("a.csv", "b.csv", "c.csv"))
    assert first == same
    assert first != other


def test_order_puts_inputs_first_and_each_call_once():
    leaves = [number(value=k) for k in range(3)]
    middle = [total(parts=leaves[:2]), total(parts=leaves[1:])]
    top = total(parts=[*middle, leaves[0]])
    order = in_order([top, middle[0]])
    assert len(order) == 6
    place = {call.key: k for k, call in enumerate(order)}
    for call in order:
        assert all(place[needed.key] < place[call.key] for needed in call.inputs)


def test_a_chain_of_ten_thousand_calls_is_no_recursion():
    call = number(value=0)
    for _ in range(10_000):
        call = total(parts=[call])
        call.key  # noqa: B018  keys are cached bottom-up
    assert len(in_order([call])) == 10_001


def test_each_value_is_made_once_and_found_again(tmp_path):
    store = Store(tmp_path / "store")
    call = total(parts=[number(value=2), number(value=5)], scale=2.0)
    assert [c.artifact.name for c in store.missing([call])] == ["test.number", "test.number", "test.total"]
    assert value_of(store.ensure(call)) == 14.0
    assert store.missing([call]) == []
    again = Store(tmp_path / "store")
    before = (again.get(call) / "artifact.json").stat().st_mtime_ns
    assert again.ensure(call) == store.get(call)
    assert (again.get(call) / "artifact.json").stat().st_mtime_ns == before
    manifest = again.manifest(call)
    assert manifest["function"] == "test.total"
    assert manifest["inputs"] == [c.key for c in call.inputs]
    assert manifest["files"]["value.json"] > 0


def test_a_finished_value_hides_what_only_it_needed(tmp_path):
    store = Store(tmp_path)
    call = total(parts=[number(value=2)])
    store.ensure(call)
    assert store.remove_unused({call.key})[0] == 1  # the number goes
    assert store.missing([call]) == []


def test_a_failure_publishes_nothing_and_keeps_scratch(tmp_path):
    store = Store(tmp_path)
    call = broken(attempt=1)
    with pytest.raises(ValueError, match="no luck"):
        store.compute(call)
    assert not store.has(call)
    assert (tmp_path / "scratch" / call.key / "checkpoint.json").exists()
    assert not list(tmp_path.glob("??/.*"))
    with pytest.raises(ArtifactError, match=r"test\.broken"):
        store.get(call)


def _compute(path: Path, call: Call) -> None:
    Store(path).compute(call)


def test_two_processes_compute_a_value_once(tmp_path):
    log = tmp_path / "log"
    call = slow(log=str(log), seconds=0.5)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_compute, args=(tmp_path / "store", call)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(log.read_text().split()) == 1


@pytest.mark.fault
def test_a_killed_computation_leaves_its_lease_free_and_its_scratch_there(tmp_path):
    log = tmp_path / "log"
    call = slow(log=str(log), seconds=60.0)
    store = Store(tmp_path / "store")
    worker = multiprocessing.get_context("fork").Process(target=_compute, args=(store.path, call))
    worker.start()
    checkpoint = store.path / "scratch" / call.key / "checkpoint.json"
    wait_until(lambda: log.exists() and checkpoint.exists() and checkpoint.read_text() == "17")
    assert store.remove_unused() == (0, 0)  # in use: left alone
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    assert not store.has(call)
    quick = Call(artifact(version=1, name="test.slow")(_finish), call.arguments)
    assert quick.key == call.key
    assert store.compute(quick).is_dir()
    assert not list(store.path.glob("??/.*"))
    assert not (store.path / "scratch" / call.key).exists()


def _finish(work: Work, *, log: str, seconds: float) -> None:
    assert (work.scratch / "checkpoint.json").read_text() == "17"
    assert not list(work.folder.iterdir())
    (work.folder / "value.json").write_text("1")


def test_removing_others_keeps_what_is_listed(tmp_path):
    store = Store(tmp_path)
    kept, gone = number(value=1), number(value=2)
    store.ensure(kept)
    store.ensure(gone)
    count, size = store.remove_unused({kept.key})
    assert count == 1
    assert size > 0
    assert list(store.keys()) == [kept.key]


def test_cost_is_of_the_call_alone():
    assert number(value=3).flops == 30.0
    assert total(parts=[number(value=3)]).flops == 0.0


@pytest.mark.parametrize("gone", ["value.json", "artifact.json"])
def test_a_value_of_which_a_file_is_gone_is_made_again(tmp_path, gone):
    store, call = Store(tmp_path), number(value=3)
    (store.ensure(call) / gone).unlink()
    assert not store.has(call)
    assert value_of(store.ensure(call)) == 3


def test_what_a_killed_process_left_goes_with_the_garbage(tmp_path):
    store, call = Store(tmp_path), number(value=3)
    left = store.ensure(call).parent / f".{call.key}-00ff"
    left.mkdir()
    assert store.remove_unused({call.key})[0] == 0
    assert not left.exists()
    assert store.has(call)


def test_a_run_that_registers_during_a_removal_has_what_it_sees(tmp_path, monkeypatch):
    store, call, run = Store(tmp_path / "store"), number(value=1), tmp_path / "run"
    run.mkdir()
    (run / "grid.yaml").write_text("")
    store.ensure(call)
    seen: list[bool] = []

    def launch() -> None:
        store.register(run, [call.key])
        seen.append(store.has(call))

    launched, in_use = threading.Thread(target=launch), Store.in_use

    def then_launch(self: Store) -> dict[str, set[str]]:
        found = in_use(self)
        launched.start()
        launched.join(0.3)  # it may finish before anything is removed, if nothing holds it back
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Store, "in_use", then_launch)
        store.remove_unused()
    launched.join()
    assert seen == [store.has(call)]
    store.ensure(call)
    assert store.remove_unused() == (0, 0)
    assert store.has(call)
