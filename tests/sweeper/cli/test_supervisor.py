"""The parent of a command: exit codes pass through, an end that is none is noticed, signals arrive once, breakpoints work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest
from kin import alive, descendants
from workbench import COMMAND, events, part_files, table, wait_until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(120)]

PROGRAM = """
import os, signal, sys, threading, time
from sweeper import supervised
from sweeper.cli.supervisor import supervise
from sweeper.signals import interrupted

def work():
    {}

sys.exit(supervise(work, again={}))
"""


def supervised(work, again=False):
    command = [sys.executable, "-c", PROGRAM.format(work, again)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("work", "code", "says"),
    [
        ("print('out')", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('words')", 1, "words\n"),
        ("raise KeyboardInterrupt", 130, ""),
        ("os._exit(0)", 1, "error: the process ended this command: it ended with code 0\n"),
        ("os.kill(os.getpid(), 9)", 1, "error: the process ended this command: killed by SIGKILL\n"),
        ("threading.Thread(target=time.sleep, args=(1000,)).start()", 0, ""),
    ],
)
def test_the_exit_code_of_the_child_is_the_exit_code(work, code, says):
    done = supervised(work)
    assert (done.returncode, done.stderr) == (code, says)
    assert done.stdout == ("out\n" if "print" in work else "")


def test_an_error_that_an_interrupt_became_is_an_interrupt():
    turned = "exec('try: os.kill(os.getpid(), 15); time.sleep(9)\\nexcept KeyboardInterrupt: raise ValueError from None')"
    done = supervised(turned)
    assert (done.returncode, done.stderr) == (130, "")


def test_a_signal_while_the_command_line_loads_ends_it_without_a_traceback():
    program = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from sweeper.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_a_study_that_ends_the_child_gets_one_more_child():
    ends = "exec('with supervised.solving():\\n print(supervised.ending_before(), flush=True)\\n os._exit(0)')"
    once = supervised(ends)
    assert (once.returncode, once.stdout) == (1, "None\n")
    twice = supervised(ends, again=True)
    assert (twice.returncode, twice.stdout) == (1, "None\nit ended with code 0\n")
    assert "error: the study ended this command: it ended with code 0; launch again to resume\n" in twice.stderr


HEARS = """exec('''
try:
    print("ready", flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    time.sleep(1)
    print(supervised._page.signals)
    sys.exit(130)
''')"""


EARLY = """
from sweeper.cli import supervisor
forward = supervisor._forward_to
supervisor._forward_to = lambda *given: (time.sleep(1), forward(*given))[1]
"""


@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_a_signal_before_the_parent_has_its_handlers_arrives_too(send):
    program = PROGRAM.replace("\ndef work", f"{EARLY}\ndef work").format(HEARS, False)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    send(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "1\n")


@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_a_signal_to_the_parent_or_to_both_arrives_once(send):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(HEARS, False)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout.readline() == "ready\n"
    send(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "1\n")


def test_the_child_dies_with_its_parent():
    command = [sys.executable, "-c", PROGRAM.format("print(os.getpid(), flush=True); time.sleep(1000)", False)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    assert child in descendants(process.pid)
    process.kill()
    process.communicate(timeout=30)
    wait_until(lambda: not alive(child), 10)


def test_a_breakpoint_in_a_study_stops_inline(bench):
    grid = bench.grid("study: ends.py:Ends\nfixed: {fault: breakpoint}\nseeds: 2\n")
    command = [*COMMAND, "launch", str(grid), "--executor", "inline"]
    done = subprocess.run(
        command, input="p 6 * 7\nc\n", capture_output=True, text=True, timeout=60, env=bench.environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\(Pdb\) 42$", done.stdout, re.MULTILINE)
    assert table(bench.folder / "runs" / "grid").num_rows == 2


def test_a_study_that_ends_a_rerun_or_a_pilot_is_no_success(bench):
    grid = bench.grid("study: ends.py:Ends\nfixed: {fault: none}\nseeds: 2\n")
    assert bench.sweep("launch", grid, "--executor", "inline").returncode == 0
    run = bench.folder / "runs" / "grid"
    assert len(part_files(run)) == len(events(run, "block"))
    cell = table(run)["cell_id"][0].as_py()
    study = bench.folder / "ends.py"
    study.write_text(
        study.read_text().replace(
            "    def solve(self, block, backend):\n", "    def solve(self, block, backend):\n        os._exit(0)\n"
        )
    )
    again = bench.sweep("rerun", run, cell, "--trust-code")
    assert again.returncode == 1
    assert "error: the process ended this command: it ended with code 0" in again.stderr
