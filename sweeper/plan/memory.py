"""Whether artifacts fit into memory: what they say they need, against a card, or against this machine.

A prediction refuses only what cannot fit at all. What fits in smaller pieces runs in smaller pieces.
"""

from __future__ import annotations

from collections.abc import Iterable

from sweeper.errors import GridError
from sweeper.plan.devices import Device
from w2s.artifacts import Call, Need

__all__ = ["check_memory", "largest_need"]


def largest_need(calls: Iterable[Call]) -> Need | None:
    """Return the need of the call that takes most at its peak; None where no call says what it needs."""
    needs = [need for call in calls if (need := call.memory) is not None and need.usual > 0.0]
    return max(needs, key=lambda need: need.usual, default=None)


def check_memory(calls: Iterable[Call], device: Device) -> None:
    """Refuse calls of which one cannot fit, however small its pieces; raise :class:`GridError` with the largest."""
    needs = [need for call in calls if (need := call.memory) is not None and need.least > device.usable]
    if needs:
        worst = max(needs, key=lambda need: need.least)
        room = f"{device.name} has {device.size / 1e9:,.1f} GB, of which {device.usable / 1e9:,.1f} can be used"
        raise GridError(f"it does not fit: {worst.says}; with one row at once it takes {worst.least / 1e9:,.1f} GB, and {room}")
