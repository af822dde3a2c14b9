"""Run the benchmarks of the source checkout: one file per claim of speed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sweeper.errors import UserError
from w2s.errors import nearest

__all__ = ["benchmark_files", "run_benchmarks"]

_VERDICTS = ("PASS", "MISSED")


def benchmark_files() -> dict[str, Path]:
    """Return the benchmark files by name. Raises :class:`UserError` for an installed package, which does not carry them."""
    folder = Path(__file__).resolve().parents[2] / "benchmarks"
    files = {path.stem: path for path in sorted(folder.glob("[!_]*.py"))}
    if not files:
        raise UserError("the benchmarks come with the source checkout, not with the installed package")
    return files


def run_benchmarks(names: list[str], *, quick: bool) -> int:
    """Run the named benchmarks, or all, one after another in processes of their own; return how many broke.

    The lines in which they say whether a claim holds, ``PASS`` or ``MISSED``, are gathered in one table at the end; ``quick``
    runs, and those that lack a library or data, decide nothing. A missed bar is a finding; only a benchmark whose results are
    wrong, or that stops, is broken.
    """
    files = benchmark_files()
    for name in names:
        if name not in files:
            raise UserError(f"no benchmark {name!r}{nearest(name, files)}; there are: {', '.join(files)}")
    broken, verdicts = 0, []
    for name in names or list(files):
        print(f"== {name}", flush=True)
        lines, code = _run([sys.executable, str(files[name]), *(["--quick"] if quick else [])])
        found = [line for line in lines if line.startswith(_VERDICTS)]
        verdicts += (found or [f"NONE    {name}: no claim was decided"]) if code == 0 else [f"BROKEN  {name} (exit {code})"]
        broken += code != 0
    print("\n== claims", *verdicts, sep="\n")
    return broken


def _run(command: list[str]) -> tuple[list[str], int]:
    """Run a command, print its output as it comes, and return its lines and exit code."""
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line.rstrip("\n"))
    return lines, process.returncode
