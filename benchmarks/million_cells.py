"""A phase diagram of a million cells (weak ridge x student ridge x seeds) on two cores, through Ray.

The launch of `million.yaml` in a process of its own, held to two processors with all that it starts, from nothing to the last
row on disk: start of the interpreter and of the local cluster, planning, identities and Parquet are part of the time. Bars:
60 s of wall time, and 2 GiB of memory that the driver, the process that was launched, ever held (`ru_maxrss`). The table is
then checked: a million different identities, and one cell in ten thousand solved again alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from _timing import options, quartiles, save, spread, verdict

from sweeper.grid.yaml import dump_yaml, read_yaml
from w2s.contract.block import Axis, Block
from w2s.studies.dong2025.regression.study import Regression
from w2s_kernels import choose

GRID = Path(__file__).resolve().parent / "million.yaml"
SECONDS, GIBIBYTES, CPUS = 60.0, 2.0, 2
DRIVER = """
import json, os, resource, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[3])])
from pathlib import Path
from sweeper import launch
outcome = launch(Path(sys.argv[1]), out=Path(sys.argv[2]), executor="ray", cpus=int(sys.argv[3]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("\\n" + json.dumps({"peak": peak, "computed": outcome.computed, "exit": int(outcome.exit)}))
"""


def driver(grid: Path, out: Path) -> dict[str, Any]:
    """Launch in a process of its own: seconds, peak resident kibibytes of the driver, rows."""
    start = time.perf_counter()
    command = [sys.executable, "-c", DRIVER, str(grid), str(out), str(CPUS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"RAY_DEDUP_LOGS": "0"})
    seconds = time.perf_counter() - start
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["exit"] == 0, found
    return found | {"seconds": seconds}


def check(out: Path, cells: int, every: int) -> float:
    """Largest difference between rows and their cells solved alone, relative to the larger error."""
    table = pq.read_table(out / "results")
    assert table.num_rows == pc.count_distinct(table["cell_id"]).as_py() == cells
    apart, backend = [], choose("auto")
    for row in table.sort_by("cell_id").take(np.arange(0, cells, every)).to_pylist():
        fields = {name: row[name] for name in Regression.Cell.model_fields}
        alone = Regression().solve(Block(fields, (Axis.single("seed", [fields.pop("seed")]),)), backend)
        scale = max(row["weak_error"], row["student_error"])
        apart += [abs(alone[name].item() - row[name]) / scale for name in ("weak_error", "student_error", "misfit")]
    return float(np.max(apart))  # not the built-in: a NaN must come through


def measure(grid: Path, repeats: int, every: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        runs = [driver(grid, Path(folder) / f"run-{turn}") for turn in range(repeats)]
        worst = check(Path(folder) / "run-0", runs[0]["computed"], every)
        size = sum(path.stat().st_size for path in (Path(folder) / "run-0" / "results").iterdir())
    assert worst <= 1e-9, f"cells solved alone differ by {worst:.1e}"
    return {"runs": runs, "worst": worst, "bytes": size}


def main() -> None:
    chosen = options(__doc__, "one launch of two seeds: 20 000 cells").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        grid = GRID
        if chosen.quick:
            grid = Path(folder) / "few.yaml"
            grid.write_text(dump_yaml(read_yaml(GRID)[0] | {"seeds": 2}))
        result = measure(grid, 1 if chosen.quick else 3, 1000 if chosen.quick else 10_000)
    runs, cells = result["runs"], result["runs"][0]["computed"]
    seconds, peaks = [run["seconds"] for run in runs], [run["peak"] / 2**20 for run in runs]
    print(f"{cells:,} cells, {len(runs)} launches, {CPUS} cores; solved alone: {result['worst']:.1e} of the larger error")
    print(f"  wall   {spread(seconds)} s, {1e6 * quartiles(seconds)[1] / cells:.1f} microseconds a cell")
    print(f"  driver {spread(peaks)} GiB at most; {result['bytes'] / cells:.0f} bytes of Parquet a cell")
    verdicts = (
        []
        if chosen.quick
        else [
            verdict("a million cells, two cores, Ray", quartiles(seconds)[1], SECONDS, unit="s"),
            verdict("a million cells: driver's memory", max(peaks), GIBIBYTES, unit="GiB"),
        ]
    )
    save(chosen.json, result | {"verdicts": verdicts})


if __name__ == "__main__":
    main()
