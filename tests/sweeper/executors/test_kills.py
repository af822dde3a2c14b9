"""Launches that are killed, interrupted, raced or starved: what is there stays whole, and the next launch resumes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workbench import TOY_GRID, events, part_files, table, wait_until

from sweeper import launch
from sweeper.errors import RunError
from sweeper.folder.part import DamagedPartError, read_part, unreadable
from sweeper.folder.run_folder import RunFolder
from sweeper.review.status import run_status

pytestmark = pytest.mark.fault
GRID = TOY_GRID.replace("seeds: 2", "seeds: 6")


@pytest.fixture
def undisturbed(bench):
    """Rows of the same grid, computed without a break."""
    return table(launch(bench.grid(GRID), out=bench.folder / "undisturbed", executor="inline").run)


def started(bench, parts, *options):
    """A slow launch that has written so many parts."""
    bench.solved()
    bench.steer(sleep=0.05)
    process = bench.start("launch", "grid.yaml", "--executor", "inline", *options)
    run = bench.folder / "runs" / "grid"
    wait_until(lambda: len(part_files(run)) >= parts)
    return process, run


def test_killed_half_way(bench, undisturbed):
    process, run = started(bench, 5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    there = part_files(run)
    assert 5 <= len(there) < 24
    assert len(pq.read_table(run / "results")) < 48
    (run / "results" / ".tmp-1-part-x.parquet").write_bytes(b"half a part")
    bench.steer(sleep=None)
    bench.solved()
    outcome = launch(bench.folder / "grid.yaml", executor="inline")
    assert outcome.found + outcome.computed == 48
    assert outcome.found >= 10
    assert sum(bench.solved()) == outcome.computed
    assert table(run).equals(undisturbed)
    assert not list((run / "results").glob(".tmp-*"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_half_way(bench, undisturbed, how):
    process, run = started(bench, 3)
    os.killpg(process.pid, how)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "interrupted; launch again to resume" in out
    assert "pending" in out
    assert "Traceback" not in err
    assert events(run, "end")[-1]["exit"] == 130
    assert 3 <= len(part_files(run)) < 24, "the launch was interrupted half way"
    bench.steer(sleep=None)
    done = bench.sweep("launch", "grid.yaml", "--executor", "inline")
    assert done.returncode == 0
    assert table(run).equals(undisturbed)
    assert len(set(table(run)["cell_id"].to_pylist())) == 48


def test_interrupted_again_and_again(bench, undisturbed):
    for _ in range(3):
        process, run = started(bench, 1 + len(part_files(bench.folder / "runs" / "grid")))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 130
        assert len(part_files(run)) < 24
    bench.steer(sleep=None)
    assert launch(bench.folder / "grid.yaml", executor="inline").found >= 6
    assert table(run).equals(undisturbed)


def test_two_launches_at_once(bench, undisturbed):
    bench.solved()
    bench.steer(sleep=0.02)
    both = [bench.start("launch", "grid.yaml", "--executor", "inline") for _ in range(2)]
    ends = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    run = bench.folder / "runs" / "grid"
    assert sum(bench.solved()) == 48, "nothing is computed twice"
    assert table(run).equals(undisturbed)
    assert sum("another launch is at work" in err for _, err in ends) == 1
    assert sum("nothing to do" in out for out, _ in ends) == 1


def test_a_launch_that_waits_can_be_interrupted(bench):
    bench.grid(GRID)
    first, run = started(bench, 1)
    bench.steer(sleep=1)  # the second launch arrives while the first is at work, on a busy machine too
    second = bench.start("launch", "grid.yaml", "--executor", "inline")
    line = second.stderr.readline()
    assert "another launch is at work" in line
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=90)
    assert second.returncode == 130
    bench.steer(sleep=None)
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert table(run).num_rows == 48


LIMITED = """
import resource, signal, sys
from sweeper.cli import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main()
"""


def test_no_room_for_parts(bench, undisturbed):
    """A file may not grow beyond some kilobytes: writing a part fails with an error of the system, as on a full disk."""
    run = bench.folder / "runs" / "grid"
    smallest = min(path.stat().st_size for path in (bench.folder / "undisturbed" / "results").glob("part-*"))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(smallest - 1000), "launch", "grid.yaml", "--executor", "inline", "--out", str(run)],
        capture_output=True,
        text=True,
        cwd=bench.folder,
        env=bench.environment,
    )
    assert done.returncode == 1, done.stderr
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error")]) == 1
    assert not part_files(run)
    assert not list((run / "results").glob(".tmp-*"))
    assert launch(bench.folder / "grid.yaml", executor="inline").computed == 48
    assert table(run).equals(undisturbed)


def mounted(folder, options):
    """A file system of its own, or a skip where mounting is not allowed."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"mounting a tmpfs is not allowed here: {done.stderr.strip()}")


def test_the_disk_is_full_half_way(bench, undisturbed):
    disk = bench.folder / "disk"
    mounted(disk, "size=160k")
    try:
        command = ("launch", "grid.yaml", "--executor", "inline", "--out", disk / "run")
        refused = bench.sweep(*command)
        assert (refused.returncode, "launch all the same with --no-space-check" in refused.stderr) == (1, True), refused.stderr
        assert not part_files(disk / "run")
        done = bench.sweep(*command, "--no-space-check")
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        there = part_files(disk / "run")
        assert 0 < len(there) < 24
        assert len(pq.read_table(disk / "run" / "results")) == 2 * len(there), "every visible part is whole"
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        done = bench.sweep("launch", "grid.yaml", "--executor", "inline", "--out", disk / "run")
        assert done.returncode == 0, done.stderr
        assert table(disk / "run").equals(undisturbed)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = bench.sweep(
            "launch", bench.grid(GRID.replace("seeds: 6", "seeds: 7")), "--executor", "inline", "--out", disk / "run"
        )
        assert done.returncode == 1
        assert "Read-only file system" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_may_not_be_written(bench):
    run = launch(bench.grid(), executor="inline").run
    run.joinpath("results").chmod(0o555)
    bench.grid(GRID)
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"] if os.geteuid() == 0 else []
    command = [*drop, sys.executable, "-m", "sweeper", "launch", "grid.yaml", "--executor", "inline"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=bench.folder, env=bench.environment)
    except FileNotFoundError:
        pytest.skip("setpriv is not installed")
    finally:
        run.joinpath("results").chmod(0o755)
    assert done.returncode == 1, done.stderr
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
    assert launch(bench.folder / "grid.yaml", executor="inline").found == 16


def test_a_damaged_part_is_set_aside_and_computed_again(bench):
    run = launch(bench.grid(), executor="inline").run
    before = table(run)
    path = run / "results" / sorted(part_files(run))[0]
    whole = path.read_bytes()
    for number, content in enumerate((b"", b"PAR1", whole[: len(whole) // 2], b"\x00" * len(whole)), start=1):
        path.write_bytes(content)
        assert (run_status(run).done, run_status(run).damaged) == (14, 1)
        outcome = launch(bench.folder / "grid.yaml", executor="inline")
        assert (outcome.found, outcome.computed, outcome.exit) == (14, 2, 0)
        aside = [file for file in (run / "superseded").iterdir() if file.read_bytes() == content]
        assert (len(aside), aside[0].suffix, len(events(run, "damaged"))) == (1, ".damaged", number)
        assert events(run, "damaged")[-1]["part"] == path.name
        assert table(run).equals(before)
    path.write_bytes(whole[:100])
    assert "1 damaged part:" in bench.sweep("status", "runs/grid").stdout
    done = bench.sweep("launch", "grid.yaml", "--executor", "inline")
    assert (done.returncode, (done.stdout + done.stderr).count("a damaged part is set aside")) == (0, 1)
    (run / "results" / "part-0000-schema.parquet").write_bytes(b"")
    assert launch(bench.folder / "grid.yaml", executor="inline").found == 16
    assert len(pq.read_table(run / "results")) == 16


def test_a_part_damaged_behind_its_footer(bench):
    """Where the rows of a part are needed, its damage shows, and its cells are computed again."""
    run = launch(bench.grid(), executor="inline").run
    path = run / "results" / sorted(part_files(run))[0]
    whole = bytearray(path.read_bytes())
    whole[4:64] = b"\xff" * 60
    path.write_bytes(whole)
    outcome = launch(bench.grid(TOY_GRID.replace("[10, 20]", "[10, 15, 20]")), executor="inline")
    assert (outcome.found, outcome.computed, outcome.exit) == (14, 10, 0)
    assert [event["part"] for event in events(run, "damaged")] == [path.name]
    assert len(pq.read_table(run / "results")) == 24


def test_a_part_that_may_not_be_read_is_not_taken_for_damaged(tmp_path):
    path = tmp_path / "part-0.parquet"
    with pytest.raises(RunError, match=r"part-0\.parquet cannot be read: No such file"):
        read_part(path)
    assert not isinstance(unreadable(path, PermissionError(13, "Permission denied")), DamagedPartError)


def test_a_part_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Nothing but a rename follows the flush, and the flush sees the whole file."""
    folder, seen = RunFolder(tmp_path), []
    folder.prepare()

    def fsync(descriptor):
        names = [path.name for path in folder.results.iterdir()]
        seen.append((names, os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, "fsync", fsync)
    folder.write_part("a", pa.table({"cell_id": ["0" * 32], "x": [1.0]}), {})
    (names, size), final = seen[0], folder.part_path("a")
    assert len(seen) == 1
    assert [name.startswith(".tmp-") for name in names] == [True]
    assert final.stat().st_size == size


def test_a_foreign_file_among_the_results(bench):
    run = launch(bench.grid(), executor="inline").run
    pq.write_table(table(run), run / "results" / "part-mine.parquet")
    with pytest.raises(RunError, match=r"part-mine\.parquet is not a part of a run"):
        launch(bench.folder / "grid.yaml", executor="inline")


def test_memory_limits_are_no_reason_to_lose_rows(bench, undisturbed):
    """A study that runs out of memory gives failed rows, and the next launch computes them."""
    limit = 6 * 2**30
    study = bench.folder / "toy.py"
    text = study.read_text()
    study.write_text(
        text.replace(
            "        misbehave(block)\n", "        misbehave(block)\n        if 3.0 in block.values('x'): np.ones(2**40)\n"
        )
    )
    done = bench.sweep(
        "launch", "grid.yaml", "--executor", "inline", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    )
    assert done.returncode == 3, done.stderr
    assert "MemoryError" in done.stdout
    run = bench.folder / "runs" / "grid"
    assert sum(row["status"] == "failed" for row in table(run).to_pylist()) == 12
    study.write_text(text)
    with pytest.raises(RunError, match=r"toy\.py: 36 rows were made when it was"):
        launch(bench.folder / "grid.yaml", executor="inline")
    assert launch(bench.folder / "grid.yaml", executor="inline", keep_code=True).computed == 12
    whose = "code_digest"
    assert len(table(run)[whose].unique()) == 2
    assert table(run).drop_columns([whose]).equals(undisturbed.drop_columns([whose]))
