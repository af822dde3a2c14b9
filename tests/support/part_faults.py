"""Faults put into the parts of a small run, each from one seed, and what every reader then says.

flips(range(400), run, folder)     one bit of one part at a time: every reader has to tell, or give the rows that were there
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

import w2s
from sweeper.errors import UserError
from sweeper.folder.run_folder import RunFolder
from sweeper.review.status import run_status
from sweeper.review.table import read_run


def rows(run: Path) -> pd.DataFrame:
    """Rows without what says how long they took, by identity."""
    return w2s.load(run).drop(columns="elapsed_s").sort_values("cell_id").reset_index(drop=True)


def flips(seeds: Iterable[int], run: Path, folder: Path) -> Counter[str]:
    """Flip one bit of a copy of a run for each seed; count what came of it by reader: ``told``, ``equal``, or a fault."""
    good, found = rows(run), Counter[str]()
    for seed in seeds:
        rng = np.random.default_rng([11, seed])
        hurt = folder / "hurt"
        shutil.copytree(run, hurt)
        parts = sorted((hurt / "results").glob("*.parquet"))
        path = parts[rng.integers(len(parts))]
        flip(path, rng)
        found[f"load {_outcome(lambda hurt=hurt: rows(hurt), good)}"] += 1
        found[f"report {_outcome(lambda hurt=hurt: _reported(hurt), good)}"] += 1
        found[f"status {'told' if run_status(hurt, verify=True).damaged else 'silent'}"] += 1
        found[f"launch {'told' if RunFolder(hurt).contents(whole=True).damaged else 'silent'}"] += 1
        shutil.rmtree(hurt)
    return found


def flip(path: Path, rng: np.random.Generator) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    bit = int(rng.integers(8 * len(content)))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def _reported(run: Path) -> pd.DataFrame:
    return read_run(run).rows.drop(columns="elapsed_s").sort_values("cell_id").reset_index(drop=True)


def _outcome(read, good: pd.DataFrame) -> str:
    try:
        return "equal" if read().equals(good) else "altered"
    except (UserError, ValueError) as error:
        return "told" if str(error) else "no message"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
