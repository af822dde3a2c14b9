"""The watchdog of a block: it ends its own process, inside compiled code too, and says where that was."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sweeper.worker.limit import limited, where_it_stood

PROGRAM = """
import sys, time, ctypes
from sweeper.worker.limit import limited
from w2s.places.url import where_of
with limited(where_of(sys.argv[1]), "k", 0.2):
    {}
"""


@pytest.mark.fault
@pytest.mark.parametrize("busy", ["time.sleep(100)", "ctypes.PyDLL(None).sleep(100)"])
def test_it_ends_the_process_and_says_where(tmp_path, busy):
    """The second one holds the interpreter's lock all the time."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(busy))
    done = subprocess.run([sys.executable, str(program), str(tmp_path)], check=False, timeout=60)
    assert done.returncode == 1
    assert where_it_stood(tmp_path, "k", tmp_path) == "program.py:6"
    assert where_it_stood(tmp_path, "k", tmp_path) is None, "it is said once"


@pytest.mark.fault
def test_a_run_in_a_bucket_is_told_from_another_machine(tmp_path, s3):
    program, there = tmp_path / "program.py", tmp_path / "there"
    program.write_text(PROGRAM.format("time.sleep(100)"))
    there.mkdir()
    command = [sys.executable, str(program), str(s3)]
    done = subprocess.run(command, check=False, timeout=60, env=os.environ | {"TMPDIR": str(there)})
    assert done.returncode == 1
    assert where_it_stood(s3, "k", tmp_path) == "program.py:6"
    assert where_it_stood(s3, "k", tmp_path) is None, "it is said once"
    with limited(s3, "k", 1000):
        assert where_it_stood(s3, "k", tmp_path) is None


def test_a_block_in_time_leaves_nothing(tmp_path):
    with limited(tmp_path, "k", 1000):
        assert where_it_stood(tmp_path, "other", None) is None
    with limited(tmp_path, "k", None):
        assert list(tmp_path.iterdir()) == []


def test_a_foreign_file_is_no_traceback(tmp_path):
    (tmp_path / ".late-k").write_bytes(b"\xff nothing of use")
    assert where_it_stood(tmp_path, "k", tmp_path) == ""
