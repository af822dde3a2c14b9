"""What a table says about how it was made: package, commit, library versions, resolved grid, and the claims as they stood."""

from __future__ import annotations

import functools
import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa

from sweeper.errors import RunError
from sweeper.folder.part import Part, read_metadata
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.model import Grid
from sweeper.plan.cut import PLANNER_VERSION
from sweeper.plan.space import LONG_GRID
from w2s.claims.claim import Claim
from w2s.contract.cells import cell_fields
from w2s.contract.columns import metric_columns
from w2s.places.url import Where
from w2s.tables.metadata import read_metadata as read_document

__all__ = ["frozen_claim", "git_state", "package_version", "part_metadata", "run_metadata", "run_origin", "stored_study"]

_LIBRARIES = ("numpy", "scipy", "numba", "pyarrow", "pandas", "ray", "cupy", "torch", "scikit-learn", "rdkit")


def run_metadata(grid: Grid, resolved: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Return the schema metadata of every part of a run: one JSON document under the key ``w2s``."""
    content = {
        "study": grid.study.name,
        "version": grid.study.version,
        "fields": list(cell_fields(grid.study.Cell)),
        "axes": list(grid.axes()),
        "metrics": [name for name, kind in metric_columns(grid.study).items() if kind in ("double", "int64")],
        "pgr": dict(grid.study.pgr),
        "seeds_draw": grid.study.seeds_draw,
        "planner": PLANNER_VERSION,
        "package": package_version("w2s-sweep"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": {name: found for name in _LIBRARIES if (found := package_version(name))},
        "files": _files(grid),
        "grid": resolved,
        "claims": {claim.id: frozen_claim(claim) for claim in grid.study.claims},
        **git_state(Path(__file__).resolve().parents[2]),
    }
    return {b"w2s": json.dumps(content, default=str).encode()}


def _files(grid: Grid) -> dict[str, dict[str, str]]:
    """Return the digest of every file of a grid by field and by its name in rows."""
    found: dict[str, dict[str, str]] = {}
    for name, file in grid.files():
        found.setdefault(name, {})[str(file)] = file.sha256
    return found


def part_metadata(metadata: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the metadata of parts with rows: that of the run, but for a grid of more than LONG_GRID bytes.

    The part without rows has it whole. An axis of 20,000 values in the footers of as many parts would take six gigabytes.
    """
    if len(metadata[b"w2s"]) <= LONG_GRID:
        return dict(metadata)
    content = json.loads(metadata[b"w2s"])
    del content["grid"]
    return {**metadata, b"w2s": json.dumps(content).encode()}


def frozen_claim(claim: Claim) -> dict[str, Any]:
    """Return what a run keeps of a claim when it is launched: sentence, place, expectation and the numbers that decide."""
    return {
        "says": claim.says,
        "where": claim.where,
        "expected": claim.expected,
        "reason": claim.reason,
        "thresholds": {name: float(value) for name, value in claim.thresholds.items()},
    }


def stored_study(folder: RunFolder) -> str | None:
    """Return the name of the study of a run's latest launch, from its table; None where none was written."""
    name = _document(folder.part_path("0000-schema")).get("study")
    return name if isinstance(name, str) else None


def run_origin(folder: RunFolder) -> dict[str, Any]:
    """Return the metadata of the oldest rows of a run: an extended run keeps that of its first launch.

    Age is the place of the part's record in ``events.jsonl``, which a copied folder keeps and no clock changes. Where a kill
    came between part and record, it is the place that the time of the file has among those of the events. A run without rows
    has the metadata of its latest launch, or none if no part was written.
    """
    parts = [part for part in folder.parts() if part.rows]
    if not parts:
        return _document(folder.part_path("0000-schema"))
    recorded: dict[Any, int] = {}
    times: list[float] = []
    for place, event in enumerate(folder.events()):
        times.append(float(event.get("time") or 0.0))
        if event["event"] == "block":
            recorded.setdefault(event.get("key"), place)

    def age(part: Part) -> tuple[int, str]:
        places = [recorded[key] for key in part.blocks if key in recorded]
        if places:
            return min(places), part.key
        written = folder.place.modified(part.path)
        return sum(time <= written for time in times), part.key

    oldest = min(parts, key=age)
    return _document(oldest.path)


def _document(part: Where) -> dict[str, Any]:
    try:
        content = read_document(pa.schema([], metadata=read_metadata(part)), part)
    except (RunError, ValueError):
        return {}
    return {name: value for name, value in content.items() if name != "code"}


@functools.cache
def package_version(name: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


_CODE = ("w2s", "sweeper", "kernels", "pyproject.toml")
"""What of a checkout can change a number."""


def git_state(root: Path) -> dict[str, Any]:
    """Return commit and dirty flag of the checkout this package runs from; both null for an installed package.

    Dirty is a checkout whose code was changed: grids, tables and runs that lie in it change no number.
    """
    if not (root / ".git").exists():
        return {"commit": None, "dirty": None}
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", *_CODE)
    return {"commit": commit or None, "dirty": None if changes is None else bool(changes)}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
