"""Damage to what is stored, and grids and folders from somebody else: told, or without effect; never silent, slow or outside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import hostile
import numpy as np
import part_faults
from tally import Tally, rows_of
from workbench import Bench

from sweeper import launch, load_grid

__all__ = ["bit_flips", "hostile_folders", "mutated_grids", "mutated_parts"]

_GRID = {
    "study": "dong2025.regression",
    "axes": {"ridge": [0.1, 1.0]},
    "fixed": {"d_weak": 8, "d_strong": 6, "d_overlap": 4, "n_labeled": 40, "n_transfer": 40},
    "seeds": 6,
    "compute": {"executor": "inline", "backend": "numpy"},
}
_GRIDS = Path(__file__).resolve().parents[1] / "support" / "hostile_grids.py"


def bit_flips(bench: Bench, count: int, seed: int) -> Tally:
    """Flip one bit of a part; every reader has to tell, and the next launch has to bring back the rows that were there."""
    tally, run, hurt = Tally("bit of a part flipped"), bench.folder / "runs" / "bits", bench.folder / "runs" / "again"
    grid = load_grid(_GRID, bench.folder)
    assert launch(grid, out=run).exit == 0
    good = rows_of(run)
    for number in range(seed * count, seed * count + count):
        with tally.watching(number):
            found = part_faults.flips([number], run, bench.folder / "runs")
            if silent := [name for name in found if not name.endswith(" told")]:
                tally.wrong.append(f"seed {number}: {', '.join(silent)}")
            shutil.copytree(run, hurt)
            rng = np.random.default_rng([11, number])
            parts = sorted((hurt / "results").glob("*.parquet"))
            part_faults.flip(parts[rng.integers(len(parts))], rng)
            assert launch(grid, out=hurt).exit == 0
            tally.judge(hurt, good, 1, number)
        shutil.rmtree(hurt, ignore_errors=True)
    return tally


def mutated_parts(bench: Bench, count: int, seed: int) -> Tally:
    """Mutate the bytes, the footer or the columns of a part, and run every command on the folder."""
    tally, place = Tally("part mutated"), hostile.make_place(bench.folder / "place")
    for number in range(seed * count, seed * count + count):
        rng, copy = np.random.default_rng([21, number]), hostile.copy_place(place, bench.folder / "copy")
        files = [*copy.parts, copy.schema]
        what = hostile.mutated(files[rng.integers(len(files))], rng)
        _look(tally, copy, f"seed {number}, {what}")
    return tally


def hostile_folders(bench: Bench, count: int, seed: int) -> Tally:
    """Run every command on folders with odd files in all places: links, pipes, devices, lies in footers and notes."""
    tally, place = Tally("folder of somebody else"), hostile.make_place(bench.folder / "place")
    kinds = list(hostile.KINDS.items())
    for name, spoil in kinds[:: max(1, len(kinds) // count)]:
        copy = hostile.copy_place(place, bench.folder / "copy")
        spoil(copy)
        _look(tally, copy, name)
    return tally


def mutated_grids(bench: Bench, count: int, seed: int) -> Tally:
    """Mutate grids of `configs/` and plan them in a process with bounded memory: a plan, or an error of the user."""
    tally = Tally("grid mutated", injected=count)
    command = [sys.executable, str(_GRIDS), str(seed * count), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    tally.wrong += found["wrong"]
    tally.survived = count - len(found["wrong"])
    return tally


def _look(tally: Tally, place: hostile.Place, what: str) -> None:
    tally.injected += 1
    with tally.watching(tally.injected):
        found = hostile.faults(place)
        tally.wrong += [f"{what}: {fault}" for fault in found]
        tally.survived += not found
    shutil.rmtree(place.folder)
