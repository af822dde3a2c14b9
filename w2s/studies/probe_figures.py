"""Figures of the probe study."""

from __future__ import annotations

from w2s.study import Figure

FIGURES: tuple[Figure, ...] = ()
