"""How fast graphics cards multiply and how much they hold, as their makers state it: for finished trainings, and for plans."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CARD_BYTES", "PEAK_FLOPS"]

PEAK_FLOPS: Mapping[str, float] = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12, "T4": 65e12}
"""Dense half-precision products per second by card."""

CARD_BYTES: Mapping[str, float] = {"H200": 141e9, "H100": 80e9, "A100": 80e9, "L4": 24e9, "T4": 16e9}
"""Memory by card, of the larger kind where there are two."""
