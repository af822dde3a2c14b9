"""Texts to vectors: a frozen model's hidden states after its layers, pooled over the tokens of a text."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from w2s.finetune.data.tokens import Encoded, encode, evaluation_batches
from w2s.finetune.models.build import Shape, build
from w2s.finetune.models.classifier import pooled
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.small_pass import states_of
from w2s.finetune.models.tokenizer import load_tokenizer

__all__ = ["MAX_LENGTH", "hidden_means", "one_thread", "pass_batches", "pooled_states"]

Index = npt.NDArray[np.int64]
States = npt.NDArray[np.float32]

MAX_LENGTH = 256
"""Tokens at which a text is cut."""

_TOKENS = 4096


def hidden_means(base: ModelFolder, texts: Sequence[str]) -> States:
    """Compute mean-pooled hidden states (layers + 1, texts, d) float32.

    Entry 0 is the embedding, entry k the output of layer k. States that are narrower than the widest ones are followed by
    zeros. Cost: one forward pass, about 2 parameters x tokens operations, on the CPU.
    """
    encoded = encode(load_tokenizer(base), texts, [None] * len(texts), MAX_LENGTH)
    backbone = cast("Any", build(base, Shape(classes=2, tuning="head_only"), seed=0)).backbone.eval()
    parts = list(pooled_states(backbone, encoded, pass_batches(encoded)))
    first = parts[0][1]
    found = np.zeros((len(first), len(texts), max(states.shape[1] for states in first)), dtype=np.float32)
    for rows, states in parts:
        for layer, values in enumerate(states):
            found[layer, rows, : values.shape[1]] = values
    return found


def pass_batches(texts: Encoded) -> list[Index]:
    """Divide the texts into batches of a forward pass: 4096 padded tokens each, from long to short."""
    return list(evaluation_batches(texts.lengths, _TOKENS))


def pooled_states(
    backbone: Any, texts: Encoded, batches: Iterable[Index], layers: Sequence[int] | None = None, how: str = "mean"
) -> Iterator[tuple[Index, list[States]]]:
    """Yield the rows of every batch and their pooled hidden states: one array (rows, d) for each of ``layers`` (None: all).

    ``how`` is ``mean``, ``cls`` or ``last``. One thread computes, so that the numbers do not depend on the machine's load.
    """
    device = next(backbone.parameters()).device
    with one_thread():
        for rows in batches:
            ids, mask = (tensor.to(device) for tensor in texts.batch(rows))
            with torch.inference_mode():
                hidden = states_of(backbone(input_ids=ids, attention_mask=mask, output_hidden_states=True))
                chosen = range(len(hidden)) if layers is None else layers
                states = [pooled(hidden[layer], mask, how).cpu().numpy() for layer in chosen]
            yield rows, states


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let Torch compute on one thread, so that numbers do not depend on the thread count, and restore the count afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
