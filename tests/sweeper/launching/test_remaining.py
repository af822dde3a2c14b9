"""A folder that lost rows, or has some twice, is put in order by the next launch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from sweeper import launch
from sweeper.folder.run_folder import RunFolder
from sweeper.review.status import run_status

FIXED = {"d_weak": 8, "d_strong": 6, "d_overlap": 4, "n_labeled": 40, "n_transfer": 40}


def grid(*ridges: float) -> dict[str, Any]:
    return {"study": "dong2025.regression", "axes": {"ridge": list(ridges)}, "fixed": FIXED, "seeds": 6}


def rows(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "results").sort_values("cell_id").reset_index(drop=True)


def test_a_part_that_lost_rows_is_not_done(tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch(grid(0.1, 1.0), out=run, executor="inline")
    before = rows(run)
    folder = RunFolder(run)
    part = folder.parts()[0]
    table = pq.read_table(part.path).slice(1)
    metadata = {k: v for k, v in table.schema.metadata.items() if k != b"w2s.block"}
    footer = {"study": part.study, "version": part.version, "statuses": {"ok": part.rows - 1}, "seconds": part.seconds}
    folder.write_part(part.key, table.replace_schema_metadata(metadata), footer)
    again = launch(grid(0.1, 1.0), out=run, executor="inline")
    assert (again.computed, again.pending) == (1, 0)
    assert rows(run)["cell_id"].tolist() == before["cell_id"].tolist()
    assert rows(run)["student_error"].tolist() == before["student_error"].tolist()


def test_a_late_part_of_an_earlier_cut_leaves_no_double_rows(tmp_path: Path) -> None:
    run, late = tmp_path / "run", tmp_path / "late"
    launch(grid(0.1), out=late, executor="inline")
    launch(grid(0.1, 1.0), out=run, executor="inline")
    for part in RunFolder(late).parts():
        (run / "results" / part.path.name).write_bytes(part.path.read_bytes())
    assert len(rows(run)) > 12
    outcome = launch(grid(0.1, 1.0), out=run, executor="inline")
    assert outcome.computed == 0
    assert len(rows(run)) == rows(run)["cell_id"].nunique() == 12
    status = run_status(run)
    assert (status.done, status.pending, status.outside) == (12, 0, 0)


def test_a_folder_that_got_no_further_than_its_first_part_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch(grid(0.1), out=run, executor="inline")
    for part in RunFolder(run).parts():
        part.path.unlink()
    (run / "grid.yaml").unlink()
    assert launch(grid(0.1), out=run, executor="inline").computed == 6


def test_libraries_that_come_late_have_one_thread_too() -> None:
    program = """
from sweeper.worker.threads import one_thread
from threadpoolctl import threadpool_info
with one_thread():
    import numpy, scipy.linalg, numba
    scipy.linalg.cholesky(numpy.eye(3))
    assert numba.get_num_threads() == 1, numba.get_num_threads()
    assert {library["num_threads"] for library in threadpool_info()} == {1}, threadpool_info()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_torch_keeps_the_threads_that_its_user_gave_it() -> None:
    """Numba's threads, started by a question about them, set Torch's OpenMP library to all cores."""
    pytest.importorskip("torch")
    code = """
import torch
torch.set_num_threads(1)
torch.stack([torch.ones(1000, 1000)] * 4).sum()
from sweeper.worker.threads import one_thread
with one_thread():
    assert torch.get_num_threads() == 1
assert torch.get_num_threads() == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
