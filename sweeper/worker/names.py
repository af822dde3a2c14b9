"""What a task is called in a list of tasks: the fields that vary between blocks, with their values here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sweeper.grid.conditions import show
from w2s.contract.block import Block

__all__ = ["block_words"]

_LONGEST = 100
_FEW = 3


def block_words(blocks: Sequence[Block]) -> str:
    """Name blocks by the values of their axes, ``solve d_weak=20..200 filter=ridge,flow seed 5``, seeds last.

    Numbers are given as a range, more than three words by their number. A name of more than 100 letters is cut.
    """
    values: dict[str, dict[Any, None]] = {}
    for block in blocks:
        for axis in block.axes:
            for name in axis.names:
                values.setdefault(name, {}).update(dict.fromkeys(value for value in axis.column(name) if value is not None))
    seeds = list(values.pop("seed", ()))
    words = [f"{name}={_range(list(found))}" for name, found in values.items() if found]
    seed = [f"seed{'s' if len(seeds) > 1 else ''} {_range(seeds)}"] if seeds else []
    text = " ".join(["solve", *words])
    room = _LONGEST - sum(len(word) + 1 for word in seed)
    return " ".join([text if len(text) <= room else f"{text[: room - 3]}...", *seed])


def _range(values: Sequence[Any]) -> str:
    if len(values) > 1 and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return f"{show(min(values))}..{show(max(values))}"
    return ",".join(show(value) for value in values) if len(values) <= _FEW else f"{len(values)} values"
