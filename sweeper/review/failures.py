"""The failed cells of a run, together by what went wrong: for ``status --failed``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from sweeper.folder.run_folder import RunFolder
from sweeper.review.stored import stored_grid
from w2s.places.url import Where
from w2s.tables.added_fields import with_names_of_today

__all__ = ["Failure", "failures"]


@dataclass
class Failure:
    """Cells that failed with one message: their number, and of the first ones the identity and the place on the axes.

    ``traceback`` is that of the first; None where nothing was raised, and in rows of earlier releases.
    """

    message: str
    traceback: str | None = None
    count: int = 0
    cells: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)


def failures(run: Where | str, *, shown: int = 10, trust_code: bool = False) -> list[Failure]:
    """Return the failed cells of a run by message, the most frequent first, with at most ``shown`` cells of each.

    ``trust_code`` is as in :func:`sweeper.review.stored.stored_grid`. Reads the parts that have failed rows.
    """
    folder = RunFolder.existing(run)
    grid = stored_grid(folder, trust_code=trust_code)
    axes = list(dict.fromkeys(name for part in grid.parts for axis in part.block.axes for name in axis.names))
    found: dict[str, Failure] = {}
    for part in folder.contents().parts:
        if not part.failed:
            continue
        table = with_names_of_today(folder.read(part), grid.study.Cell)
        for row in table.filter(pc.equal(table["status"], "failed")).to_pylist():
            message = row["message"] or "the study gave the status failed, without a message"
            failure = found.setdefault(message, Failure(message, row.get("traceback")))
            failure.count += 1
            if len(failure.cells) < shown:
                failure.cells.append((row["cell_id"], {name: row.get(name) for name in axes}))
    return sorted(found.values(), key=lambda failure: -failure.count)
