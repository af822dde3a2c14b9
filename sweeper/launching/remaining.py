"""What remains to be computed: the planned blocks minus what the parts of a run folder hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeper.folder.part import DamagedPartError, Part, status_counts
from sweeper.folder.run_folder import RunFolder
from sweeper.plan.cut import Plan, block_key
from w2s.contract.block import Block
from w2s.contract.identity import cell_ids, hex_ids
from w2s.places.url import Where

__all__ = ["Remaining", "find_remaining"]

Ids = npt.NDArray[np.bytes_]


@dataclass(frozen=True)
class Remaining:
    """Blocks to compute, how many cells of the grid already have a row, and where damaged parts were moved to."""

    blocks: list[tuple[Block, str]]
    found: int
    damaged: tuple[Where, ...] = ()


def find_remaining(plan: Plan, folder: RunFolder) -> Remaining:
    """Compare a plan with a folder, and clean up the folder.

    Damaged parts are set aside. Damage behind a footer shows only where rows have to be read; then the comparison is repeated.
    """
    aside = [folder.set_aside(path) for path in folder.sound_parts()[1]]
    while True:
        try:
            return replace(_compare(plan, folder), damaged=tuple(aside))
        except DamagedPartError as error:
            aside.append(folder.set_aside(error.path))


def _compare(plan: Plan, folder: RunFolder) -> Remaining:
    """Find what is left to do, given that every part can be read.

    Parts of another study version are set aside. A part whose key is planned and which holds all wanted cells of its block
    is done; one with failed rows is computed again under its name. Other parts (of an earlier cut of the grid) lose failed
    rows and rows that another part has too; the cells they hold are masked out of the planned blocks.
    """
    study = plan.grid.study
    parts = []
    for part in folder.parts():
        if part.study == study.name and part.version != study.version:
            folder.supersede(part)
        else:
            parts.append(part)
    planned = [(block, block_key(study, block)) for block in plan.blocks()]
    wanted = {key: block.wanted for block, key in planned}
    done = [part for part in parts if not part.failed and part.rows == wanted.get(part.key)]
    keys = {part.key for part in done}
    others = [part for part in parts if part.key not in wanted or not (part.failed or part.key in keys)]
    have = _in_order(others, done, folder)
    blocks = [(block, key) for block, key in planned if key not in keys]
    if have.size:
        blocks = [(left, block_key(study, left)) for block, _ in blocks if (left := _minus(plan, block, have)) is not None]
    return Remaining(blocks, plan.cells - sum(block.wanted for block, _ in blocks))


def _in_order(others: list[Part], done: list[Part], folder: RunFolder) -> Ids:
    """Remove from parts failed rows and rows that another part has too; return the identities they then hold, sorted."""
    seen: set[bytes] = set(folder.ids(done).tolist()) if others else set()
    have: list[bytes] = []
    for part in others:
        table = folder.read(part, ["cell_id", "status"])
        ids = np.array(table["cell_id"].to_pylist(), dtype="S32")
        good = np.array(table["status"].to_pylist(), dtype=object) != "failed"
        keep = good & ~np.array([name in seen for name in ids.tolist()], dtype=bool)
        if not keep.all():
            _rewrite(part, keep, folder)
        kept = ids[keep].tolist()
        seen.update(kept)
        have += kept
    return np.sort(np.array(have, dtype="S32"))


def _rewrite(part: Part, keep: npt.NDArray[np.bool_], folder: RunFolder) -> None:
    if not keep.any():
        folder.remove(part)
        return
    table = folder.read(part)
    kept = table.filter(keep)
    metadata = {k: v for k, v in (table.schema.metadata or {}).items() if k != b"w2s.block"}
    trimmed = replace(part, rows=kept.num_rows, statuses=status_counts(kept))
    footer = {"study": part.study, "version": part.version, "statuses": trimmed.statuses, "seconds": part.seconds}
    folder.write_part(part.key, kept.replace_schema_metadata(metadata), footer)


def _minus(plan: Plan, block: Block, have: Ids) -> Block | None:
    """Return the block without the cells that already have a row; None when nothing is left."""
    ids: npt.NDArray[Any] = hex_ids(cell_ids(plan.grid.study, block))
    place = np.minimum(np.searchsorted(have, ids), have.size - 1)
    missing = (have[place] != ids).reshape(block.shape)
    if block.mask is not None:
        missing = missing & block.mask
    if not missing.any():
        return None
    return block if missing.all() else block.with_mask(missing)
