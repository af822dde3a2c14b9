"""Flipped bits, copies under other names: told, set aside, computed again, and never a row changed, lost or twice.

``W2S_FLIPS=400 pytest tests/sweeper/folder/test_damage.py`` flips more bits; ``W2S_FLIPS=400:800`` those between.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from part_faults import flip, flips, rows
from workbench import events, part_files

import w2s
from sweeper import launch
from sweeper.folder.part import DamagedPartError, read_part, read_rows
from sweeper.folder.run_folder import RunFolder
from sweeper.review.status import run_status
from sweeper.review.table import read_run

GRID = {
    "study": "dong2025.regression",
    "axes": {"ridge": [0.1, 1.0]},
    "fixed": {"d_weak": 8, "d_strong": 6, "d_overlap": 4, "n_labeled": 40, "n_transfer": 40},
}


def asked() -> range:
    first, _, last = os.environ.get("W2S_FLIPS", "24").rpartition(":")
    return range(int(first or 0), int(last))


def start(run: Path, seeds: int = 4):
    return launch({**GRID, "seeds": seeds}, out=run, executor="inline")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two parts: four seeds, then two more."""
    start(tmp_path / "run")
    start(tmp_path / "run", seeds=6)
    return tmp_path / "run"


@pytest.mark.fault
@pytest.mark.timeout(3600)
def test_a_flipped_bit_is_told_by_every_reader(run: Path, tmp_path: Path) -> None:
    count = len(asked())
    found = flips(asked(), run, tmp_path)
    assert found == {f"{reader} told": count for reader in ("load", "report", "status", "launch")}


@pytest.mark.fault
def test_a_launch_computes_again_what_a_flipped_bit_has_touched(run: Path) -> None:
    good = rows(run)
    for seed, path in enumerate(sorted((run / "results").glob("*.parquet"))):
        flip(path, np.random.default_rng([12, seed]))
        outcome = start(run, seeds=6)
        assert (outcome.exit, outcome.found + outcome.computed, outcome.pending) == (0, 12, 0)
        pd.testing.assert_frame_equal(rows(run), good)
    assert len(events(run, "damaged")) == 2  # the part without rows is written anew


def test_pages_carry_checksums_for_other_readers(run: Path) -> None:
    path = run / "results" / sorted(part_files(run))[0]
    place = pq.ParquetFile(path).metadata.row_group(0).column(0)
    content = bytearray(path.read_bytes())
    content[place.data_page_offset + place.total_compressed_size - 3] ^= 4
    path.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        pd.read_parquet(path, page_checksum_verification=True)


def test_a_part_without_a_digest_is_read(run: Path) -> None:
    """Earlier releases wrote such parts, and other tools write them from tables that they have read."""
    before = rows(run)
    for path in (run / "results").glob("*.parquet"):
        pq.write_table(pq.read_table(path), path)
    assert read_part(RunFolder(run).parts()[0].path, whole=True).rows > 0
    assert start(run, seeds=6).found == 12
    pd.testing.assert_frame_equal(rows(run), before)


def test_damage_is_told_where_it_is_met(run: Path) -> None:
    path = RunFolder(run).parts()[0].path
    content = bytearray(path.read_bytes())
    content[8] ^= 1
    path.write_bytes(content)
    assert read_part(path).rows  # the footer is whole
    for read in (lambda: read_part(path, whole=True), lambda: read_rows(path)):
        with pytest.raises(DamagedPartError, match="its bytes are not those that were written"):
            read()
    status = run_status(run, verify=True)
    assert (status.damaged, path.name in status.damage[0]) == (1, True)


def test_a_copy_under_another_name_counts_once(run: Path) -> None:
    good = rows(run)
    path = RunFolder(run).parts()[0].path
    copy = path.with_name(f"{path.stem} (conflicted copy).parquet")
    shutil.copy(path, copy)
    assert len(pd.read_parquet(run / "results")) > len(good)  # as docs/tables.md says
    pd.testing.assert_frame_equal(rows(run), good)
    assert w2s.load(run).attrs["w2s"]["repeated"] == read_part(path).rows
    pd.testing.assert_frame_equal(read_run(run).rows.sort_values("cell_id", ignore_index=True).drop(columns="elapsed_s"), good)
    status = run_status(run)
    assert (status.done, status.pending, status.outside, status.copies) == (12, 0, 0, 1)
    assert start(run, seeds=6).found == 12
    assert (copy.exists(), [event["part"] for event in events(run, "copy")]) == (False, [copy.name])
    assert len(pd.read_parquet(run / "results")) == len(good)


def test_a_part_that_lost_its_name_gets_it_back(run: Path) -> None:
    good, names = rows(run), part_files(run)
    path = RunFolder(run).parts()[0].path
    path.rename(path.with_name("part-of mine.parquet"))
    assert run_status(run).pending == 0
    outcome = start(run, seeds=6)
    assert (outcome.found, outcome.computed, part_files(run)) == (12, 0, names)
    pd.testing.assert_frame_equal(rows(run), good)
