"""Halves of a block, for one that does not fit into memory."""

from __future__ import annotations

from w2s.contract.block import Block

__all__ = ["halves"]


def halves(block: Block) -> tuple[Block, ...]:
    """Cut a block in two along its seeds; leave out a half without a wanted cell. Return none for a block of one seed.

    Cells have the bits that they have in the whole block, since no cell depends on the others of its block.
    """
    place = next((k for k, axis in enumerate(block.axes) if "seed" in axis.names), None)
    if place is None or len(block.axes[place]) < 2:
        return ()
    middle = (len(block.axes[place]) + 1) // 2
    found = []
    for part in (slice(None, middle), slice(middle, None)):
        axes = tuple(axis[part] if k == place else axis for k, axis in enumerate(block.axes))
        mask = None if block.mask is None else block.mask[(slice(None),) * place + (part,)]
        if mask is None or mask.any():
            found.append(Block(block.fixed, axes, mask))
    return tuple(found)
