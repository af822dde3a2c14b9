"""What a person sees of a launch: lines with the time left and trainings, and the same from another terminal."""

from __future__ import annotations

import errno
import io
import re
import threading

import pytest
from workbench import wait_until

from sweeper.folder.standing import read_standing
from sweeper.launching import progress as module
from sweeper.launching import ticker as ticker_module
from sweeper.launching.ledger import BLOCKS, Ledger, Work
from sweeper.launching.progress import Progress
from sweeper.launching.ticker import Ticker
from sweeper.worker.make import ArtifactReceipt
from sweeper.worker.tasks import ArtifactTask
from w2s.artifacts import Steps

WORDS = "train student mpnet cola naive seed 2"


@pytest.fixture
def ledger():
    """A launch with a training at work that has done 40 of 63 steps."""
    account = Ledger(24, 0, {"x": Work(BLOCKS, 1.0)}, {"k": Work("w2s.train", 10.0)})
    account.submitted(ArtifactTask(None, None, "k", "w2s.train", words=WORDS))
    return account


def test_a_line_with_the_time_left_and_one_for_each_training(tmp_path, ledger, monkeypatch):
    monkeypatch.setattr(module, "_LINE_SECONDS", -1.0)
    stream = io.StringIO()
    report, ticker = Progress(stream), Ticker(ledger, lambda key: Steps(40, 63, 1100.0, "tokens"), tmp_path, print, print)
    report.tick(ticker.standing())
    first, second = stream.getvalue().splitlines()
    assert re.fullmatch(r"0 of 1 artifacts, 0 of 24 cells, about \d+ s left", first)
    assert second == f"  {WORDS}: step 40 of 63, 1,100 tokens/s"
    report.made(ArtifactReceipt("k", "w2s.train", 61.25, None, words=WORDS), 1, 8)
    assert stream.getvalue().endswith(f"artifact 1 of 8: {WORDS}, 61.2 s\n")


class Terminal(io.StringIO):
    """A stream that a terminal reads."""

    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [80, 40])
def test_a_terminal_cuts_neither_the_time_left_nor_a_name(tmp_path, ledger, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    report, ticker = Progress(stream), Ticker(ledger, lambda key: Steps(40, 63, 1100.0, "tokens"), tmp_path, print, print)
    with report.running(ledger):
        report.note("backend numba: auto: numba imports; no GPU (ModuleNotFoundError: No module named 'cupy')")
        report.tick(ticker.standing())
        report._bar.refresh()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    lines = [line for piece in plain.split("\n") for line in piece.split("\r")]
    assert max(map(len, lines)) <= columns
    whole = " ".join(plain.split())
    assert re.search(r"0 of 1 artifacts, 0 of 24 cells, about \d+ s left", whole)
    assert f"{WORDS}: step 40 of 63, 1,100 tokens/s" in whole
    assert "No module named 'cupy')" in whole


def test_a_silent_launch_says_nothing_and_others_can_watch_it_all_the_same(tmp_path, ledger):
    seen = []
    with Ticker(ledger, lambda key: None, tmp_path, seen.append, print):
        wait_until((tmp_path / "standing.json").exists, 30)
        standing = read_standing(tmp_path)
        Progress.silent().tick(standing)
    assert (standing.cells, standing.artifacts, standing.left) == (24, 1, None)
    assert standing.tasks[0].name == WORDS
    assert list(tmp_path.iterdir()) == [], "it lasts as long as the launch"
    assert seen


def test_what_cannot_be_shown_is_said_once_and_the_file_goes_on(tmp_path, ledger, monkeypatch):
    monkeypatch.setattr(ticker_module, "_SECONDS", 0.01)
    said, failures = [], []

    def broken(standing):
        failures.append(standing)
        raise RuntimeError("the dashboard is gone")

    with Ticker(ledger, lambda key: None, tmp_path, broken, said.append):
        wait_until(lambda: len(failures) > 2 and (tmp_path / "standing.json").exists())
    assert said == ["how far the launch is cannot always be shown: RuntimeError: the dashboard is gone"]


def test_a_terminal_that_vanishes_ends_no_launch(tmp_path, ledger, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream, mine = Terminal(), threading.current_thread()

    def write(text):
        if threading.current_thread() is mine:  # the thread that draws the bar may fail without a launch
            raise OSError(errno.EIO, "gone")
        return len(text)

    report, ticker = Progress(stream), Ticker(ledger, lambda key: None, tmp_path, print, print)
    with report.running(ledger):
        stream.write = write
        for _ in range(2):
            report.note("an artifact is made")
            report.tick(ticker.standing())
    report.stream.close()


def test_status_follows_a_launch_and_says_how_it_ended(bench):
    bench.steer(sleep=1.5)
    launch = bench.start("launch", bench.grid(), "--executor", "processes", "--cpus", "2")
    run = bench.folder / "runs" / "grid"
    try:
        wait_until((run / "standing.json").exists, 60)
        watched = bench.sweep("status", run, "--watch", timeout=120)
    finally:
        _, err = launch.communicate(timeout=60)
    assert launch.returncode == 0, err
    assert watched.returncode == 0, watched.stderr
    assert re.search(r"^\d+ of 16 cells", watched.stdout, re.MULTILINE)
    assert re.search(r"^  solve x=\S+ n=\S+ seeds? \S+: \d+ s$", watched.stdout, re.MULTILINE)
    assert "16 done (100.0 %), 0 failed, 0 pending of 16" in watched.stdout
    assert not (run / "standing.json").exists()
