"""Run the benchmarks of the source checkout: one file per claim of speed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sweeper.errors import UserError
from w2s.cells import nearest

__all__ = ["benchmark_files", "run_benchmarks"]


def benchmark_files() -> dict[str, Path]:
    """Benchmarks by name. Raises :class:`UserError` for an installed package, which does not carry them."""
    folder = Path(__file__).resolve().parent.parent / "benchmarks"
    files = {path.stem: path for path in sorted(folder.glob("[!_]*.py"))}
    if not files:
        raise UserError("the benchmarks come with the source checkout, not with the installed package")
    return files


def run_benchmarks(names: list[str], *, quick: bool) -> int:
    """Run the named benchmarks, or all, one after another in processes of their own; return how many broke."""
    files = benchmark_files()
    for name in names:
        if name not in files:
            raise UserError(f"no benchmark {name!r}{nearest(name, files)}; there are: {', '.join(files)}")
    broken = 0
    for name in names or list(files):
        print(f"== {name}", flush=True)
        arguments = [sys.executable, str(files[name]), *(["--quick"] if quick else [])]
        broken += subprocess.run(arguments, check=False).returncode != 0
    return broken
