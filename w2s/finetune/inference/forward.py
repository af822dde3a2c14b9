"""One pass of texts through a model: where it runs, its precision, and class probabilities.

Torch is imported where a pass runs, so that grids can be planned without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.finetune.data.tokens import Encoded, evaluation_batches

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["autocast", "device_for", "in_batches", "logits_of", "moved", "predict_rows", "probabilities_of"]

Matrix = npt.NDArray[np.float64]


def device_for() -> torch.device:
    """Return the GPU that this process may use, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to the GPU from pinned memory, since any other copy waits for the work in the queue.

    On a CPU the tensor itself is returned.
    """
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def autocast(device: torch.device) -> Any:
    """Return a context that multiplies in bfloat16 on a GPU, and in float32 on a CPU."""
    import torch

    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def logits_of(module: nn.Module, texts: Encoded, rows: Any, device: torch.device) -> Tensor:
    """Run one batch of texts through a model; return its output, (B, ...), in the precision of the device."""
    ids, mask = (moved(tensor, device) for tensor in texts.batch(rows))
    with autocast(device):
        found: Tensor = module(ids, mask)
    return found


def in_batches(texts: Encoded, rows: Sequence[int], predict: Callable[[Any], Matrix], tokens: int = 8192) -> Matrix:
    """Predict some rows of ``texts``, (n, K), in their order: from long to short, ``tokens`` padded tokens at once."""
    chosen = np.asarray(rows, dtype=np.int64)
    found: dict[int, Matrix] = {}
    for places in evaluation_batches(texts.lengths[chosen], tokens):
        found |= dict(zip(places.tolist(), predict(chosen[places]), strict=True))
    return np.stack([found[k] for k in range(len(chosen))])


def predict_rows(module: nn.Module, texts: Encoded, rows: Sequence[int], tokens: int = 8192) -> Matrix:
    """Compute class probabilities (n, K) float64 of some items, in their order."""
    return in_batches(texts, rows, lambda chosen: probabilities_of(module, texts, chosen), tokens)


def probabilities_of(module: nn.Module, texts: Encoded, rows: Any) -> Matrix:
    """Compute class probabilities (B, K) float64 of one batch, without dropout."""
    import torch

    device = next(module.parameters()).device
    training = module.training
    module.eval()
    with torch.no_grad():
        logits = logits_of(module, texts, rows, device)
        values: Matrix = logits.double().softmax(dim=1).cpu().numpy()
    module.train(training)
    return values
