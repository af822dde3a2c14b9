"""Small decoders that are made, not downloaded: ``made:decoder-2x64`` has two layers of width 64, random weights and letters.

The kind is Llama's, with tied embeddings and a head for every 16 of the width (at least one); a token is one printable ASCII
character. Weights are hashed normals, so one name is one model on every machine; it is kept in the user's cache folder.
Such a model knows nothing before it is trained.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from w2s.files.cache import cache_folder, made_folder
from w2s.files.datafile import DataFileError
from w2s_kernels import NUMPY, normals, stream

__all__ = ["decoder_config", "decoder_weights", "is_made", "made_digest", "made_path"]

Weights = dict[str, np.ndarray[Any, np.dtype[np.float32]]]

_RECIPE = "made-1"
"""Raised when the same name gives another model."""
_NAME = re.compile(r"made:decoder-([1-9]\d?)x([1-9]\d{1,3})")
_MARKS = ("<pad>", "<end>", "<unk>")
_LETTERS = "".join(chr(code) for code in range(32, 127))
_VOCABULARY = len(_MARKS) + len(_LETTERS)
_POSITIONS = 256
_HEAD = 16


def is_made(name: str) -> bool:
    """Tell whether a name is that of a model to be made."""
    return name.startswith("made:")


def made_digest(name: str) -> str:
    """Hash the name and the recipe, from which all files follow; nothing needs to be made for it."""
    return hashlib.sha256(f"{_RECIPE}\n{name}".encode()).hexdigest()


def made_path(name: str) -> Path:
    """Return the folder of a made model; the first call writes it.

    Raises :class:`DataFileError` for a name that says no size.
    """
    match = _NAME.fullmatch(name)
    if match is None or int(match[2]) % _HEAD:
        wanted = f"made:decoder-LAYERSxWIDTH, the width a multiple of {_HEAD}, as in made:decoder-2x64"
        raise DataFileError(f"model {name}: write {wanted}")
    place = cache_folder("models", f"{_RECIPE}-{name.removeprefix('made:')}")
    return made_folder(place, "config.json", lambda folder: _write(folder, int(match[1]), int(match[2])))


def _write(folder: Path, layers: int, width: int) -> None:
    from safetensors.numpy import save_file

    weights = decoder_weights(layers, width, _VOCABULARY, (_RECIPE, f"{layers}x{width}"), seed=0)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    _write_tokenizer(folder)
    config = decoder_config(layers=layers, width=width, heads=width // _HEAD, vocabulary=_VOCABULARY, positions=_POSITIONS)
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


def decoder_config(*, layers: int, width: int, heads: int, vocabulary: int, positions: int) -> dict[str, Any]:
    """Return the ``config.json`` of a decoder of Llama's kind with tied embeddings; token 0 pads, token 1 ends a text."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": positions,
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": 1,
        "tie_word_embeddings": True,
    }


def decoder_weights(layers: int, width: int, vocabulary: int, names: tuple[str, ...], seed: int) -> Weights:
    """Draw the weights of a decoder, float32 by name, from streams that hash ``names``, the weight's name and the seed.

    Matrices have a standard deviation of 1 / sqrt(inputs), those behind a sum over layers a smaller one; norms begin at 1.
    """
    inner = 3 * width
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, width), "model.norm.weight": (width,)}
    for k in range(layers):
        place = f"model.layers.{k}"
        shapes |= {f"{place}.self_attn.{part}_proj.weight": (width, width) for part in "qkvo"}
        shapes |= {f"{place}.mlp.{part}_proj.weight": (inner, width) for part in ("gate", "up")}
        shapes |= {f"{place}.mlp.down_proj.weight": (width, inner)}
        shapes |= {f"{place}.{part}_layernorm.weight": (width,) for part in ("input", "post_attention")}
    found = {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            found[name] = np.ones(shape, dtype=np.float32)
            continue
        added = name.endswith(("o_proj.weight", "down_proj.weight"))
        scale = (2.0 * layers) ** -0.5 if added else 1.0
        scale *= width**-0.5 if "embed" in name else shape[1] ** -0.5
        values = np.asarray(normals(stream(*names, name, seed=seed), shape[0], shape[1], NUMPY))
        found[name] = (scale * values).astype(np.float32)
    return found


def _write_tokenizer(folder: Path) -> None:
    """Write a tokenizer of single characters; what is no printable ASCII character is unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {word: k for k, word in enumerate((*_MARKS, *_LETTERS))}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner.decoder = decoders.Fuse()
    inner.add_special_tokens(list(_MARKS))
    inner.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": _POSITIONS,
        "pad_token": "<pad>",
        "eos_token": "<end>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
