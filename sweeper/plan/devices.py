"""What artifacts would be made on: this machine, or a graphics card by its name."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.cpus import gpu_memory, physical_memory
from sweeper.errors import GridError
from w2s.errors import nearest
from w2s.sharing.cards import CARD_BYTES, PEAK_FLOPS

__all__ = ["Card", "Device", "asked_card", "named_card", "this_machine"]

_USABLE = 0.95
"""Share of a memory that tensors can have: the rest is the driver's, the libraries', and lost between tensors."""
_UTILISATION = 0.2
"""Share of a card's peak that is assumed where nobody says another: finetunes of short texts fill a card badly."""


@dataclass(frozen=True)
class Device:
    """A memory by name, in bytes."""

    name: str
    size: float

    @property
    def usable(self) -> float:
        """Bytes that tensors can have."""
        return _USABLE * self.size


@dataclass(frozen=True)
class Card(Device):
    """A graphics card: operations a second at its peak, and the share of them that trainings are assumed to reach."""

    peak: float
    utilisation: float


def named_card(card: str, utilisation: float = _UTILISATION) -> Card:
    """Return a card by its name; raise :class:`GridError` for one that is not known, and for a share outside (0, 1]."""
    if card not in CARD_BYTES:
        raise GridError(f"--device {card}: no such card{nearest(card, CARD_BYTES)}; known: {', '.join(CARD_BYTES)}")
    if not 0.0 < utilisation <= 1.0:
        raise GridError(f"--utilisation {utilisation:g}: a share of the card's peak, above 0 and at most 1")
    return Card(f"one {card}", CARD_BYTES[card], PEAK_FLOPS[card], utilisation)


def asked_card(device: str | None, utilisation: float | None) -> Card | None:
    """Return the card of ``--device`` and ``--utilisation``, None without them.

    Raises :class:`GridError` as :func:`named_card` does, and for a share without a card.
    """
    if device is None and utilisation is not None:
        raise GridError("--utilisation is about the card of --device, which is not given")
    if device is None:
        return None
    return named_card(device) if utilisation is None else named_card(device, utilisation)


def this_machine() -> Device:
    """Return the memory of this machine's smallest GPU where it has any, else its own."""
    card = gpu_memory()
    return Device("this machine", physical_memory()) if card is None else Device("a GPU of this machine", card)
