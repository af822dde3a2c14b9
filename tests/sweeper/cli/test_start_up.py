"""What a command imports before it does its work: a list of modules, since times depend on the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("pandas", "scipy", "matplotlib", "numba", "torch", "ray", "sklearn", "cupy")
LIBRARIES = ("numpy", "pyarrow", *HEAVY)
CODE = """
import json, sys
from sweeper.cli.main import app
try:
    app(json.loads(sys.argv[1]), prog_name="w2s-sweep")
except SystemExit as end:
    assert not end.code, end.code
print("\\n" + json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""
SMALL = """
study: dong2025.regression
axes: {ridge: [1.0e-3, 1.0e-2, 1.0e-1, 1.0]}
fixed: {d_weak: 8, d_strong: 8, d_overlap: 2, noise: 0.5, n_labeled: 60, n_transfer: 200, design: wishart}
seeds: 4
"""


def loaded(*arguments: str, names: tuple[str, ...] = LIBRARIES) -> set[str]:
    """Run a command in a process of its own, and say which of some modules it has imported at its end."""
    command = [sys.executable, "-c", CODE, json.dumps(arguments), json.dumps(names)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("command", [(), ("plan",), ("launch",), ("status",), ("report",), ("store",)])
def test_help_imports_no_library_of_numbers(command: tuple[str, ...]) -> None:
    assert loaded(*command, "--help") == set()


def test_a_plan_imports_what_it_shows() -> None:
    names = (*HEAVY, "multiprocessing.connection", "w2s.places.objects", "sweeper.executors.processes", "sweeper.folder.part")
    names += ("pyarrow", "w2s.laws.inputs", "w2s.sharing.workloads", "w2s.claims.sabotage", "w2s_kernels.descent")
    assert loaded("plan", "configs/quickstart.yaml", names=names) == set()


def test_a_small_launch_and_its_status_read_no_frame_and_start_no_numba(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(SMALL)
    names = ("pandas", "matplotlib", "torch", "ray", "sklearn", "cupy", "sweeper.executors.processes", "w2s.places.objects")
    names += ("numba", "llvmlite")
    grid, run = str(tmp_path / "grid.yaml"), str(tmp_path / "run")
    assert loaded("launch", grid, "--executor", "inline", "--out", run, names=names) == set()
    assert loaded("status", run, names=(*names, "scipy")) == set()


MAIN = """
import sys
from sweeper.cli.main import app, main
sys.argv[1:] = sys.argv[1:2]
try:
    main()
finally:
    print(len(app.registered_commands), len(app.registered_groups))
"""


@pytest.mark.parametrize(
    ("word", "commands", "groups"), [("studies", 1, 0), ("import", 1, 0), ("store", 27, 1), ("--help", 27, 1)]
)
def test_only_the_command_that_is_named_is_built(word: str, commands: int, groups: int) -> None:
    done = subprocess.run([sys.executable, "-c", MAIN, word], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == f"{commands} {groups}", done.stderr


def test_a_misspelt_command_is_answered_with_its_neighbours() -> None:
    done = subprocess.run([sys.executable, "-m", "sweeper", "statsu"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert "No such command 'statsu'" in done.stderr
    assert "'status'" in done.stderr
