"""How much memory a training takes at its peak, from the sizes of its model: a formula, for plans and before a launch.

With P weights of which T are trained, b bytes a held weight, M rows of S tokens at once, L layers that are trained through:

    state        b P + 12 T (gradients and two moments in float32), and 4 T where weights are held in bfloat16
    activations  M S (L x layer + ends), with checkpointing M S (L d b + layer + ends); "layer" counts what a layer keeps
    logits       M S V x 16 for a language model's head

The peak is that of one step after the first, when moments are there: weights, moments, and the larger of what stands at the
turn (all activations) and at the end (all gradients), or their sum where gradients of several pieces are added up. Attention is
taken to be fused, so that no matrix of S x S numbers is kept. Texts are taken to be as long as allowed: it is an upper bound.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2s.artifacts import Need
from w2s.errors import FieldError
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.weights import configured_width, layer_count, model_config, parameter_count, used_parameter_count

__all__ = ["Memory", "Sizes", "model_sizes", "training_memory", "training_need"]

_FLOAT = 4.0
_BYTES = {"float32": 4.0, "bfloat16": 2.0, "int8": 2.0}
"""Of a number that a layer keeps, and of a weight; the int8 weights of linear layers have one byte."""
_LOGITS = 4
"""Numbers per token and word of a vocabulary: logits, their logarithms of softmax, the gradients of both."""
_INNER = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "hidden_dim")
_VOCABULARY = 150_000
"""Words of a model whose files are not here: that of recent models; older ones have a third."""


@dataclass(frozen=True)
class _Kind:
    """What a layer keeps for the way back, in numbers a token, found by counting the tensors that are saved.

    ``states`` of the model's width, keys and values apart; ``inner`` of the width inside; ``norms`` of the states are float32
    always. ``inputs`` of linear layers, and one of the inner width, are copied to float32 by LoRA beside bfloat16.
    ``frozen`` states are not kept where a norm's weights are not trained.
    """

    states: int
    inner: int
    norms: int
    frozen: int
    inputs: int
    adapters: tuple[int, int, int]
    """Widths of inputs and outputs of all linear layers together: in widths, keys and values, inner widths."""


_ENCODER = _Kind(states=6, inner=2, norms=0, frozen=0, inputs=5, adapters=(8, 2, 2))
_GPT = _Kind(states=8, inner=5, norms=0, frozen=0, inputs=3, adapters=(6, 2, 2))
_GATED = _Kind(states=8, inner=4, norms=2, frozen=2, inputs=6, adapters=(9, 2, 3))


@dataclass(frozen=True)
class Sizes:
    """Sizes of a model: all its weights, those of one layer, layers, widths of states, of keys, inside, and its vocabulary."""

    weights: float
    layer: float
    depth: int
    width: int
    keys: int
    inner: int
    vocabulary: int
    kind: _Kind


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak of a training on each of its devices."""

    weights: float
    gradients: float
    optimiser: float
    activations: float
    logits: float
    pieces: bool
    """Whether gradients of several pieces of a batch are added up, so that they stand beside the next one's activations."""

    @property
    def peak(self) -> float:
        """Bytes at the peak."""
        kept = self.activations + self.logits
        return self.weights + self.optimiser + (kept + self.gradients if self.pieces else max(kept, self.gradients))


@functools.lru_cache(maxsize=256)
def model_sizes(base: ModelFolder) -> Sizes:
    """Return a model's sizes, from its configuration and the headers of its files.

    A model whose files are not here is taken to be a decoder with gated layers a hundred times as wide as it has layers.
    """
    if base.absent:
        total = parameter_count(base)
        depth = max(1, round((total / 1.2e5) ** (1 / 3)))
        width = 100 * depth
        return Sizes(total, 12.0 * width**2, depth, width, width, round(8 * width / 3), _VOCABULARY, _GATED)
    config, width, depth = model_config(base), configured_width(base), layer_count(base)
    inner = next((int(config[key]) for key in _INNER if isinstance(config.get(key), int)), 4 * width)
    heads, groups = config.get("num_attention_heads") or config.get("n_head") or 1, config.get("num_key_value_heads")
    keys = width if not groups else int(config.get("head_dim") or width // heads) * int(groups)
    vocabulary = int(config.get("vocab_size") or 0)
    causal = any(word in str(config.get("model_type")) for word in ("gpt", "bloom", "opt", "falcon"))
    kind = _GATED if groups else _GPT if causal else _ENCODER
    total = float(used_parameter_count(base))
    layer = max(total - vocabulary * width, 0.0) / max(depth, 1)
    return Sizes(total, layer, depth, width, keys, inner, vocabulary, kind)


def training_memory(
    *,
    base: ModelFolder,
    shape: Mapping[str, Any],
    recipe: Mapping[str, Any],
    max_length: int,
    shards: int = 1,
    rows: int | None = None,
) -> Memory:
    """Predict the memory of a training that passes ``rows`` texts at once; None: as many as the recipe says.

    With ``shards`` weights, gradients and moments are dealt out, and each device takes its share of the batch.
    """
    sizes, precision = model_sizes(base), str(shape.get("precision", "float32"))
    tuning, lora = str(shape["tuning"]), shape["tuning"] == "lora"
    share = -(-int(recipe.get("batch", 32)) // shards)
    asked = min(int(recipe.get("micro_batch") or share), share)
    at_once = asked if rows is None else min(rows, asked)
    tokens = float(at_once * max_length)
    trained = _trained(sizes, tuning, shape)
    through = {"head_only": 0, "top_layers": int(shape.get("top") or 1)}.get(tuning, sizes.depth)
    left_out = sizes.depth - through if tuning == "top_layers" else 0
    held = _held(sizes, precision, sizes.weights - left_out * sizes.layer)
    masters = 0.0 if precision == "float32" or tuning in ("lora", "head_only") else _FLOAT * trained
    added = _FLOAT * trained if lora else 0.0
    layer, ends = (
        _layer(sizes, precision, lora=lora, rank=int(shape.get("lora_rank") or 8)),
        2 * _BYTES[precision] * sizes.width,
    )
    turn = _BYTES[precision] * (2 * sizes.inner + 2 * sizes.width)  # gradients of a layer's states on the way back
    if not through:  # nothing is kept: what one layer works with
        kept, turn = 0.0, _BYTES[precision] * (sizes.kind.inner * sizes.inner + sizes.width)
    elif recipe.get("checkpointing"):
        kept = through * _BYTES[precision] * sizes.width + layer
    else:
        kept = through * layer
    words = _FLOAT * _LOGITS * sizes.vocabulary if str(shape.get("head", "linear")) != "linear" else 0.0
    return Memory(
        weights=(held + added) / shards,
        gradients=_FLOAT * trained / shards,
        optimiser=(2 * _FLOAT * trained + masters) / shards,
        activations=tokens * (kept + ends + max(turn - words, 0.0)),  # the logits are gone when the layers have their turn
        logits=tokens * words,
        pieces=at_once < share,
    )


def training_need(**arguments: Any) -> Need:
    """Say what a training needs at its peak, and at least: a batch that does not fit goes through in pieces, row by row.

    Nothing is said of a head on features, and of a model whose configuration does not tell its sizes.
    """
    shape, base = arguments["shape"], arguments["base"]
    if shape["tuning"] == "frozen":
        return Need(0.0, 0.0, "")
    given = {name: arguments[name] for name in ("base", "shape", "recipe", "max_length")}
    given["shards"] = int(arguments.get("shards", 1))
    try:
        usual, least = training_memory(**given), training_memory(**given, rows=1)
    except FieldError:
        return Need(0.0, 0.0, "")
    state = usual.weights + usual.gradients + usual.optimiser
    said = (
        f"tuning {shape['tuning']} of {base.name} in {shape.get('precision', 'float32')}, max_length {arguments['max_length']}"
    )
    return Need(usual.peak, least.peak, f"{said}: {state / 1e9:,.1f} GB of weights, gradients and moments")


def _held(sizes: Sizes, precision: str, weights: float) -> float:
    """Count the bytes of a model's weights; int8 are those of its layers."""
    if precision == "int8":
        layers = min(weights, sizes.layer * sizes.depth)
        return layers + 2.0 * (weights - layers)
    return _BYTES[precision] * weights


def _trained(sizes: Sizes, tuning: str, shape: Mapping[str, Any]) -> float:
    """Count the weights that are trained."""
    if tuning == "lora":
        wide, keys, inner = sizes.kind.adapters
        each = wide * sizes.width + keys * sizes.keys + inner * sizes.inner
        return float(int(shape.get("lora_rank") or 8) * sizes.depth * each)
    head = float(sizes.width * int(shape.get("classes", 2)))
    if tuning == "head_only":
        return head
    if tuning == "top_layers":
        return head + int(shape.get("top") or 1) * sizes.layer
    table = sizes.vocabulary * sizes.width if tuning == "frozen_embeddings" else 0
    return head + sizes.weights - table


def _layer(sizes: Sizes, precision: str, *, lora: bool, rank: int) -> float:
    """Count the bytes that a layer keeps for one token."""
    kind, size = sizes.kind, _BYTES[precision]
    copies = 1 if lora and precision != "float32" else 0
    states = kind.states - (kind.frozen if lora else 0) - kind.norms - 2 * copies
    bytes_kept = size * (states * sizes.width + 2 * sizes.keys + (kind.inner - copies) * sizes.inner)
    bytes_kept += _FLOAT * (kind.norms * sizes.width + copies * (kind.inputs * sizes.width + sizes.inner))
    return bytes_kept + (_FLOAT * 7 * rank if lora else 0.0)
