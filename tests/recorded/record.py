"""Makes the recorded rows, run folders and artifacts anew; see README.md for when that is right.

    python tests/recorded/record.py [NAME ...]     by default every grid of grids/

Takes a minute. Names restrict it to some grids; the two text grids share a store and are made together.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
GRIDS = sorted(path.stem for path in (HERE / "grids").glob("*.yaml"))
WITH_ARTIFACTS = ("burns2023.probes", "burns2023.text")
NOT_COMPARED = ("solver", "backend", "blas", "dtype", "condition", "threads", "elapsed_s", "train_seconds", "peak_bytes")
"""Columns that say how and how fast a row was made, not what it says."""
_LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "pyarrow", "scikit-learn")
_MORE = dict.fromkeys(WITH_ARTIFACTS, ("torch", "transformers", "tokenizers", "peft", "safetensors")) | {
    "charikar2024.molecules": ("rdkit",),
    "probe.table": ("rdkit",),
}
_INSTRUCTIONS = ("sse", "ssse", "avx", "fma", "f16c", "bmi", "amx", "asimd", "sve", "vaes", "vpclmul")


def machine() -> dict[str, Any]:
    """What the last bits of a row depend on: the processor, the BLAS, the C library, Python and the libraries."""
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401  brings a BLAS of its own
    from threadpoolctl import threadpool_info

    libraries = set(_LIBRARIES).union(*_MORE.values())
    blas = {
        f"{lib['internal_api']} {lib['version']} {lib.get('architecture', '')}".strip()
        for lib in threadpool_info()
        if lib["user_api"] == "blas"
    }
    return {
        "processor": _processor(),
        "blas": sorted(blas),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in sorted(libraries)},
    }


def differences(name: str, here: dict[str, Any], recorded: dict[str, Any]) -> list[str]:
    """What this machine has otherwise than the one where a grid was recorded, as far as the grid's bits depend on it."""
    found = [key for key in ("processor", "blas", "libc", "python") if here[key] != recorded[key]]
    names = (*_LIBRARIES, *_MORE.get(name, ()))
    return found + [name for name in names if here["libraries"][name] != recorded["libraries"][name]]


def _processor() -> dict[str, Any]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    except OSError:
        return {"machine": platform.machine(), "model name": platform.processor()}
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = said.get("flags", said.get("Features", "")).split()
    kept = {key: said[key] for key in ("vendor_id", "cpu family", "model", "model name", "stepping") if key in said}
    return {"machine": platform.machine(), **kept, "flags": sorted(flag for flag in flags if flag.startswith(_INSTRUCTIONS))}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def rows(run: Path) -> Any:
    """Rows of a run, in the order of their identities, without what is not compared: an Arrow table."""
    import pyarrow.parquet as pq

    table = pq.read_table(run / "results").sort_by("cell_id").replace_schema_metadata()
    return table.drop_columns([name for name in NOT_COMPARED if name in table.column_names]).combine_chunks()


def planned(grid: Path) -> list[list[str]]:
    """Function and key of every artifact that a grid needs, at any depth, in order of the keys."""
    from sweeper import load_grid, make_plan
    from w2s.artifacts import in_order

    plan = make_plan(load_grid(grid))
    study = plan.grid.study()
    calls = in_order([call for block in plan.blocks() for call in study.needs(block)])
    return sorted([call.artifact.name, call.key] for call in calls)


def record(name: str) -> None:
    """Run one grid: by Numba into the run folder that is kept, by NumPy for its rows alone."""
    import pyarrow.parquet as pq

    from sweeper import launch

    grid, run = HERE / "grids" / f"{name}.yaml", HERE / "finished" / name
    shutil.rmtree(run, ignore_errors=True)
    outcome = launch(grid, executor="inline", backend="numba")
    assert outcome.exit == 0, outcome
    with tempfile.TemporaryDirectory() as place:
        # The same store: no backend of the kernels has a part in a training.
        assert launch(grid, out=Path(place) / "run", executor="inline", backend="numpy").exit == 0
        pq.write_table(rows(Path(place) / "run"), HERE / "numpy_rows" / f"{name}.parquet", compression="zstd")
    (run / ".lock").unlink()
    events = [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    for event in events:
        if "store" in event:
            event["store"] = "../../store"
    (run / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    print(f"{name}: {outcome.cells} cells, {outcome.artifacts} artifacts", flush=True)


def main(names: list[str]) -> None:
    """Record some grids, all by default."""
    chosen = names or GRIDS
    if unknown := sorted(set(chosen) - set(GRIDS)):
        sys.exit(f"no such grid: {', '.join(unknown)}; there are {', '.join(GRIDS)}")
    if len(chosen) < len(GRIDS) and json.loads((HERE / "machine.json").read_text(encoding="utf-8")) != machine():
        sys.exit("the other grids were recorded on another machine or with other libraries; record all of them here, or none")
    if with_artifacts := set(chosen) & set(WITH_ARTIFACTS):
        chosen = sorted({*chosen, *WITH_ARTIFACTS})
        shutil.rmtree(HERE / "store", ignore_errors=True)
    (HERE / "numpy_rows").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache  # features that were kept by other code must not pass for today's
        for name in chosen:
            record(name)
    if with_artifacts:
        for left in ("runs", "leases", "scratch"):  # where runs lie on this machine, and locks
            shutil.rmtree(HERE / "store" / left, ignore_errors=True)
        keys = {name: planned(HERE / "grids" / f"{name}.yaml") for name in WITH_ARTIFACTS}
        (HERE / "artifacts.json").write_text(json.dumps(keys, indent=0) + "\n", encoding="utf-8")
    (HERE / "machine.json").write_text(json.dumps(machine(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
