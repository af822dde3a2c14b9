"""What a causal model thinks of given answers: log-probabilities of their tokens, and implicit rewards from two models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.artifacts import Work, artifact
from w2s.decoding.rewards import sequence_reward, token_rewards
from w2s.finetune.data.answers import answers_of
from w2s.finetune.data.tables import join, read_table, write_columns, write_table
from w2s.finetune.data.targets import encode_targets
from w2s.finetune.inference.predict import predict_cost
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from torch import nn

__all__ = ["implicit_reward", "logs_of", "target_logs"]

Logs = list[npt.NDArray[np.float32]]


@artifact(version=1, name="w2s.target_logs", cost=predict_cost, gpus=1)
def target_logs(
    work: Work, *, base: ModelFolder, items: Path, answers: Path, max_length: int, model: Path | None = None
) -> None:
    """Write ``logs.arrow`` (item_id, logs): log p of each token of the answers behind their prompts, the end included, in nats.

    ``model`` is a training of ``base``; None: as it was before any.
    """
    table = read_table(answers, "answers")
    ids = table["item_id"].to_pylist()
    prompts = join(ids, read_table(items, "items"))["text"].to_pylist()
    texts = encode_targets(load_tokenizer(base), prompts, answers_of(answers, ids), max_length)
    rows = pa.array(_logs(_module(base, model), texts), pa.list_(pa.float32()))
    write_table(work.folder, "logs", pa.table({"item_id": pa.array(ids, pa.string()), "logs": rows}))


@artifact(version=1, name="w2s.implicit_reward")
def implicit_reward(work: Work, *, aligned: Path, unaligned: Path, column: str) -> None:
    """Write ``columns.json``: the mean over answers of the implicit reward per token, log p / q in nats, under ``column``."""
    table = read_table(aligned, "logs")
    ids = table["item_id"].to_pylist()
    pairs = zip(logs_of(aligned, ids), logs_of(unaligned, ids), strict=True)
    means = [float(sequence_reward(token_rewards(p.astype(float), q.astype(float)), per_token=True)) for p, q in pairs]
    write_columns(work.folder, {column: float(np.mean(means))})


def logs_of(folder: Path, ids: list[str]) -> Logs:
    """Read the log-probabilities of the tokens of some answers from ``logs.arrow``, in the order of ``ids``."""
    return [np.array(row, dtype=np.float32) for row in join(ids, read_table(folder, "logs"))["logs"].to_pylist()]


def _module(base: ModelFolder, model: Path | None) -> nn.Module:
    from w2s.finetune.models.build import Shape, build, reload

    return build(base, Shape(2, head="lm"), seed=0) if model is None else reload(model, base)


def _logs(module: nn.Module, texts: Any) -> Logs:
    """Compute the log-probabilities of the targets' tokens, text by text, without gradient and dropout."""
    import torch

    from w2s.finetune.data.tokens import evaluation_batches
    from w2s.finetune.inference.forward import device_for, logits_of

    device, found = device_for(), dict[int, npt.NDArray[np.float32]]()
    module = module.to(device).eval()
    with torch.no_grad():
        for rows in evaluation_batches(texts.lengths, 8192):
            logs, kept = logits_of(module, texts, rows, device).float().cpu().numpy(), texts.targets(rows).numpy()
            found |= {int(k): own[mask] for k, own, mask in zip(rows, logs, kept, strict=True)}
    return [found[k] for k in range(len(texts.lengths))]
