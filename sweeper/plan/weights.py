"""How much each block and each artifact of a plan weighs, in predicted seconds of one worker: what progress is measured in.

The seconds are those of a forecast, for a person to read. Nothing is decided by them but the order of words on a screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sweeper.errors import GridError
from sweeper.plan.artifacts import has_artifacts, missing_calls, store_folder
from sweeper.plan.cut import Plan
from sweeper.plan.forecast import is_predicted, pieces_of
from sweeper.plan.making import rates_in
from sweeper.plan.rates import Rates, load_rates
from w2s.artifacts import Call, Store, open_store
from w2s.contract.block import Block
from w2s.contract.study import Study

__all__ = ["block_seconds", "call_seconds", "making_seconds", "seconds_of_artifacts"]

_MOST = 256
_ORDER = 512.0
_LIGHT_SECONDS = 0.05
"""Seconds assumed of an artifact whose function names no cost: labels are turned, columns are written."""


def block_seconds(plan: Plan, blocks: Sequence[Block]) -> list[float]:
    """Predict the seconds of each block. Blocks that differ in their seeds alone weigh the same.

    At most 256 blocks are looked at one by one; further ones weigh by their cells. Where the study gives no account of its
    work, every block does.
    """
    rates, study = load_rates()[0], plan.grid.study()
    known: dict[str, float] = {}
    found: list[float | None] = []
    for block in blocks:
        key = _but_for_seeds(block)
        if key not in known and len(known) < _MOST:
            known[key] = _seconds(study, block, rates)
        found.append(known.get(key))
    cells = sum(block.wanted for block, seconds in zip(blocks, found, strict=True) if seconds is not None)
    mean = sum(seconds for seconds in found if seconds is not None) / max(cells, 1)
    return [block.wanted * mean if seconds is None else seconds for block, seconds in zip(blocks, found, strict=True)]


def call_seconds(calls: Iterable[Call], store: Store) -> dict[str, float]:
    """Predict the seconds of calls by key: as fast as finished values in the store show it, else as matrix products."""
    measured, product = rates_in(store), load_rates()[0].rate("gemm", _ORDER)
    return {call.key: call.flops / measured.get(call.artifact.name, product) or _LIGHT_SECONDS for call in calls}


def making_seconds(calls: Iterable[Call], store: Store) -> float | None:
    """Predict the seconds in which one worker makes some calls; None where nothing says what a function of others costs."""
    asked = list(calls)
    if any(call.artifact.cost is None and call.artifact.code is not None for call in asked):
        return None
    return sum(call_seconds(asked, store).values())


def seconds_of_artifacts(plan: Plan, missing: Iterable[Call] | None = None) -> float | None:
    """Predict the seconds of the artifacts that a launch of a plan would make; None where that is not known.

    ``missing`` are those artifacts, where they are known already: to find them takes as long as the plan.
    """
    if not has_artifacts(plan.grid.study):
        return 0.0
    store = open_store(store_folder(plan.grid, plan.grid.compute, plan.grid.out))
    return making_seconds(missing_calls(plan, store) if missing is None else missing, store)


def _seconds(study: Study, block: Block, rates: Rates) -> float:
    upkeep = rates.rows.seconds(block.wanted, 1) + rates.files.seconds(block.wanted, 1)
    if not is_predicted(type(study)):
        return upkeep
    try:
        return upkeep + sum(rates.seconds(piece) for piece in pieces_of(study, block))
    except GridError:
        return upkeep


def _but_for_seeds(block: Block) -> str:
    """Name what a block's weight depends on: all its values but the seeds, of which the number counts."""
    fixed = sorted((name, str(value)) for name, value in block.fixed.items() if name != "seed")
    axes = [len(axis) if axis.names == ("seed",) else axis.values for axis in block.axes]
    return repr((fixed, axes, block.wanted))
