"""How long it takes to make a plan's artifacts: nominal operations over a rate, for a person to read.

The rate is that of a named card at a stated share of its peak, or this machine's: of an artifact's function as finished values
in the store show it, else of matrix products. Nothing is decided by it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeper.plan.artifacts import ArtifactLine
from sweeper.plan.devices import Card
from sweeper.plan.rates import load_rates
from w2s.artifacts import Store

__all__ = ["Making", "on_card", "on_this_machine", "predicted_making", "rates_in"]

_LOOKED_AT = 1000
_ORDER = 512.0


@dataclass(frozen=True)
class Making:
    """Nominal operations of the artifacts that are to be made, predicted seconds, and where the rate comes from."""

    flops: float
    seconds: float
    remark: str


def predicted_making(lines: Sequence[ArtifactLine], store: Store, card: Card | None) -> Making | None:
    """Predict the time on a card, or on this machine; None where the functions of what is to be made do not say their cost."""
    if not any(line.missing_flops for line in lines):
        return None
    return on_this_machine(lines, store) if card is None else on_card(lines, card)


def on_card(lines: Sequence[ArtifactLine], card: Card) -> Making:
    """Predict the time on one card at a share of its peak."""
    flops = sum(line.missing_flops for line in lines)
    remark = f"on {card.name} at {100 * card.utilisation:g} % of {card.peak:.3g} operations a second, an assumption"
    return Making(flops, flops / (card.peak * card.utilisation), remark)


def on_this_machine(lines: Sequence[ArtifactLine], store: Store) -> Making:
    """Predict the time that one worker takes here: by values in the store where there are any, else by matrix products."""
    known, (rates, source) = rates_in(store), load_rates()
    asked = [line for line in lines if line.missing_flops]
    product = rates.rate("gemm", _ORDER)
    seconds = sum(line.missing_flops / known.get(line.function, product) for line in asked)
    measured = sorted({line.function for line in asked} & set(known))
    others = sorted({line.function for line in asked} - set(known))
    said = [f"{', '.join(measured)} as fast as in the store"] if measured else []
    said += [f"{', '.join(others)} as matrix products of {_ORDER:g} rows; {source}"] if others else []
    return Making(sum(line.missing_flops for line in asked), seconds, f"by one worker; {'; '.join(said)}")


def rates_in(store: Store) -> Mapping[str, float]:
    """Measure nominal operations a second by artifact function, over the first thousand values of a store that say both.

    Times are those of the machines that made the values. Records of earlier releases name no operations and do not count; those
    of a store in a bucket are not fetched for it.
    """
    if not isinstance(store.where, Path):
        return {}
    totals: dict[str, tuple[float, float]] = {}
    for record in itertools.islice(store.manifests(), _LOOKED_AT):
        flops, seconds = record.get("flops"), record.get("seconds")
        if isinstance(flops, float) and isinstance(seconds, float) and flops > 0.0 and seconds > 0.0:
            before = totals.get(record["function"], (0.0, 0.0))
            totals[record["function"]] = (before[0] + flops, before[1] + seconds)
    return {name: flops / seconds for name, (flops, seconds) in totals.items()}
