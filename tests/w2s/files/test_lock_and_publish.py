"""Locks that end with their holder, and folders that are whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from w2s.files.durable import publish
from w2s.files.lock import hold, is_held, try_hold

HOLDER = """
import sys, time
from pathlib import Path
from w2s.files.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_seen_waited_for_and_freed_by_a_kill(tmp_path):
    path = tmp_path / "locks" / "a"
    assert not is_held(path)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        assert is_held(path)
        with try_hold(path) as held:
            assert not held
        with hold(path, waiting=lambda: process.send_signal(signal.SIGKILL)):  # waits for the holder, which this ends
            assert process.wait(30) == -signal.SIGKILL
            assert is_held(path)
    assert not is_held(path)
    with try_hold(path) as held:
        assert held


def test_a_lock_that_may_only_be_read_is_seen_all_the_same(tmp_path):
    path = tmp_path / "a"
    with hold(path):
        path.chmod(0o444)
        assert is_held(path)
    assert not is_held(tmp_path / "none")


def test_a_folder_is_flushed_before_it_has_its_name_and_replaces_what_is_no_value(tmp_path, monkeypatch):
    place, folder, flushed = tmp_path / "value", tmp_path / ".new", []
    for where, text in ((place, "broken"), (folder, "whole")):
        (where / "inner").mkdir(parents=True)
        (where / "inner" / "file").write_text(text)
    (place / "stranger").write_text("left by a killed writer")

    def fsync(descriptor):
        flushed.append((os.fstat(descriptor).st_size, (place / "inner" / "file").read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    publish(folder, place)
    assert flushed == [(5, "broken")]
    assert [path.name for path in tmp_path.iterdir()] == ["value"]
    assert (place / "inner" / "file").read_text() == "whole"
    assert not (place / "stranger").exists()
