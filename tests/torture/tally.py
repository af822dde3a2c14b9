"""What came of faults of one kind: how many were put in, and what was lost, doubled, altered, or said by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

import w2s

__all__ = ["HEADINGS", "Tally", "rows_of"]

HEADINGS = ("fault", "injected", "survived", "lost", "doubled", "altered", "silent or broken")
_MADE = ["elapsed_s", "threads", "backend", "blas", "solver", "dtype", "condition"]


def rows_of(run: Path) -> pd.DataFrame:
    """Read the rows of a run by identity, without what says how they were made."""
    rows = w2s.load(run)
    return rows.drop(columns=[name for name in _MADE if name in rows]).sort_values("cell_id").reset_index(drop=True)


@dataclass
class Tally:
    """Counts of one kind of fault. ``survived`` are those after which everything was as without them, or was said to be wrong.

    ``lost``, ``doubled`` and ``altered`` count rows; ``wrong`` lists what was silent, hung, or gave a traceback, with the seed
    that repeats it.
    """

    fault: str
    injected: int = 0
    survived: int = 0
    lost: int = 0
    doubled: int = 0
    altered: int = 0
    wrong: list[str] = field(default_factory=list)

    def judge(self, run: Path, good: pd.DataFrame, faults: int, seed: int) -> None:
        """Compare the rows of a run that ended after some faults with those of an undisturbed one."""
        self.injected += faults
        found = rows_of(run)
        lost = len(set(good["cell_id"]) - set(found["cell_id"]))
        doubled = int(found["cell_id"].duplicated().sum())
        kept = found.drop_duplicates("cell_id")
        both = kept[kept["cell_id"].isin(good["cell_id"])].reset_index(drop=True)
        other = good[good["cell_id"].isin(both["cell_id"])].reset_index(drop=True)
        altered = 0 if both.equals(other) else int((both != other).any(axis=1).sum()) or 1
        self.lost, self.doubled, self.altered = self.lost + lost, self.doubled + doubled, self.altered + altered
        if lost or doubled or altered:
            self.wrong.append(f"seed {seed}: {lost} rows lost, {doubled} doubled, {altered} altered")
        else:
            self.survived += faults

    def line(self) -> tuple[str, ...]:
        """Return the cells of the table, in the order of `HEADINGS`."""
        numbers = (self.injected, self.survived, self.lost, self.doubled, self.altered, len(self.wrong))
        return (self.fault, *(f"{number:,}" for number in numbers))

    @contextmanager
    def watching(self, seed: int) -> Iterator[None]:
        """Record an error in a case as something wrong, and go on with the next."""
        try:
            yield
        except Exception as error:
            self.wrong.append(f"seed {seed}: {type(error).__name__}: {error}")
