"""Texts to vectors: a frozen encoder's hidden states after every layer, averaged over the tokens of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from w2s.finetune.classifier import pooled
from w2s.finetune.models import ModelFolder, Shape, build, load_tokenizer
from w2s.finetune.tokens import encode, evaluation_batches

__all__ = ["MAX_LENGTH", "hidden_means"]

MAX_LENGTH = 256
"""Tokens at which a text is cut."""

_TOKENS = 4096


def hidden_means(base: ModelFolder, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Mean-pooled hidden states (layers + 1, texts, d) float32: entry 0 is the embedding, entry k the output of layer k.

    On one thread, so that the numbers do not depend on the machine's load; batches are a function of the texts. Cost: one
    forward pass, about 2 parameters x tokens operations.
    """
    encoded = encode(load_tokenizer(base), texts, [None] * len(texts), MAX_LENGTH)
    backbone = cast("Any", build(base, Shape(classes=2, tuning="head_only"), seed=0)).backbone.eval()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            parts = [(rows, _states(backbone, *encoded.batch(rows))) for rows in evaluation_batches(encoded.lengths, _TOKENS)]
    finally:
        torch.set_num_threads(threads)
    layers, _, width = parts[0][1].shape
    found = np.empty((layers, len(texts), width), dtype=np.float32)
    for rows, states in parts:
        found[:, rows] = states
    return found


def _states(backbone: Any, ids: torch.Tensor, mask: torch.Tensor) -> npt.NDArray[np.float32]:
    states = backbone(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    return np.asarray(torch.stack([pooled(state, mask, "mean") for state in states]).numpy())
