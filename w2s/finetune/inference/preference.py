"""What models say about pairs of replies: rewards, log-probabilities of the replies, preference probabilities as artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.artifacts import Work, artifact
from w2s.finetune.data.pairs import EncodedPairs, read_pairs
from w2s.finetune.data.tables import join, probability_table, read_table, write_table
from w2s.finetune.inference.cached.rows import read_cached_rows
from w2s.finetune.inference.predict import predict_cost
from w2s.finetune.models.folder import ModelFolder

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = [
    "implicit_rewards",
    "join_rewards",
    "predict_pairs",
    "reference_log_probabilities",
    "reply_log_probabilities",
    "scalar_rewards",
]

Matrix = npt.NDArray[np.float64]


def implicit_rewards(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Compute beta (log pi - log pi_reference), (b, 2): rewards up to a term of the prompt alone (arXiv 2305.18290, eq. 5)."""
    return beta * (policy - reference)


def scalar_rewards(module: nn.Module, texts: EncodedPairs, rows: Any, device: torch.device) -> Tensor:
    """Compute the rewards (b, 2) float32 that a model with one output gives to the two replies of some items."""
    from w2s.finetune.inference.forward import logits_of

    return logits_of(module, texts, rows, device).float().reshape(-1, 2)


def reply_log_probabilities(module: nn.Module, texts: EncodedPairs, rows: Any, device: torch.device) -> Tensor:
    """Compute log pi(reply | prompt), (b, 2) float32 in nats: the sum over the reply's tokens, including the end of text."""
    from w2s.finetune.inference.forward import logits_of, moved

    tokens = logits_of(module, texts, rows, device).float()
    return (tokens * moved(texts.replies(rows), device)).sum(dim=1).reshape(-1, 2)


@artifact(version=1, name="w2s.predict_pairs", cost=predict_cost, gpus=1, later=("features", "layer"))
def predict_pairs(
    work: Work,
    *,
    model: Path,
    base: ModelFolder,
    items: Path,
    parts: Sequence[str],
    max_length: int,
    reference: Path | None = None,
    beta: float = 1.0,
    features: Path | None = None,
    layer: int = 0,
) -> None:
    """Write preference probabilities of some parts: ``predictions.arrow`` (item_id, p_0, p_1); p_1 is that of the second reply.

    They come from a reward model, or with ``reference`` from the implicit rewards of a language model at ``beta``. A head that
    was trained on ``features`` of the replies predicts from the same ones.
    """
    from w2s.finetune.models.build import reload

    past = None if reference is None else read_table(reference, "logprobs")

    def rewards(module: nn.Module, texts: EncodedPairs, rows: Any, device: torch.device) -> Tensor:
        import torch

        if past is None:
            return scalar_rewards(module, texts, rows, device)
        known = torch.as_tensor(_columns(join([ids[k] for k in rows], past)), device=device)
        return implicit_rewards(reply_log_probabilities(module, texts, rows, device), known, beta)

    texts: Any
    if features is None:
        ids, texts, where = read_pairs(base, items, max_length)
    else:
        ids, texts, where = read_cached_rows(features, layer, items)
    chosen = [k for k, name in enumerate(where) if name in set(parts)]
    values = _in_batches(reload(model, base), texts, chosen, rewards)
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    table = probability_table([ids[k] for k in chosen], powers / powers.sum(axis=1, keepdims=True))
    write_table(work.folder, "predictions", table)


@artifact(version=1, name="w2s.reference_log_probabilities", cost=predict_cost, gpus=1, later=("model",))
def reference_log_probabilities(
    work: Work, *, base: ModelFolder, items: Path, max_length: int, model: Path | None = None
) -> None:
    """Write log-probabilities of all replies: ``logprobs.arrow`` (item_id, first, second), in nats.

    They are those under the untrained ``base``, or under one trained from it as a language model (``model``).

    Raises :class:`w2s.errors.FieldError` for a model that is no causal language model.
    """
    from w2s.finetune.models.build import Shape, build, reload

    ids, texts, _ = read_pairs(base, items, max_length)
    module = build(base, Shape(2, head="lm"), seed=0) if model is None else reload(model, base)
    values = _in_batches(module, texts, range(len(ids)), reply_log_probabilities)
    columns = {name: pa.array(values[:, k]) for k, name in enumerate(("first", "second"))}
    write_table(work.folder, "logprobs", pa.table({"item_id": pa.array(ids, pa.string()), **columns}))


def join_rewards(folder: Path, ids: list[str]) -> npt.NDArray[np.float32]:
    """Read log-probabilities (n, 2) float32 of the replies of some items from ``logprobs.arrow``."""
    return _columns(join(ids, read_table(folder, "logprobs")))


def _columns(table: pa.Table) -> npt.NDArray[np.float32]:
    return np.column_stack([table[name].to_numpy() for name in ("first", "second")]).astype(np.float32)


def _in_batches(module: nn.Module, texts: EncodedPairs, rows: Sequence[int], rewards: Any) -> Matrix:
    """Compute values (n, 2) float64 of some items in batches, without gradient and dropout."""
    import torch

    from w2s.finetune.inference.forward import device_for, in_batches

    device = device_for()
    module = module.to(device).eval()
    with torch.no_grad():
        return in_batches(texts, rows, lambda chosen: rewards(module, texts, chosen, device).double().cpu().numpy())
