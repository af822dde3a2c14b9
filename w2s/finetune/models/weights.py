"""What a model's files tell without loading it: its configuration, its size, and whether they are whole."""

from __future__ import annotations

import functools
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from w2s.errors import FieldError
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.gguf_header import gguf_header

__all__ = ["check_model", "depth_and_width", "model_config", "parameter_count"]

_DEPTHS = ("num_hidden_layers", "n_layer", "num_layers")
_WIDTHS = ("hidden_size", "n_embd", "d_model", "dim")


def model_config(base: ModelFolder) -> dict[str, Any]:
    """Return the configuration by the names of transformers: all of ``config.json``, or what a GGUF file's header tells.

    Raises :class:`FieldError` for a file that is no JSON or no GGUF.
    """
    if base.is_gguf:
        return gguf_header(base.path).config
    place = base.path / "config.json"
    try:
        config: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except ValueError:
        raise FieldError(f"model {base.name}: {place} is no JSON") from None
    return config


@functools.lru_cache(maxsize=256)
def depth_and_width(base: ModelFolder) -> tuple[int, int]:
    """Return the number of layers (after a cut to the first K) and the width of the hidden states, from the configuration."""
    config = model_config(base)
    depth = next((int(config[key]) for key in _DEPTHS if key in config), None)
    width = next((int(config[key]) for key in _WIDTHS if key in config), None)
    if depth is None or width is None:
        raise FieldError(f"model {base.name}: its configuration tells no number of layers or width")
    return (depth if base.layers is None else min(depth, base.layers)), width


def parameter_count(base: ModelFolder) -> float:
    """Weights of a model, from the headers of its files; layers that are cut off count too."""
    if base.is_gguf:
        return gguf_header(base.path).weights
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
    config = model_config(base)
    depth = next((config[key] for key in _DEPTHS if key in config), None)
    if depth is not None and base.layers is not None and base.layers > depth:
        raise FieldError(f"model {base.name}: has {depth} layers, not {base.layers}")
