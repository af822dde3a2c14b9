"""Whether artifacts fit into memory: what they say they need, against a card, or against this machine.

A prediction refuses only what cannot fit at all. What fits in smaller pieces runs in smaller pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sweeper.errors import GridError
from sweeper.plan.devices import Card, Device, this_machine
from w2s.artifacts import Call, Need

__all__ = ["check_memory", "largest_need", "need_and_device"]


def largest_need(calls: Iterable[Call]) -> Need | None:
    """Return the need of the call that takes most at its peak; None where no call says what it needs."""
    needs = [need for call in calls if (need := call.memory) is not None and need.usual > 0.0]
    return max(needs, key=lambda need: need.usual, default=None)


def need_and_device(calls: Sequence[Call], card: Card | None) -> tuple[Need, Device] | None:
    """Return the largest need and the device that has to meet it, this machine without a card; None without a need.

    Raises :class:`GridError` where a call cannot fit on the card that was named.
    """
    need = largest_need(calls)
    if need is None:
        return None
    if card is not None:
        check_memory(calls, card)
    return need, card or this_machine()


def check_memory(calls: Iterable[Call], device: Device) -> None:
    """Refuse calls of which one cannot fit, however small its pieces; raise :class:`GridError` with the largest."""
    needs = [need for call in calls if (need := call.memory) is not None and need.least > device.usable]
    if needs:
        worst = max(needs, key=lambda need: need.least)
        room = f"{device.name} has {device.size / 1e9:,.1f} GB, of which {device.usable / 1e9:,.1f} can be used"
        raise GridError(f"it does not fit: {worst.says}; with one row at once it takes {worst.least / 1e9:,.1f} GB, and {room}")
