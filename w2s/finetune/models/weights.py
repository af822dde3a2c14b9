"""What a model's files tell without loading it: its configuration, its size, and whether they are whole."""

from __future__ import annotations

import functools
import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from w2s.errors import FieldError
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.gguf.header import gguf_header

__all__ = [
    "configured_layers",
    "configured_width",
    "layer_count",
    "model_config",
    "multiplied_weights",
    "parameter_count",
    "used_parameter_count",
]

_DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "encoder_layers", "layers")
_WIDTHS = ("hidden_size", "n_embd", "d_model", "dim", "emb_dim", "embed_dim")


def model_config(base: ModelFolder) -> dict[str, Any]:
    """Return the configuration by the names of transformers: all of ``config.json``, or the facts in a GGUF file's header.

    Raises :class:`FieldError` for a file that is no JSON or no GGUF.
    """
    if base.absent:
        raise FieldError(f"model {base.name}: its files are not here, and its name states no more than their size")
    if base.is_gguf:
        return gguf_header(base.path).config
    place = base.path / "config.json"
    try:
        config: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except ValueError:
        raise FieldError(f"model {base.name}: {place} is no JSON") from None
    return config


def configured_layers(config: Mapping[str, Any]) -> int | None:
    """Return the number of layers that a configuration tells, None where it tells none."""
    return next((int(config[key]) for key in _DEPTHS if isinstance(config.get(key), int)), None)


@functools.lru_cache(maxsize=256)
def layer_count(base: ModelFolder) -> int:
    """Return the number of layers, after a cut to the first K; :class:`FieldError` where the configuration tells none."""
    depth = configured_layers(model_config(base))
    if depth is None:
        raise FieldError(f"model {base.name}: its configuration tells no number of layers")
    return depth if base.layers is None else min(depth, base.layers)


def configured_width(base: ModelFolder) -> int:
    """Return the width of the hidden states that the configuration tells, which that of a projected output may not be.

    Raises :class:`FieldError` where it tells none.
    """
    config = model_config(base)
    width = next((int(config[key]) for key in _WIDTHS if isinstance(config.get(key), int)), None)
    if width is None:
        raise FieldError(f"model {base.name}: its configuration tells no width of the hidden states")
    return width


def parameter_count(base: ModelFolder) -> float:
    """Count the weights of a model, from the headers of its files; layers that are cut off count too.

    Of a model whose files are not here it is the number that its name states.
    """
    if base.stated_weights is not None and base.absent:
        return base.stated_weights
    if base.is_gguf:
        return gguf_header(base.path).weights
    total = 0.0
    for path in base.path.glob("*.safetensors"):
        tensors = [item for name, item in _header(path, base.name).items() if name != "__metadata__"]
        total += sum(float(np.prod(item["shape"])) for item in tensors)
    return total


@functools.lru_cache(maxsize=256)
def multiplied_weights(base: ModelFolder) -> float:
    """Count the weights with which a pass multiplies, for the cost of a plan: those of the layers that are kept.

    A table of embeddings is looked up and costs nothing; layers are taken to be of one size. Where a configuration does not
    tell its vocabulary, width or depth, and where files are not here, all weights count.
    """
    total = parameter_count(base)
    if base.absent:
        return total
    config = model_config(base)
    width = next((int(config[key]) for key in _WIDTHS if isinstance(config.get(key), int)), 0)
    rows = config.get("vocab_size")
    layers = max(total - float(rows if isinstance(rows, int) else 0) * width, 0.0)
    depth = configured_layers(config)
    share = 1.0 if base.layers is None or not depth else min(base.layers, depth) / depth
    return layers * share


@functools.lru_cache(maxsize=256)
def used_parameter_count(base: ModelFolder) -> int:
    """Count the weights of a model without those of layers that are cut off: the first number in a tensor's name is its layer.

    A file in GGUF is counted whole.
    """
    if base.is_gguf:
        return int(gguf_header(base.path).weights)
    depth, total = layer_count(base), 0
    for path in base.path.glob("*.safetensors"):
        for name, item in _header(path, base.name).items():
            layer = re.search(r"\.(\d+)\.", name)
            if name != "__metadata__" and (layer is None or int(layer[1]) < depth):
                total += int(np.prod(item["shape"]))
    return total


def _header(path: Path, name: str) -> dict[str, Any]:
    """Read the header of a safetensors file; :class:`FieldError` for one that is damaged or cut short."""
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
