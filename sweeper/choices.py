"""Words that both a grid and the command line accept. A leaf: ``--help`` imports nothing heavier."""

from __future__ import annotations

from typing import Literal

__all__ = ["BackendName", "OnError"]

BackendName = Literal["auto", "numpy", "numba", "cupy"]
"""Kernels that compute."""

OnError = Literal["stop", "continue", "stop-if-all-alike"]
"""What a failed cell does to the rest."""
