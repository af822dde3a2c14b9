"""What remains to be computed: the planned blocks minus what the parts of a run folder hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeper.folder.contents import Contents
from sweeper.folder.part import DamagedPartError, Part, status_counts
from sweeper.folder.run_folder import RunFolder
from sweeper.plan.cut import Plan, block_key
from w2s.contract.block import Block
from w2s.contract.identity import cell_ids, hex_ids

__all__ = ["Remaining", "find_lost", "find_remaining"]

Ids = npt.NDArray[np.bytes_]


@dataclass(frozen=True)
class Remaining:
    """Blocks to compute, how many cells of the grid already have a row, and what was put in order, a line each."""

    blocks: list[tuple[Block, str]]
    found: int
    notes: tuple[str, ...] = ()


def find_remaining(plan: Plan, folder: RunFolder, contents: Contents) -> Remaining:
    """Compare a plan with what a folder holds, and clean up the folder. Cost: O(axis values + parts), rows where cuts differ.

    Damaged parts are set aside, and so are copies of a part; a part under another name gets its own again. Where only footers
    were looked at, and in parts of earlier releases, which have no digest, damage shows where rows have to be read; then the
    comparison is repeated.
    """
    notes = [_damaged(folder, error) for error in contents.damaged if error.path != folder.empty_part]
    for part in contents.copies:
        place = folder.set_aside(part.path, "copy")
        notes.append(f"{part.path.name} is a copy of rows that another part holds; set aside in {place}")
    parts = []
    for part in contents.parts:
        if not part.has_own_name:
            folder.give_own_name(part)
            notes.append(f"{part.path.name} was part-{part.key}.parquet under another name; it has its own again")
        parts.append(replace(part, path=folder.part_path(part.key)))
    while True:
        try:
            return replace(_compare(plan, folder, parts), notes=tuple(notes))
        except DamagedPartError as error:
            notes.append(_damaged(folder, error))
            parts = folder.parts()


def find_lost(plan: Plan, folder: RunFolder) -> list[Block]:
    """Return what is planned and has no row, not even a failed one: after a launch, what was taken from the folder meanwhile.

    Reads footers, and rows only where something is missing. Changes nothing.
    """
    study = plan.grid.study
    parts = [part for part in folder.contents().parts if (part.study, part.version) == (study.name, study.version)]
    planned = [(block, block_key(study, block)) for block in plan.blocks()]
    wanted = {key: block.wanted for block, key in planned}
    there = {key for part in parts for key, rows in part.blocks.items() if rows == wanted.get(key)}
    missing = [block for block, key in planned if key not in there]
    if not missing:
        return []
    have = np.sort(folder.ids([part for part in parts if not there.issuperset(part.blocks)]))
    return [left for block in missing if (left := _minus(plan, block, have)) is not None]


def _damaged(folder: RunFolder, error: DamagedPartError) -> str:
    place = folder.set_aside(error.path)
    return f"a damaged part is set aside in {place}; its cells are computed again"


def _compare(plan: Plan, folder: RunFolder, found: list[Part]) -> Remaining:
    """Find what is left to do, given that every part can be read.

    Parts of another study version are set aside. A part whose key is planned and which holds all wanted cells of its block
    is done; one with failed rows is computed again under its name. Other parts (of an earlier cut of the grid) lose failed
    rows and rows that another part has too; the cells they hold are masked out of the planned blocks.
    """
    study = plan.grid.study
    parts = []
    for part in found:
        if part.study == study.name and part.version != study.version:
            folder.supersede(part)
        else:
            parts.append(part)
    planned = [(block, block_key(study, block)) for block in plan.blocks()]
    wanted = {key: block.wanted for block, key in planned}
    done = [part for part in parts if not part.failed and _are_planned(part, wanted)]
    keys = {key for part in done for key in part.blocks}
    settled = {part.path for part in done}
    others = [
        part for part in parts if part.path not in settled and not (part.key in wanted and (part.failed or part.key in keys))
    ]
    have = _in_order(others, done, folder)
    blocks = [(block, key) for block, key in planned if key not in keys]
    if have.size:
        blocks = [(left, block_key(study, left)) for block, _ in blocks if (left := _minus(plan, block, have)) is not None]
    return Remaining(blocks, plan.cells - sum(block.wanted for block, _ in blocks))


def _are_planned(part: Part, wanted: Mapping[str, int]) -> bool:
    """Tell whether every block of a part is planned as it is, and has all its rows."""
    return all(rows == wanted.get(key) for key, rows in part.blocks.items())


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
    if not have.size:
        return block
    ids: npt.NDArray[Any] = hex_ids(cell_ids(plan.grid.study, block))
    place = np.minimum(np.searchsorted(have, ids), have.size - 1)
    missing = (have[place] != ids).reshape(block.shape)
    if block.mask is not None:
        missing = missing & block.mask
    if not missing.any():
        return None
    return block if missing.all() else block.with_mask(missing)
