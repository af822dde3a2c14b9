"""Every benchmark runs in its quick mode and finds its own results right. What it measures is not looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from sweeper.errors import UserError
from sweeper.tools.bench import benchmark_files, run_benchmarks

ROOT = Path(__file__).resolve().parent.parent
FAST = ("hundred_filters", "nested_widths", "wishart_counts")
ENVIRONMENT = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def run_quick(path: Path) -> str:
    done = subprocess.run([sys.executable, str(path), "--quick"], capture_output=True, text=True, env=ENVIRONMENT, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", FAST)
def test_a_benchmark_that_takes_seconds(name: str) -> None:
    assert run_quick(benchmark_files()[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(benchmark_files()) - set(FAST)))
def test_a_benchmark_that_takes_longer(name: str) -> None:
    assert run_quick(benchmark_files()[name])


def test_no_benchmark_hides_a_module() -> None:
    """A program's folder comes first on its path: a file named like a module that a library imports breaks that library."""
    search = [place for place in sys.path if not Path(place).resolve().is_relative_to(ROOT) or "site-packages" in place]
    hidden = [name for name in benchmark_files() if PathFinder.find_spec(name, search) is not None]
    assert hidden == []


def test_verdicts_are_gathered_and_a_missed_bar_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    programs = {
        "good": "print('PASS    a claim'); print('MISSED  another'); print('some table')",
        "wrong": "print('PASS    believed before'); raise SystemExit(3)",
    }
    for name, text in programs.items():
        (tmp_path / f"{name}.py").write_text(text)
    files = {name: tmp_path / f"{name}.py" for name in programs}
    monkeypatch.setattr("sweeper.tools.bench.benchmark_files", lambda: files)
    assert run_benchmarks([], quick=True) == 1
    shown = capfd.readouterr().out
    assert shown.endswith("\n== claims\nPASS    a claim\nMISSED  another\nBROKEN  wrong (exit 3)\n")
    assert "some table" in shown


def test_a_name_that_is_none() -> None:
    with pytest.raises(UserError, match="did you mean 'own_overhead'"):
        run_benchmarks(["own_overheat"], quick=True)
