"""For tests of the engine: a toy study in a folder of its own, ways to run the command line on it, and to compare runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2s.tables.load import plain_schema

STUDIES = Path(__file__).parents[1] / "studies"
PROVENANCE = ("solver", "backend", "blas", "dtype", "condition", "threads", "elapsed_s")
COMMAND = (sys.executable, "-m", "sweeper")
TOY_GRID = """\
study: toy.py:Toy
axes:
  x: [1, 2, 3, 4]
  n: [10, 20]
seeds: 2
"""


def table(run: Path) -> pa.Table:
    """Rows of a run without provenance, ordered by identity: equal tables mean equal bits."""
    whole = pq.read_table(run / "results")
    whole = whole.cast(plain_schema(whole.schema))
    return whole.drop_columns(list(PROVENANCE)).sort_by("cell_id").replace_schema_metadata()


def part_files(run: Path) -> set[str]:
    """Names of the part files that hold rows."""
    return {path.name for path in (run / "results").glob("part-*.parquet") if "schema" not in path.name}


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    """Events of one kind, in order."""
    found = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    return [event for event in found if event["event"] == kind]


class Bench:
    """A folder with the toy study, a folder that steers it, and the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.control = folder, folder / "control"
        self.control.mkdir()
        for study in STUDIES.glob("*.py"):
            shutil.copy(study, folder)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"W2S_TOY": str(self.control), "PYTHONWARNINGS": "default"}

    def grid(self, text: str = TOY_GRID, name: str = "grid.yaml") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def steer(self, **flags: Any) -> None:
        """Write (or, with None, remove) the files that steer the toy study."""
        for name, value in flags.items():
            if value is None:
                (self.control / name).unlink(missing_ok=True)
            else:
                (self.control / name).write_text(str(value))

    def solved(self) -> list[int]:
        """Cells of every block solved since the last call."""
        path = self.control / "solved"
        counts = [int(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return counts

    def start(self, *arguments: Any, **options: Any) -> subprocess.Popen[str]:
        """Start the command line in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.folder,
            start_new_session=True,
            **options,
        )

    def sweep(self, *arguments: Any, timeout: float = 60, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_until(true: Any, seconds: float = 30.0) -> None:
    """Wait for a condition; fail when it does not come true."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail("waited in vain")
        time.sleep(0.005)
