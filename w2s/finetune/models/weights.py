"""What the header of a model's weight files tells, without loading them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from w2s.errors import FieldError
from w2s.finetune.models.folder import ModelFolder

__all__ = ["check_model", "parameter_count"]


def parameter_count(base: ModelFolder) -> float:
    """Weights of a model, from the headers of its files; layers that are cut off count too."""
    total = 0.0
    for path in base.path.glob("*.safetensors"):
        tensors = [item for name, item in _header(path, base.name).items() if name != "__metadata__"]
        total += sum(float(np.prod(item["shape"])) for item in tensors)
    return total


def _header(path: Path, name: str) -> dict[str, Any]:
    """The header of a safetensors file; :class:`FieldError` for one that is damaged or cut short."""
    try:
        with path.open("rb") as stream:
            size = struct.unpack("<Q", stream.read(8))[0]
            header: dict[str, Any] = json.loads(stream.read(size))
        end = max(item["data_offsets"][1] for key, item in header.items() if key != "__metadata__")
    except (struct.error, ValueError, KeyError, TypeError, OverflowError, MemoryError):
        raise FieldError(f"model {name}: {path} is no safetensors file, or is damaged") from None
    if path.stat().st_size != 8 + size + end:
        raise FieldError(f"model {name}: {path} is cut short: {path.stat().st_size:,} of {8 + size + end:,} bytes")
    return header


def check_model(base: ModelFolder) -> None:
    """Raise :class:`FieldError` for weights that are damaged, or for more layers than there are."""
    parameter_count(base)
    try:
        config = json.loads((base.path / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        raise FieldError(f"model {base.name}: {base.path / 'config.json'} is no JSON") from None
    depth = next((config[key] for key in ("num_hidden_layers", "n_layer", "num_layers") if key in config), None)
    if depth is not None and base.layers is not None and base.layers > depth:
        raise FieldError(f"model {base.name}: has {depth} layers, not {base.layers}")
