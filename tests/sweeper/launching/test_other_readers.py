"""Other programs read the results folder at any moment of a run, after a kill, and after small parts were merged."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from kin import alive, descendants
from workbench import TOY_GRID, part_files, wait_until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]
GRID = TOY_GRID.replace("seeds: 2", "seeds: 26")


def with_datasets(results: Path) -> list[str]:
    datasets = pytest.importorskip("datasets", reason="datasets reads a run: pip install 'w2s-sweep[llm]'")
    rows = datasets.load_dataset("parquet", data_dir=str(results), split="train", streaming=True)
    return [row["cell_id"] for row in rows.select_columns(["cell_id"])]


def with_polars(results: Path) -> list[str]:
    polars = pytest.importorskip("polars", reason="polars reads a run: pip install polars")
    return polars.scan_parquet(results / "*.parquet").select("cell_id").collect()["cell_id"].to_list()


def with_whole_polars(results: Path) -> list[str]:
    """Read every column, as docs/tables.md says."""
    polars = pytest.importorskip("polars", reason="polars reads a run: pip install polars")
    rows = polars.read_parquet(results / f"part-{'?' * 24}.parquet")
    assert rows.columns == pq.read_schema(results / "part-0000-schema.parquet").names
    return rows["cell_id"].to_list()


def with_duckdb(results: Path) -> list[str]:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB reads a run: pip install duckdb")
    with duckdb.connect() as database:
        found = database.execute("SELECT cell_id FROM read_parquet(?)", [str(results / "*.parquet")]).fetchall()
    return [cell for (cell,) in found]


READERS: dict[str, Callable[[Path], list[str]]] = {"datasets": with_datasets, "polars": with_polars, "duckdb": with_duckdb}


def ids(results: Path) -> list[str]:
    return sorted(pq.read_table(results, columns=["cell_id"])["cell_id"].to_pylist())


def test_datasets_polars_and_duckdb_read_a_run_that_is_written_killed_and_merged(bench):
    for module in ("datasets", "polars", "duckdb"):
        pytest.importorskip(module)
    bench.steer(sleep=1.5)
    process = bench.start("launch", bench.grid(GRID), "--executor", "processes", "--cpus", "2")
    run = bench.folder / "runs" / "grid"
    try:
        wait_until((run / "results" / "part-0000-schema.parquet").exists, 60)
        seen: dict[str, int] = dict.fromkeys(READERS, 0)
        reads = 0
        while process.poll() is None and (reads < 2 or len(part_files(run)) < 8):
            for name, read in READERS.items():
                before, found = set(ids(run / "results")), read(run / "results")
                assert len(found) == len(set(found)), name
                assert before <= set(found) <= set(ids(run / "results")), name
                assert len(found) >= seen[name], name
                seen[name] = len(found)
            reads += 1
        assert process.poll() is None, "the run was read while it was written"
    finally:
        workers = descendants(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    wait_until(lambda: not any(map(alive, workers)), 30)  # a worker may still finish its block
    there = ids(run / "results")
    assert 0 < len(there) < 208
    for name, read in READERS.items():
        assert sorted(read(run / "results")) == there, f"{name} after the kill"

    bench.steer(sleep=None)
    done = bench.sweep("launch", "grid.yaml", "--executor", "inline", timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(part_files(run)) < 208, "small parts were merged"
    whole = ids(run / "results")
    assert len(whole) == 208
    for name, read in {**READERS, "polars, all columns": with_whole_polars}.items():
        assert sorted(read(run / "results")) == whole, f"{name} after the merge"
