"""A run of ten million cells, read: `status`, `w2s.summarize` and `report`, each in a process of its own.

The grid is `million.yaml` with a thousand seeds instead of a hundred, launched by the command that users type (600 MB on disk,
some 45 s of processor time). Bars for each reader: 20 s of processor time and 1 GiB of resident memory at its peak. The means
of the summary are compared with those that pandas finds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from _timing import options, save, verdict

import w2s
from sweeper.grid.yaml import dump_yaml, read_yaml
from w2s.tables.scan import StoredRows

GRID = Path(__file__).resolve().parent / "million.yaml"
SECONDS, GIBIBYTES = 20.0, 1.0
READERS = {
    "status": "from sweeper.review.status import run_status; run_status(run)",
    "summarize": "import w2s; w2s.summarize(w2s.scan(run))",
    "report": "from sweeper.report.make import make_report; make_report(run)",
}
MEASURED = """
import json, resource, sys
run = sys.argv[1]
{code}
used = resource.getrusage(resource.RUSAGE_SELF)
print("\\n" + json.dumps({{"seconds": used.ru_utime + used.ru_stime, "gibibytes": used.ru_maxrss / 2**20}}))
"""


def read(code: str, run: Path) -> dict[str, float]:
    """Read a run in a process of its own: processor seconds, and gibibytes at the peak."""
    command = [sys.executable, "-c", MEASURED.format(code=code), str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"MPLBACKEND": "agg"})
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def check(run: Path) -> None:
    """Compare means of the summary with those of a frame of three columns."""
    rows, by = w2s.scan(run), ["ridge_weak", "ridge"]
    assert isinstance(rows, StoredRows)
    summary = w2s.summarize(rows, by=by, metrics=["weak_error"])
    means = pd.DataFrame({name: rows[name] for name in (*by, "weak_error")}).groupby(by, as_index=False).mean()
    pd.testing.assert_frame_equal(summary[[*by, "weak_error"]], means, rtol=1e-9)


def measure(grid: Path, run: Path) -> dict[str, Any]:
    """Launch the grid, read the run in every way, and compare summaries."""
    launch = [sys.executable, "-m", "sweeper", "launch", str(grid), "--executor", "inline", "--out", str(run)]
    subprocess.run(launch, check=True, capture_output=True)
    found = {name: read(code, run) for name, code in READERS.items()}
    check(run)
    return found


def main() -> None:
    chosen = options(__doc__, "two seeds: 20 000 cells").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        grid = Path(folder) / "grid.yaml"
        grid.write_text(dump_yaml(read_yaml(GRID)[0] | {"seeds": 2 if chosen.quick else 1000}))
        found = measure(grid, Path(folder) / "run")
    verdicts = []
    for name, used in found.items():
        print(f"  {name:10s} {used['seconds']:8.2f} s of processor time, {used['gibibytes']:.2f} GiB at most")
        if not chosen.quick:
            verdicts.append(verdict(f"ten million cells: {name}", used["seconds"], SECONDS, unit="s (cpu)"))
            verdicts.append(verdict(f"ten million cells: memory of {name}", used["gibibytes"], GIBIBYTES, unit="GiB"))
    save(chosen.json, {"readers": found, "verdicts": verdicts})


if __name__ == "__main__":
    main()
