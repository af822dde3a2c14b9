"""Odd systems: no home folder, no file locks, few letters, few open files, a long TMPDIR. A launch works, or one line says why not."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper import launch
from sweeper.executors.ray import surroundings
from sweeper.executors.ray.surroundings import cluster_address, room_for_sockets, temporary_folder_problem
from w2s.files.lock import LockError, hold, lock_problem, try_hold

NO_LOCKS = """\
import errno, fcntl, os
def refuse(descriptor, operation):
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
fcntl.flock = refuse
"""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NO_ACCOUNT = """\
import pwd
def unknown(user):
    raise KeyError(f"getpwuid(): uid not found: {user}")
pwd.getpwuid = unknown
"""


def customised(bench, code):
    """Return a PYTHONPATH on which every Python runs some code first."""
    (bench.folder / "sitecustomize.py").write_text(code)
    return os.pathsep.join([str(bench.folder), os.environ.get("PYTHONPATH", "")])


def sweep(bench, *arguments, prefix=(), python=(), **environment):
    """Run a command; a variable that is None is not set."""
    variables = {k: v for k, v in (bench.environment | environment).items() if v is not None}
    command = [*prefix, sys.executable, *python, "-m", "sweeper", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, cwd=bench.folder, env=variables, timeout=100)


TOGETHER = """\
import json, os, sys
from itertools import groupby
from sweeper.cli.guard import write_any_text
from sweeper.cli.main import app
write_any_text()
codes = []
commands = [list(words) for ends, words in groupby(sys.argv[1:], ";".__eq__) if not ends]
for k, arguments in enumerate(commands):
    for number in (1, 2):
        file = os.open(f"said.{k}.{number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    try:
        app(arguments, prog_name="w2s-sweep")
    except SystemExit as end:
        codes.append(end.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
with open("said.codes", "w") as file:
    json.dump(codes, file)
"""


def together(bench, commands, python=(), **environment):
    """Run commands that solve nothing, one after another, in one process: most of what each takes is to import the project."""
    variables = {k: v for k, v in (bench.environment | environment).items() if v is not None}
    command = [sys.executable, *python, "-c", TOGETHER, *(word for words in commands for word in (*words, ";"))]
    whole = subprocess.run(command, capture_output=True, cwd=bench.folder, env=variables, timeout=100)
    assert whole.returncode == 0, whole.stderr.decode()
    codes = json.loads((bench.folder / "said.codes").read_text())
    said = [[(bench.folder / f"said.{k}.{number}").read_bytes() for number in (1, 2)] for k in range(len(commands))]
    return [subprocess.CompletedProcess(*given, *texts) for *given, texts in zip(commands, codes, said, strict=True)]


def test_a_file_system_without_locks(bench):
    path = customised(bench, NO_LOCKS)
    refused = sweep(bench, "launch", bench.grid(), "--executor", "inline", PYTHONPATH=path)
    assert refused.returncode == 1
    message = refused.stderr.decode()
    assert message.count("\n") == 1, message
    assert "no file locks" in message
    assert "W2S_LOCKS=none" in message
    assert not list((bench.folder / "runs").rglob("*.parquet"))
    done = sweep(bench, "launch", bench.grid(), "--executor", "inline", PYTHONPATH=path, W2S_LOCKS="none")
    assert done.returncode == 0, done.stderr
    assert b"nothing keeps a second launch out" in done.stderr
    assert b"no file locks" in sweep(bench, "doctor", PYTHONPATH=path).stdout


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_locks_off_never_lets_a_collection_of_garbage_guess(tmp_path, monkeypatch, number):
    monkeypatch.setattr("fcntl.flock", lambda *_given: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
    monkeypatch.delenv("W2S_LOCKS", raising=False)
    with pytest.raises(LockError, match="no file locks"), hold(tmp_path / "a"):
        pass
    monkeypatch.setenv("W2S_LOCKS", "none")
    with hold(tmp_path / "a"):
        pass
    with pytest.raises(LockError, match="no file locks"), try_hold(tmp_path / "a"):
        pass
    assert "no file locks" in lock_problem(tmp_path)


def test_other_troubles_of_a_lock_are_not_taken_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("W2S_LOCKS", "none")
    monkeypatch.setattr("fcntl.flock", lambda *_given: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output error"), hold(tmp_path / "a"):
        pass


def test_a_user_without_an_account_or_home(bench):
    grid = bench.grid(
        "study: dong2025.regression\naxes: {ridge: [0.01, 0.1]}\nseeds: 2\n"
        "fixed: {d_weak: 10, d_strong: 12, d_overlap: 4, n_labeled: 50, n_transfer: 100}\n"
    )
    nobody = {"HOME": None, "XDG_CACHE_HOME": None, "PYTHONPATH": customised(bench, NO_ACCOUNT)}
    solved = [sweep(bench, *arguments, **nobody) for arguments in (("plan", grid), ("launch", grid, "--executor", "inline"))]
    looked = together(bench, [["status", "runs/grid"], ["report", "runs/grid"], ["doctor"]], **nobody)
    for done in (*solved, *looked):
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.returncode == 0, (done.args, done.stderr)
    assert b"none for this user" in looked[-1].stdout


def test_a_terminal_with_few_letters(bench):
    assert launch(bench.grid(), executor="inline", out=bench.folder / "prüfung").exit == 0
    table = "item_id,seed,group,truth,weak,student,ceiling\n" + "".join(
        f"{k},0,{'grün' if k % 2 else 'weiß'},{k % 2},0.{k % 7 + 1},0.{k % 5 + 2},0.{k % 3 + 4}\n" for k in range(40)
    )
    (bench.folder / "groups.csv").write_text(table, encoding="utf-8")
    score = ["score", "groups.csv", "--by", "group"]
    *looked, scored, doctor = together(bench, [["status", "prüfung"], ["report", "prüfung"], score, ["doctor"]], **ASCII)
    for done in looked:
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.returncode in (0, 2)
        if done.returncode:
            assert b"PYTHONUTF8=1" in done.stderr
    there = sweep(bench, *score)
    assert scored.returncode == there.returncode == 0, scored.stderr
    assert b"gr?n" in scored.stdout.replace(b"\xc3\xbc", b"?")
    assert b"to fix" in doctor.stdout


def test_commands_keep_their_descriptions_without_docstrings(bench):
    helps = [["--help"], ["store", "gc", "--help"]]
    stripped = together(bench, helps, python=["-OO"])
    assert [done.stdout for done in together(bench, helps)] == [done.stdout for done in stripped]
    assert b"Run a grid, or resume it." in stripped[0].stdout
    done = sweep(bench, "launch", bench.grid(), "--executor", "inline", python=["-OO"])
    assert done.returncode == 0, done.stderr


def test_the_cluster_to_join(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert cluster_address(None) is None
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert cluster_address(None) == "head:6379"
    assert cluster_address("other:1") == "other:1"
    assert cluster_address("local") is None
    monkeypatch.setenv("RAY_ADDRESS", "")
    assert cluster_address(None) is None


def test_a_folder_for_sockets(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/tmp")
    with room_for_sockets() as folder:
        assert folder is None
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("long" * 12)))
    assert "too long a name" in temporary_folder_problem()
    with room_for_sockets() as folder:
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        assert len(folder) < 30
    assert not Path(folder).exists()
    monkeypatch.setenv("TMPDIR", "/none")
    assert "cannot be used" in temporary_folder_problem()
    monkeypatch.setattr(surroundings, "_LEAST_BYTES", 1 << 60)
    assert "is full" in temporary_folder_problem("/tmp")
    with pytest.raises(surroundings.RunError, match="RAY_TMPDIR"), room_for_sockets():
        pass


@pytest.mark.ray
def test_ray_with_few_open_files_says_so(bench):
    done = sweep(bench, "launch", bench.grid(), "--executor", "ray", prefix=("prlimit", "--nofile=64:64"))
    assert done.returncode == 2
    assert b"Ray needs 256 open files" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"open files" in sweep(bench, "doctor", prefix=("prlimit", "--nofile=64:64")).stdout
    assert sweep(bench, "launch", bench.grid(), "--executor", "inline", prefix=("prlimit", "--nofile=64:64")).returncode == 0


@pytest.mark.ray
def test_ray_in_a_long_temporary_folder_behind_a_proxy(bench):
    place = bench.folder / ("j" * 44)
    place.mkdir()
    nowhere = "http:" + "//127.0.0.1:9"
    done = sweep(
        bench, "launch", bench.grid(), "--executor", "ray", "--cpus", "1", TMPDIR=str(place), RAY_TMPDIR=None, RAY_ADDRESS=None,
        http_proxy=nowhere, https_proxy=nowhere, HTTP_PROXY=nowhere, no_proxy=None, NO_PROXY=None,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    said = done.stderr.decode()
    assert "too long a name for Ray's sockets" in said
    assert re.search(r"dashboard http://127\.0\.0\.1", said), said
    assert "does not answer" not in said
    folder = said.partition("they are in ")[2].split()[0]
    assert folder.startswith("/tmp/w2s-") or folder.startswith("/var/tmp/w2s-")
    assert not Path(folder).exists()


@pytest.mark.ray
def test_an_address_in_the_environment_is_used_and_said(bench):
    done = sweep(bench, "launch", bench.grid(), "--executor", "ray", RAY_ADDRESS="127.0.0.1:1")
    assert done.returncode == 2
    assert b"RAY_ADDRESS names a cluster: 127.0.0.1:1" in done.stderr
    assert b"Ray could not reach or start 127.0.0.1:1" in done.stderr
    assert b"Traceback" not in done.stderr
    own = sweep(
        bench, "launch", bench.grid(), "--executor", "ray", "--address", "local", "--cpus", "1", RAY_ADDRESS="127.0.0.1:1"
    )
    assert own.returncode == 0, own.stderr.decode()
    assert b"local Ray cluster with 1 CPU" in own.stderr


HEAD = """
import sys
import ray
context = ray.init(address="local", num_cpus=1, include_dashboard=False, logging_level="ERROR")
print(context.address_info["gcs_address"], flush=True)
sys.stdin.readline()
ray.shutdown()
"""


@pytest.mark.slow
@pytest.mark.ray
def test_a_running_cluster_is_joined_through_the_environment(bench):
    shared = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 32, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    with subprocess.Popen(
        [sys.executable, "-c", HEAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=bench.environment | shared
    ) as head:
        address = head.stdout.readline().strip()
        done = sweep(bench, "launch", bench.grid(), "--executor", "ray", RAY_ADDRESS=address, **shared)
        head.stdin.write("\n")
        head.stdin.flush()
    assert done.returncode == 0, done.stderr.decode()
    assert f"RAY_ADDRESS names a cluster: {address}" in done.stderr.decode()
    assert f"connected to Ray at {address}" in done.stderr.decode()
