"""Many small parts become few: readers see every row once, a kill leaves one state or the other, and everything goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from workbench import Bench, events, part_files, table

import w2s
from sweeper import launch
from sweeper.folder import compact as room
from sweeper.folder.compact import compact, exchange
from sweeper.folder.run_folder import RunFolder
from sweeper.review.rerun import rerun_cell
from sweeper.review.status import run_status

GRID = "study: toy.py:Toy\naxes:\n  x: {xs}\nseeds: 1\n"
FEW = 5


def grid_of(bench: Bench, xs: range) -> Path:
    return bench.grid(GRID.format(xs=[*xs]))


@pytest.fixture
def many(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of forty parts of one row."""
    run = launch(grid_of(bench, range(40)), executor="inline").run
    assert len(part_files(run)) == 40
    monkeypatch.setattr(room, "_FEW", FEW)
    monkeypatch.setattr(compact, "__kwdefaults__", {"few": FEW})
    return run


def test_rows_stay_and_a_launch_finds_them(bench: Bench, many: Path) -> None:
    before, oldest = table(many), min(path.stat().st_mtime for path in (many / "results").glob("part-[!0]*"))
    outcome = launch(grid_of(bench, range(40)), executor="inline")
    assert (outcome.found, outcome.computed, len(part_files(many))) == (40, 0, 1)
    assert table(many).equals(before)
    assert events(many, "compact")[0]["files"] == 39
    merged = RunFolder(many).parts()[0]
    assert (merged.rows, len(merged.blocks), merged.path.stat().st_mtime) == (40, 40, oldest)
    assert run_status(many, verify=True).done == 40
    assert launch(grid_of(bench, range(40)), executor="inline").found == 40
    again = rerun_cell(many, before["cell_id"][3].as_py(), "numpy")
    assert again.verdict("student_error") == "same bits"


def test_merged_parts_are_extended_and_cut_otherwise(bench: Bench, many: Path) -> None:
    launch(grid_of(bench, range(40)), executor="inline")
    outcome = launch(grid_of(bench, range(60)), executor="inline")
    assert (outcome.found, outcome.computed) == (40, 20)
    text = GRID.format(xs=[*range(60)]).replace("seeds: 1", "seeds: 3")
    outcome = launch(bench.grid(text), executor="inline")
    assert (outcome.found, outcome.computed, outcome.pending) == (60, 120, 0)
    rows = pd.read_parquet(many / "results")
    assert len(rows) == rows["cell_id"].nunique() == 180 == run_status(many).done
    whole = launch(bench.grid(text), out=bench.folder / "whole", executor="inline")
    assert table(many).equals(table(whole.run))


def test_failed_rows_stay_in_parts_of_their_own_and_are_tried_again(bench: Bench, many: Path) -> None:
    shutil.rmtree(many)
    bench.steer(fail=1)
    assert launch(grid_of(bench, range(40)), executor="inline").failed == 1
    assert len(part_files(many)) == 2
    bench.steer(fail=None)
    outcome = launch(grid_of(bench, range(40)), executor="inline")
    assert (outcome.found, outcome.computed, run_status(many).done) == (39, 1, 40)


def test_what_a_late_worker_writes_is_a_copy(bench: Bench, many: Path) -> None:
    late = next(path for path in (many / "results").glob("part-[!0]*"))
    kept = late.read_bytes()
    launch(grid_of(bench, range(40)), executor="inline")
    late.write_bytes(kept)
    assert (run_status(many).done, run_status(many).copies, len(w2s.load(many))) == (40, 1, 40)
    launch(grid_of(bench, range(40)), executor="inline")
    assert (late.exists(), len(pd.read_parquet(many / "results"))) == (False, 40)


def test_damage_to_a_merged_part_costs_its_cells_alone(bench: Bench, many: Path) -> None:
    before = table(many)
    launch(grid_of(bench, range(40)), executor="inline")
    path = RunFolder(many).parts()[0].path
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert launch(grid_of(bench, range(40)), executor="inline").computed == 40
    assert table(many).equals(before)


@pytest.mark.fault
def test_readers_see_every_row_once_or_an_error(many: Path) -> None:
    """Folders are exchanged sixty times while three readers read."""
    results, packed = many / "results", many / "packed"
    shutil.copytree(results, packed)
    assert compact(packed, _parts_in(packed)) == 39
    stop, seen, odd = threading.Event(), {"pandas": [], "load": [], "contents": []}, []

    def read(name, reader) -> None:
        while not stop.is_set():
            try:
                seen[name].append(reader()["cell_id"].tolist())
            except FileNotFoundError:
                pass
            except Exception as error:
                odd.append(error)

    def contents():
        found = RunFolder(many).contents()
        assert not found.copies
        assert not found.damaged
        return pd.DataFrame({"cell_id": range(sum(part.rows for part in found.parts))})

    ways = {"pandas": lambda: pd.read_parquet(results), "load": lambda: w2s.load(many), "contents": contents}
    readers = [threading.Thread(target=read, args=way) for way in ways.items()]
    for reader in readers:
        reader.start()
    for _ in range(60):
        assert exchange(packed, results)
        time.sleep(0.03)
    stop.set()
    for reader in readers:
        reader.join()
    assert odd == []
    assert {(len(ids), len(set(ids))) for ids in seen["load"] + seen["contents"]} == {(40, 40)}
    # pandas lists a folder, then looks each name up, and leaves out what is gone: it may see nothing, but no row twice.
    assert {(len(ids), len(set(ids))) for ids in seen["pandas"]} <= {(40, 40), (0, 0)}
    assert (40, 40) in {(len(ids), len(set(ids))) for ids in seen["pandas"]}


def _parts_in(results: Path):
    folder = RunFolder(results.parent)
    folder.results = results
    return folder.parts()


@pytest.mark.fault
@pytest.mark.parametrize("step", range(6))
def test_a_kill_leaves_one_state_or_the_other(bench: Bench, many: Path, step: int) -> None:
    before = table(many)
    program = f"""
import os, signal, sys
from pathlib import Path
from sweeper.folder import compact as room
from sweeper.folder.run_folder import RunFolder
steps = {{0: "_merge", 1: "_flush", 2: "exchange", 3: "exchange", 4: "_flush", 5: "_merge"}}
name, after = steps[{step}], {step} in (3, 5)
true, calls = getattr(room, name), []
def die(*args):
    calls.append(1)
    if after:
        true(*args)
    if len(calls) > ({step} == 4):
        os.kill(os.getpid(), signal.SIGKILL)
    return true(*args)
setattr(room, name, die)
room.compact(Path("{many}/results"), RunFolder(Path("{many}")).parts(), few={FEW})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], timeout=60, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert done.returncode == -signal.SIGKILL
    assert table(many).equals(before)
    outcome = launch(grid_of(bench, range(40)), executor="inline")
    assert (outcome.found, outcome.computed, list(many.glob(".compact-*"))) == (40, 0, [])
    assert table(many).equals(before)


@pytest.mark.parametrize("lacks", ["exchange", "links"])
def test_where_folders_cannot_be_exchanged_parts_stay(many: Path, monkeypatch: pytest.MonkeyPatch, lacks: str) -> None:
    if lacks == "exchange":
        monkeypatch.setattr(room, "exchange", lambda first, second: False)
    else:
        monkeypatch.setattr(os, "link", lambda *args: (_ for _ in ()).throw(OSError(1, "no links")))
    before = part_files(many)
    RunFolder(many).compact()
    assert (part_files(many), list(many.glob(".compact-*"))) == (before, [])
