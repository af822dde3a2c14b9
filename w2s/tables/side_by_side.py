"""Two or more runs as one table with a column that names the run, so that everything that compares settings compares runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from w2s.summary.columns import SEED, cell_fields
from w2s.summary.text import value_text
from w2s.tables.metadata import TableMetadata, merge_metadata

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RUN", "side_by_side"]

RUN = "run"


def side_by_side(runs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put runs of one study beside each other, each row with the name of its run in the field ``run``.

    A cell that several runs have is there once for each run, unlike in `concat`. Fields whose values no two runs share are what
    the runs differ in: they are listed in ``df.attrs["w2s"]["differ"]`` with their values, and are no axes of the result, since
    nothing would pair. ``w2s.compare(side_by_side({"a": a, "b": b}), over="run", baseline="a")`` compares the rest.

    Raises ValueError for fewer than two runs, for a frame that has lost its metadata, for runs of different studies or
    versions, for a study with a field of that name, and where a run has several values of a field and shares none with another.
    """
    import pandas as pd

    if len(runs) < 2:
        raise ValueError(f"{len(runs)} runs: two or more are compared")
    for name, rows in runs.items():
        if RUN in cell_fields(rows):
            raise ValueError(f"the study has a field {RUN!r} of its own, so runs cannot be named there")
        if not len(rows):
            raise ValueError(f"{name} has no rows, so there is nothing to compare")
    metadata = merge_metadata([rows.attrs["w2s"] for rows in runs.values()], [Path(name) for name in runs])
    differ = _differences(runs)
    parts = []
    for name, rows in runs.items():
        part = rows.copy(deep=False)
        part.attrs = {}
        part[RUN] = name
        parts.append(part)
    together = pd.concat(parts, ignore_index=True)
    fields = [RUN, *(name for name in metadata["fields"] if name not in differ)]
    axes = [name for name in metadata.get("axes", []) if name not in differ]
    # Code is compared on purpose where the runs were made by different code.
    metadata.pop("code", None)
    together.attrs["w2s"] = TableMetadata({**metadata, "fields": fields, "axes": [RUN, *axes], "differ": differ})
    return together


def _differences(runs: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, str]]:
    """Find the fields of which no value is in two runs: field -> run -> its values as text."""
    apart: dict[str, dict[str, set[str]]] = {}
    first = next(iter(runs.values()))
    for name in cell_fields(first):
        if name == SEED or not all(name in rows for rows in runs.values()):
            continue
        values = {run: set(map(value_text, rows[name].drop_duplicates())) for run, rows in runs.items()}
        if sum(map(len, values.values())) == len(set().union(*values.values())):
            apart[name] = values
    if several := [name for name, values in apart.items() if max(map(len, values.values())) > 1]:
        others = [name for name in apart if name not in several]
        too = f"; they differ in {', '.join(others)}, too" if others else ""
        has = "; ".join(f"{run} has {', '.join(sorted(given)[:6])}" for run, given in apart[several[0]].items())
        raise ValueError(
            f"nothing to pair: the runs share no {' and no '.join(several)} ({has}){too}. To compare them in spite of it, keep "
            f"one value of each run: select {several[0]}=V1,V2"
        )
    return {name: {run: given.pop() for run, given in values.items()} for name, values in apart.items()}
