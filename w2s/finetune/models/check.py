"""Whether a model can take part, found out before anything runs: files, kind, tokenizer, and a pass of a few tokens.

The pass is tried without weights, on Torch's meta device: it tells shapes in a fraction of a second, whatever the model's
size. A model for which that fails, such as one that looks at values on its way, is tried with its weights, unless it is large:
then its configuration is trusted, and LoRA is taken to fit. What is found is kept in the user's cache folder, so that Torch is
imported the first time only.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError, first_line
from w2s.files.cache import cached
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.gguf.convert import check_gguf
from w2s.finetune.models.pretrained import is_causal, model_settings, pretrained, tuned
from w2s.finetune.models.quiet import quiet
from w2s.finetune.models.small_pass import state_widths_of
from w2s.finetune.models.tokenizer import load_tokenizer
from w2s.finetune.models.weights import configured_layers, configured_width, layer_count, model_config, parameter_count

__all__ = ["check_causal", "check_lora", "check_model", "layer_width"]

T = TypeVar("T")

_LIBRARIES = ("torch", "transformers")
_TWO_PARTS = ("t5", "t5encoder")
"""Encoder-decoder models by the name that GGUF gives them; others say it in their configuration."""
_LARGE = 2e9
"""Weights up to which a model is loaded to be tried, where no pass without them succeeds."""
_OTHER_PARTS = {"vision_config": "images", "audio_config": "sound"}


def check_model(base: ModelFolder) -> None:
    """Raise :class:`FieldError`, in one line, for a model that cannot be trained or encode texts.

    That is one whose weights are damaged, incomplete or quantised, which has an encoder and a decoder, reads other things than
    texts, needs code of its own, has fewer layers than asked for, or a tokenizer that does not fit. Without Torch its files and
    its configuration alone are looked at; of a model in GGUF, which would have to be converted first, the header. Of a
    model whose files are not here nothing is looked at. Cost: some
    seconds for a model that is new, most of them for Torch.
    """
    parameter_count(base)
    if base.absent:
        return  # a plan counts its weights; a launch refuses it
    config = model_config(base)
    if problem := _kind_problem(config):
        raise FieldError(f"model {base.name} {problem}")
    depth = configured_layers(config)
    if depth is not None and base.layers is not None and base.layers > depth:
        raise FieldError(f"model {base.name}: has {depth} layers, not {base.layers}")
    if _can_try():
        widths = _state_widths(base)
        if base.layers is not None and len(widths) != base.layers + 1:
            raise FieldError(f"model {base.name}: cut to {base.layers} layers it gives {len(widths)} states; it cannot be cut")


def check_lora(base: ModelFolder) -> None:
    """Raise :class:`FieldError` for a model that LoRA cannot adapt, such as one without linear layers, or with a state space.

    A model in GGUF, which would have to be converted first, is not looked at.
    """
    if not base.absent and not base.is_gguf and _can_try() and importlib.util.find_spec("peft") is not None:
        _check_adapters(base)


@functools.lru_cache(maxsize=256)
def _check_adapters(base: ModelFolder) -> None:
    cached(f"lora-1 {base.sha256} {_versions('peft')}", lambda: _adapted(base))


def _adapted(base: ModelFolder) -> npt.NDArray[np.bool_]:
    """Check that LoRA fits a model; what is kept says only that nothing was raised."""
    with quiet():
        try:
            _tell(base, lambda model: tuned(model, "lora", 1))
        except Exception as error:
            raise FieldError(f"model {base.name} cannot be adapted by LoRA: {first_line(error)}") from None
    return np.array(True)


def check_causal(base: ModelFolder, purpose: str) -> None:
    """Raise :class:`FieldError` for a model that is no causal language model, which ``purpose`` needs. In GGUF all are."""
    if _can_try() and not base.absent and not base.is_gguf and not _is_causal(base):
        raise FieldError(f"model {base.name} is no causal language model; {purpose} needs one")


@functools.lru_cache(maxsize=256)
def _is_causal(base: ModelFolder) -> bool:
    return is_causal(model_settings(base))


def layer_width(base: ModelFolder, layer: int) -> int:
    """Return the width of the states after a layer; 0 is the embedding.

    Raises :class:`FieldError` for a layer that the model has not.
    """
    if not _can_try():
        return configured_width(base)
    widths = _state_widths(base)
    if not 0 <= layer < len(widths):
        raise FieldError(f"model {base.name}: has layers 0..{len(widths) - 1}, not {layer}")
    return widths[layer]


@functools.lru_cache(maxsize=256)
def _state_widths(base: ModelFolder) -> tuple[int, ...]:
    """Return the widths of the states of every token: of the embedding, then of the layers that are kept, in turn."""
    return tuple(int(width) for width in cached(f"state-widths-1 {base.sha256} {_versions()}", lambda: _tried(base)))


def _versions(*more: str) -> str:
    return " ".join(importlib.metadata.version(library) for library in (*_LIBRARIES, *more))


def _can_try() -> bool:
    """Tell whether Torch and transformers are installed."""
    try:
        return all(importlib.util.find_spec(library) is not None for library in _LIBRARIES)
    except ModuleNotFoundError:  # a finder that knows of a library and keeps it from being imported
        return False


def _kind_problem(config: Mapping[str, Any]) -> str:
    """Say why a configuration is not that of a model of texts; empty where it may be one."""
    kind = config.get("model_type")
    if config.get("is_encoder_decoder") or kind in _TWO_PARTS:
        return f"({kind}) has an encoder and a decoder; encoders and causal language models are supported"
    if config.get("quantization_config") or config.get("compression_config"):
        return "is quantised; name a folder with its full weights, or a file in GGUF, which is read in float32"
    if other := [what for name, what in _OTHER_PARTS.items() if config.get(name)]:
        return f"({kind}) reads {' and '.join(other)} too; models of texts alone are supported"
    return ""


def _tried(base: ModelFolder) -> npt.NDArray[np.int64]:
    """Find the widths of the states by a pass without weights, else with them; for a model in GGUF from its header."""
    if base.is_gguf:
        check_gguf(base)
        return np.full(layer_count(base) + 1, configured_width(base))
    with quiet():
        _configured(base)
        try:
            load_tokenizer(base)
            widths = _widths(base)
        except FieldError:
            raise
        except Exception as error:
            loaded = "loaded" if base.layers is None else f"cut to {base.layers} layers"
            raise FieldError(f"model {base.name} takes no texts, or cannot be {loaded}: {first_line(error)}") from None
    return np.array(widths, dtype=np.int64)


def _widths(base: ModelFolder) -> tuple[int, ...]:
    """Measure the widths of the states; those of a large model that needs its weights for that are the configured ones."""
    return _tell(base, state_widths_of) or (configured_width(base),) * (layer_count(base) + 1)


def _tell(base: ModelFolder, what: Callable[[Any], T]) -> T | None:
    """Find out about a model without its weights, else with them; None where it is too large for that."""
    import transformers

    # The meta device raises RuntimeError where values are looked at, and for some steps that every other device can do, such as
    # grouped products in float32: only the weights can tell these from a model that does not fit.
    with contextlib.suppress(RuntimeError):
        return what(pretrained(transformers.AutoModel, base, without_weights=True))
    return None if parameter_count(base) > _LARGE else what(pretrained(transformers.AutoModel, base))


def _configured(base: ModelFolder) -> None:
    """Raise for a configuration that transformers does not know, or that says only there what the file leaves out."""
    import transformers

    try:
        config = model_settings(base)
    except Exception as error:
        kind = model_config(base).get("model_type")
        if model_config(base).get("auto_map"):
            raise FieldError(f"model {base.name} ({kind}) needs code that comes with it, which is never run") from None
        version = f"transformers {transformers.__version__}"
        raise FieldError(f"model {base.name}: {version} does not know its kind {kind!r}: {first_line(error)}") from None
    if problem := _kind_problem(config.to_dict()):
        raise FieldError(f"model {base.name} {problem}")
