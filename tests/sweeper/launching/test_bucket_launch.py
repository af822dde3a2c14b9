"""Runs in a bucket: launched, killed, resumed, raced, reviewed, on an S3 server of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from buckets import bucket_parts, bucket_table, flaky
from typer.testing import CliRunner
from workbench import TOY_GRID, table, wait_until

import w2s
from sweeper import launch
from sweeper.cli import app
from sweeper.folder.run_folder import RunFolder
from w2s.places.known import place_of

GRID = TOY_GRID.replace("[1, 2, 3, 4]", "[1, 2, 3, 4, 5, 6]").replace("seeds: 2", "seeds: 4")
READ = "import pandas, sys; print(len(pandas.read_parquet(sys.argv[1])))"


@pytest.fixture
def local(bench):
    """The rows of the grid in a folder of this machine."""
    run = launch(bench.grid(GRID), executor="inline", out=bench.folder / "local").run
    bench.solved()
    return table(run)


def kinds(run):
    return [event["event"] for event in RunFolder(run).events()]


def test_a_run_in_a_bucket_is_launched_extended_and_reviewed(bench, local, s3):
    run = s3 / "run"
    before = sorted(path.name for path in bench.folder.iterdir())
    assert launch(bench.folder / "grid.yaml", executor="inline", out=str(run)).computed == 48
    assert bucket_table(run).equals(local)
    assert (kinds(run)[0], kinds(run)[-1], kinds(run).count("block")) == ("launch", "end", len(bucket_parts(run)))
    assert launch(bench.folder / "grid.yaml", out=run).found == 48
    bench.grid(GRID.replace("[10, 20]", "[10, 20, 30]") + f"out: {run}\n")
    more = bench.sweep("launch", "grid.yaml", "--executor", "processes", "--cpus", "2")
    assert (more.returncode, f"24 cells computed, 48 found, of 72; table in {run}/results" in more.stdout) == (0, True), (
        more.stderr
    )
    runner = CliRunner()
    status = runner.invoke(app, ["status", str(run)]).stdout
    assert "72 done (100.0 %), 0 failed, 0 pending of 72" in status
    cell = w2s.load(str(run))["cell_id"][0]
    assert "same bits" in runner.invoke(app, ["rerun", str(run), cell]).stdout
    report = runner.invoke(app, ["report", str(run)]).stdout
    assert f"open {run}/report/index.html" in report
    assert place_of(run).read(run / "report" / "index.html").startswith(b"<!doctype html>")
    refused = runner.invoke(app, ["verify", str(run)])
    assert (refused.exit_code, "makes no claims" in refused.stderr) == (2, True)
    plain = subprocess.run([sys.executable, "-c", READ, f"{run}/results"], capture_output=True, text=True, timeout=60)
    assert plain.stdout.strip() == "72", plain.stderr
    assert sorted(path.name for path in bench.folder.iterdir() if path.name not in ("__pycache__", "cache")) == before


@pytest.mark.fault
def test_a_killed_driver_is_resumed_at_once_and_the_rows_are_the_same(bench, local, s3):
    run, kills = s3 / "run", 2
    bench.grid(GRID)
    bench.steer(sleep=0.05)
    for number in range(kills):
        process = bench.start("launch", "grid.yaml", "--executor", "processes", "--cpus", "1", "--out", run)
        wait_until(lambda n=number: len(bucket_parts(run)) >= 3 * (n + 1), 60)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)
    bench.steer(sleep=None)
    outcome = launch(bench.folder / "grid.yaml", executor="inline", out=run)
    assert outcome.found >= 2 * 3 * kills
    assert outcome.exit == 0
    assert bucket_table(run).equals(local)
    assert kinds(run).count("launch") == kills + 1


@pytest.mark.fault
def test_two_drivers_at_once_compute_every_cell_once(bench, local, s3):
    run = s3 / "run"
    bench.grid(GRID)
    bench.steer(sleep=0.02)
    both = [bench.start("launch", "grid.yaml", "--executor", "inline", "--out", run) for _ in range(2)]
    ends = [process.communicate(timeout=90) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert sum(bench.solved()) == 48
    assert sum("another launch is at work" in err for _, err in ends) == 1
    assert sum("nothing to do" in out for out, _ in ends) == 1
    assert bucket_table(run).equals(local)


@pytest.mark.fault
def test_a_driver_that_was_stopped_too_long_writes_no_more(bench, local, s3, monkeypatch):
    """Its lease runs out, another takes over; when it goes on, it ends with one line, and nothing of it is left."""
    run = s3 / "run"
    monkeypatch.setenv("W2S_LEASE_SECONDS", "1")
    bench.grid(GRID)
    bench.steer(sleep=0.3)
    process = bench.start("launch", "grid.yaml", "--executor", "inline", "--out", run)
    wait_until(lambda: len(bucket_parts(run)) >= 2, 60)
    os.killpg(process.pid, signal.SIGSTOP)
    bench.steer(sleep=None)
    outcome = launch(bench.folder / "grid.yaml", executor="inline", out=run)
    assert (outcome.exit, outcome.found >= 4) == (0, True)
    before = {name: place_of(run).modified(run / "results" / name) for name in bucket_parts(run)}
    events = len(kinds(run))
    os.killpg(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, (out, err)
    assert "another launch has taken over" in err
    assert err.count("error:") == 1
    assert "Traceback" not in err
    assert {name: place_of(run).modified(run / "results" / name) for name in bucket_parts(run)} == before
    assert len(kinds(run)) == events
    assert bucket_table(run).equals(local)


@pytest.mark.fault
def test_a_flipped_bit_in_the_bucket_is_noticed_and_its_cells_are_computed_again(bench, local, s3):
    run = s3 / "run"
    launch(bench.grid(GRID), executor="inline", out=run)
    part = run / "results" / bucket_parts(run)[3]
    whole = place_of(run).read(part)
    for number, place in enumerate((60, len(whole) // 2, len(whole) - 3), 1):
        place_of(run).write(part, whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        outcome = launch(bench.folder / "grid.yaml", executor="inline", out=run)
        assert (outcome.exit, outcome.found, outcome.computed) == (0, 46, 2)
        assert len(place_of(run).files(run / "superseded")) == number
        assert bucket_table(run).equals(local)


@pytest.mark.fault
def test_one_call_in_twenty_fails_and_every_row_is_there(bench, local, s3, s3_server, monkeypatch):
    run = s3 / "run"
    with flaky(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        done = bench.sweep("launch", "grid.yaml", "--executor", "processes", "--cpus", "2", "--out", run, timeout=120)
        assert (done.returncode, "48 cells computed" in done.stdout) == (0, True), done.stderr
        assert "48 done (100.0 %)" in CliRunner().invoke(app, ["status", str(run)]).stdout
        assert len(w2s.load(str(run))) == 48
        assert proxy.failed >= 5
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    assert bucket_table(run).equals(local)
    assert len(kinds(run)) == len(bucket_parts(run)) + 2


def test_a_bucket_that_cannot_be_used_is_one_line(bench, s3, monkeypatch):
    bench.grid()
    runner = CliRunner()

    def said(*command):
        done = runner.invoke(app, list(command))
        assert (done.stderr.count("\n"), "only-for-tests" in done.output) == (1, False), done.output
        return done.exit_code, done.stderr

    launched = ("launch", str(bench.folder / "grid.yaml"), "--executor", "inline", "--out")
    assert said("status", str(s3 / "none")) == (
        2,
        f"error: {s3}/none is not a run folder (no grid.yaml in it); launch a grid first\n",
    )
    for command in (launched, ("status",)):
        code, text = said(*command, "s3://missing/run")
        assert (code in (1, 2), "the store has no such bucket" in text) == (True, True), text
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.example:9000")
    code, text = said(*launched, str(s3))
    assert (code, "has no TLS; http:// is for a store on this machine alone" in text) == (2, True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://tester:only-for-tests@localhost")
    assert said("status", str(s3))[0] == 2
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    code, text = said(*launched, str(s3))
    assert (code, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in text) == (2, True)
