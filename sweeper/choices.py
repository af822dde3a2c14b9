"""Words that both a grid and the command line accept. A leaf: ``--help`` imports nothing heavier."""

from __future__ import annotations

from typing import Literal

__all__ = ["BackendName", "FormName", "OnError"]

BackendName = Literal["auto", "numpy", "numba", "cupy"]
"""Kernels that compute."""

FormName = Literal["csv", "xlsx", "hf", "mlflow", "wandb"]
"""Forms in which rows are exported."""

OnError = Literal["stop", "continue", "stop-if-all-alike"]
"""What a failed cell does to the rest."""
