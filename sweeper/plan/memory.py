"""Whether artifacts fit into memory: what they say they need, against a card, or against this machine.

A prediction refuses only what cannot fit at all. What fits in smaller pieces runs in smaller pieces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sweeper.cpus import gpu_memory, physical_memory
from sweeper.errors import GridError
from w2s.artifacts import Call, Need
from w2s.errors import nearest
from w2s.sharing.cards import CARD_BYTES

__all__ = ["Device", "check_memory", "largest_need", "named_card", "this_machine"]

_USABLE = 0.95
"""Share of a memory that tensors can have: the rest is the driver's, the libraries', and lost between tensors."""


@dataclass(frozen=True)
class Device:
    """A memory by name, in bytes."""

    name: str
    size: float

    @property
    def usable(self) -> float:
        """Bytes that tensors can have."""
        return _USABLE * self.size


def named_card(card: str) -> Device:
    """Return the memory of a card; raise :class:`GridError` for one that is not known."""
    if card not in CARD_BYTES:
        raise GridError(f"--device {card}: no such card{nearest(card, CARD_BYTES)}; known: {', '.join(CARD_BYTES)}")
    return Device(f"one {card}", CARD_BYTES[card])


def this_machine() -> Device:
    """Return the memory of this machine's smallest GPU where it has any, else its own."""
    card = gpu_memory()
    return Device("this machine", physical_memory()) if card is None else Device("a GPU of this machine", card)


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
