"""Load a model's tokenizer and check that it fits the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from w2s.errors import FieldError
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.gguf.convert import files_of
from w2s.finetune.models.quiet import quiet
from w2s.finetune.models.weights import model_config

__all__ = ["load_tokenizer"]


_COUNTED_FROM_PADDING = (
    *("roberta", "mpnet", "camembert", "longformer", "data2vec-text", "ibert", "esm", "luke", "xmod", "lilt", "markuplm"),
)
"""Kinds of models whose first position is the one behind the padding token's id."""


_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "context_length")


def load_tokenizer(base: ModelFolder) -> Any:
    """Return the model's fast tokenizer; its ``model_max_length`` is at most the number of positions that the model has.

    Without a token for padding the one that ends a text is it, or any other: what is padded is masked. Raises
    :class:`FieldError` for a tokenizer with ids that the model's embedding does not have; an embedding may have more rows.
    """
    import transformers

    with quiet():
        tokenizer = transformers.AutoTokenizer.from_pretrained(files_of(base), local_files_only=True, trust_remote_code=False)
    if not tokenizer.get_vocab():
        raise FieldError(f"model {base.name}: its tokenizer has no tokens")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(min(tokenizer.get_vocab().values()))
    config = model_config(base)
    largest, rows = max(tokenizer.get_vocab().values()), config.get("vocab_size")
    if rows is not None and largest >= rows:
        raise FieldError(f"model {base.name}: its tokenizer has ids up to {largest}, its embedding only {rows} rows")
    tokenizer.model_max_length = int(min(tokenizer.model_max_length, _positions(config, tokenizer.pad_token_id)))
    return tokenizer


def _positions(config: Mapping[str, Any], padding: int | None) -> float:
    """Return how many tokens a text may have; infinite where the configuration does not say."""
    named = (config.get(name) for name in _POSITIONS)
    count = next((value for value in named if isinstance(value, int) and value > 0), math.inf)
    shifted = any(kind in str(config.get("model_type")) for kind in _COUNTED_FROM_PADDING)
    return float(count) - (padding or 0) - 1 if shifted else float(count)
