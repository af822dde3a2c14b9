"""Bundles: blocks of different sub-grids that need the same expensive values, for one worker to solve one after another.

Sub-grids of one file are cut separately, so a block never holds cells of two of them, and names and bits of its part do not
depend on the others. What two blocks have in common is said by :meth:`w2s.contract.study.Study.common`; a bundle is solved with
one memo, so that each of these values is computed once. Like the cut, bundles are a pure function of the blocks, from nominal
operations alone. A launch bundles the blocks that are left: bundles decide who computes a value, never which value it is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from sweeper.errors import GridError
from sweeper.plan.cut import Plan
from w2s.contract.block import Block
from w2s.contract.memo import Memo
from w2s.contract.study import Common, Piece, Study
from w2s.user_files import told

__all__ = ["Bundle", "make_bundles", "memo_of", "saved_pieces"]

Bundle = tuple[Block, ...]
"""Blocks that one task solves one after another."""

LEAST_SHARED = 0.1
"""A block joins a bundle that saves it this part of its operations."""
MAX_FLOPS = 8e10
"""Nominal operations of a bundle, some 4 s: above that, workers would wait for the last bundle while others are idle."""
MOST_BLOCKS = 20_000
"""Grids with more blocks are not bundled: they have enough work of their own, and nobody would wait for this account."""


def make_bundles(plan: Plan, blocks: Sequence[Block]) -> list[Bundle]:
    """Group blocks of a plan (all, or those that are left to do) by the expensive values that they share.

    Blocks are taken in order; each joins the earlier bundle that saves it most, if that is worth it and the bundle stays below
    :data:`MAX_FLOPS`. The order of blocks is kept inside a bundle. Cost: O(blocks x values that they name).
    """
    study = plan.grid.study()
    if not _shares(study, plan):
        return [(block,) for block in blocks]
    return [tuple(blocks[place] for place in places) for places in _bundled(study, blocks, _commons(study, blocks))]


def _commons(study: Study, blocks: Sequence[Block]) -> list[dict[Hashable, Common]]:
    return [_common(study, block) for block in blocks]


def _bundled(study: Study, blocks: Sequence[Block], commons: Sequence[Mapping[Hashable, Common]]) -> list[list[int]]:
    """Return the bundles as places in the list of blocks."""
    members: list[list[int]] = []
    flops: list[float] = []
    owner: dict[Hashable, int] = {}
    known: dict[tuple[Any, ...], float] = {}
    for number, (block, common) in enumerate(zip(blocks, commons, strict=True)):
        alike = _alike(block)
        whole = known[alike] if alike in known else known.setdefault(alike, study.cost(block).flops)
        saved: dict[int, float] = defaultdict(float)
        for key, each in common.items():
            if key in owner:
                saved[owner[key]] += each.flops
        place = _best(saved, flops, whole)
        if place is None:
            place = len(members)
            members.append([])
            flops.append(0.0)
        members[place].append(number)
        flops[place] += whole - saved[place]
        owner |= dict.fromkeys(common, place)
    return members


def _alike(block: Block) -> tuple[Any, ...]:
    """Return what blocks of equal cost have in common: everything but which seeds they hold, and their mask.

    Blocks of one sub-grid share their axes as objects, so that is what is compared.
    """
    axes = (len(axis) if axis.names == ("seed",) else id(axis) for axis in block.axes)
    mask = None if block.mask is None else block.mask.tobytes()
    return (tuple((name, repr(value)) for name, value in block.fixed.items() if name != "seed"), *axes, mask)


def _best(saved: Mapping[int, float], flops: Sequence[float], whole: float) -> int | None:
    """Return the bundle with room for a block of ``whole`` operations that saves it most; the first among equals."""
    for place, least in sorted(saved.items(), key=lambda item: (-item[1], item[0])):
        if least < LEAST_SHARED * whole:
            return None
        if flops[place] + whole - least <= MAX_FLOPS:
            return place
    return None


def _shares(study: Study, plan: Plan) -> bool:
    """Tell whether blocks of a plan can have values in common."""
    return len(plan.cuts) > 1 and type(study).common is not Study.common and plan.block_count <= MOST_BLOCKS


def _common(study: Study, block: Block) -> dict[Hashable, Common]:
    """Return the values that a block may share, by key."""
    try:
        return {each.key: each for each in study.common(block)}
    except Exception as error:
        raise GridError(f"{study.name}.common raised {told(error)}") from error


def saved_pieces(plan: Plan) -> Iterator[Piece]:
    """Yield the pieces of work of a plan's blocks that another block of the same bundle has done before."""
    study = plan.grid.study()
    if not _shares(study, plan):
        return
    blocks = list(plan.blocks())
    commons = _commons(study, blocks)
    for bundle in _bundled(study, blocks, commons):
        seen: set[Hashable] = set()
        for place in bundle:
            yield from (piece for key, each in commons[place].items() if key in seen for piece in each.pieces)
            seen |= set(commons[place])


def memo_of(study: Study, blocks: Sequence[Block]) -> Memo | None:
    """Make a memo for blocks that are solved one after another; None where they have nothing in common."""
    if len(blocks) < 2 or type(study).common is Study.common:
        return None
    counts = Counter(key for block in blocks for key in _common(study, block))
    wanted = {key for key, count in counts.items() if count > 1}
    return Memo(wanted) if wanted else None
