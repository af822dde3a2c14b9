"""How fast graphics cards multiply, as their makers state it: for model FLOP/s of finished trainings, and for plans."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PEAK_FLOPS"]

PEAK_FLOPS: Mapping[str, float] = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12, "T4": 65e12}
"""Dense half-precision products per second by card."""
