"""What a table says about how it was made: package, commit, library versions, resolved grid."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sweeper.grid import Grid
from sweeper.plan import PLANNER_VERSION
from w2s.cells import cell_fields
from w2s.rows import metric_columns

__all__ = ["package_version", "run_metadata"]

_LIBRARIES = ("numpy", "scipy", "numba", "pyarrow", "pandas", "ray", "cupy", "torch", "scikit-learn", "rdkit")


def run_metadata(grid: Grid, resolved: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Schema metadata of every part of a run: one JSON document under the key ``w2s``."""
    content = {
        "study": grid.study.name,
        "version": grid.study.version,
        "fields": list(cell_fields(grid.study.Cell)),
        "axes": list(grid.axes()),
        "metrics": [name for name, kind in metric_columns(grid.study).items() if kind in ("double", "int64")],
        "planner": PLANNER_VERSION,
        "package": package_version("w2s-sweep"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": {name: found for name in _LIBRARIES if (found := package_version(name))},
        "grid": resolved,
        **git_state(),
    }
    return {b"w2s": json.dumps(content, default=str).encode()}


def package_version(name: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def git_state() -> dict[str, Any]:
    """Commit and dirty flag of the checkout this package runs from; both null for an installed package."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return {"commit": None, "dirty": None}
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain")
    return {"commit": commit or None, "dirty": None if changes is None else bool(changes)}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
