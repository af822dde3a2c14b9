"""Lines of a corpus as one stream of tokens, and windows of it: packed, without padding.

The stream begins with the mark of an end; every line is followed by one. Window k holds tokens kT .. kT + T of the stream, the
first of them as context alone, so that every token but the first is predicted exactly once, from at most T tokens before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Work, artifact
from w2s.errors import FieldError
from w2s.files.datafile import DataFile
from w2s.finetune.inference.forward import autocast, moved
from w2s.finetune.objectives.base import Objective, Source
from w2s.finetune.pretraining.corpus import Piece
from w2s.finetune.pretraining.tokenizer import END, read_tokenizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Packed", "packed_tokens", "read_packed", "stream_of", "window_nats", "windows_of"]

Tokens = npt.NDArray[np.int32]
Matrix = npt.NDArray[np.float64]
_CHUNK = 2000


@artifact(version=1, name="w2s.packed_tokens")
def packed_tokens(work: Work, *, tokenizer: Path, corpus: DataFile, held_lines: int, tokens: int | None) -> None:
    """Write the first ``tokens`` tokens of a corpus, without its held-out lines, as ``packed.safetensors`` (n,) int32.

    Raises :class:`FieldError` for a corpus that has fewer.
    """
    from safetensors.numpy import save_file

    found = stream_of(tokenizer, Piece(corpus, held_lines).lines(), tokens)
    if tokens is not None and len(found) < tokens:
        raise FieldError(f"{corpus.name}: has {len(found):,} tokens, fewer than {tokens:,}", "tokens")
    save_file({"tokens": found}, work.folder / "packed.safetensors")


def read_packed(folder: Path) -> Tokens:
    """Read the tokens that :func:`packed_tokens` wrote, (n,) int32."""
    from safetensors.numpy import load_file

    found: Tokens = load_file(folder / "packed.safetensors")["tokens"]
    return found


def stream_of(tokenizer: Path, lines: list[str], most: int | None = None) -> Tokens:
    """Compute the stream of some lines, (n,) int32: the mark of an end, then the tokens of each line and the mark of its end.

    It ends after ``most`` tokens.
    """
    inner = read_tokenizer(tokenizer)
    found, count = [np.array([END], dtype=np.int32)], 1
    for start in range(0, len(lines), _CHUNK):
        if most is not None and count >= most:
            break
        for encoded in inner.encode_batch(lines[start : start + _CHUNK], add_special_tokens=False):
            found.append(np.array([*encoded.ids, END], dtype=np.int32))
            count += len(found[-1])
    return np.concatenate(found)[:most]


def windows_of(tokens: Tokens, context: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cut a stream (n,) into windows: those of full length (m, T + 1), and the rest of the stream, (r,), r = 1 .. T.

    Neighbours share one token, the last of one and the first of the next.
    """
    whole = max(0, (len(tokens) - 1) // context)
    places = context * np.arange(whole)[:, None] + np.arange(context + 1)
    return tokens[places].astype(np.int64), tokens[whole * context :].astype(np.int64)


class Packed(Objective):
    """Next-token cross-entropy on windows of one length, in nats a token.

    ``lengths`` are the tokens that are predicted of each window. A stream's rest that fills no window is left out of training.
    """

    separable = True
    width = 1

    def __init__(self, tokens: Tokens, context: int) -> None:
        self.windows, _ = windows_of(tokens, context)
        if not len(self.windows):
            raise FieldError(f"{len(tokens)} tokens fill no window of {context}", "tokens")
        self.lengths = np.full(len(self.windows), context, dtype=np.int64)
        self.context = context

    @classmethod
    def read(cls, source: Source) -> Self:
        """Refuse: packed windows come from a corpus, not from the items of a task."""
        raise FieldError(f"part {source.part!r}: packed windows are made from a corpus, not from items")

    def outputs(self, module: nn.Module, places: Any) -> Tensor:
        """Compute sums over windows of log-probabilities, (b,) float32 in nats."""
        return _log_probabilities(module, self.windows[places])

    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:  # noqa: ARG002
        """Compute the mean of -log p over all predicted tokens of a batch, from the sums (b,)."""
        return -outputs.mean() / self.context

    def predicted(self, module: nn.Module, rows: Any) -> Matrix:
        """Compute sums over windows of log-probabilities without a graph, (b, 1) float64."""
        return -window_nats(module, self.windows[rows])[:, None]

    def said(self) -> Mapping[str, Any]:
        """Say how many windows there are."""
        return {"windows": len(self.windows)}


def _log_probabilities(module: nn.Module, windows: npt.NDArray[np.int64]) -> Tensor:
    """Run a causal language model on windows (b, T + 1); return sums of log p(x_t | x_<t) over T tokens, (b,) float32."""
    import torch

    device = next(module.parameters()).device
    ids = moved(torch.from_numpy(np.ascontiguousarray(windows)), device)
    with autocast(device):
        logits = module(input_ids=ids[:, :-1]).logits
    flat, targets = logits.float().flatten(0, 1), ids[:, 1:].flatten()
    found: Tensor = -torch.nn.functional.cross_entropy(flat, targets, reduction="none").view(len(ids), -1).sum(dim=1)
    return found


def window_nats(module: nn.Module, windows: npt.NDArray[np.int64]) -> Matrix:
    """Compute -log p of windows (b, T + 1) by a causal language model, in nats, (b,) float64; no graph is kept."""
    import torch

    with torch.no_grad():
        found: Matrix = -_log_probabilities(module, windows).double().cpu().numpy()
    return found
