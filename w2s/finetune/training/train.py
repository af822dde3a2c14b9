"""The artifact of one training: a model trained on labelled items.

Labels are joined by item id. A training is given labels and never looks at the truth; a teacher is handed truth as labels.
Predictions, features and probes are artifacts of :mod:`w2s.finetune.inference`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s.artifacts import Work, artifact
from w2s.finetune.models.build import save
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.weights import layer_count, multiplied_weights
from w2s.finetune.training.memory import training_need

__all__ = ["devices", "train", "training_cost"]

_OPERATIONS = {"lora": 4.0, "head_only": 2.0}
"""Operations of a step per weight and token where not all weights are trained; 2 forward, 2 to the inputs, 2 to the weights."""


def training_cost(*, base: ModelFolder, recipe: Mapping[str, Any], rows: int, max_length: int, **others: Any) -> float:
    """Count 6 operations per weight that multiplies and token, at a quarter of the longest length: nominal, for plans.

    With LoRA these are 4 and of a head alone 2, since frozen weights have no gradient. A head on features has the weights of a
    thousand features and two classes, and one token for each item; last layers have their share of the weights.
    """
    items = float(rows) * int(recipe.get("epochs", 2))
    top = others.get("shape", {}).get("top")
    if top is not None:
        return 6.0 * items * multiplied_weights(base) * (int(top) / layer_count(base)) * max_length / 4
    if others.get("features") is not None:
        return 6.0 * items * 2e3
    each = _OPERATIONS.get(str(others.get("shape", {}).get("tuning")), 6.0)
    return each * items * multiplied_weights(base) * max_length / 4


def devices(*, shards: int, **_others: Any) -> float:
    """Count the devices: one for every shard."""
    return float(shards)


@artifact(
    version=1,
    name="w2s.train",
    cost=training_cost,
    cpus=devices,
    gpus=devices,
    later=("start", "features", "layer"),
    memory=training_need,
)
def train(
    work: Work,
    *,
    base: ModelFolder,
    items: Path,
    labels: Path | tuple[Path, ...],
    part: str,
    shape: Mapping[str, Any],
    recipe: Mapping[str, Any],
    rows: int,
    max_length: int,
    seed: int,
    shards: int = 1,
    start: Path | None = None,
    features: Path | None = None,
    layer: int = 0,
) -> None:
    """Train a model on the labelled items of one part, in ``shards`` pieces when it is too large for one device.

    ``labels`` is one table, or one for each supervisor where the recipe's objective takes several. With ``start``, an earlier
    training of the same model in the same shape, the weights begin where that one ended; else as ``base`` has them. With
    ``features`` a head alone is trained on one of their layers, or last layers on states of tokens, which may be those of
    further items too. What lies below is not run.

    Writes the model (``weights.safetensors``, ``model.json``), ``curve.arrow`` (one row per step: loss, learning rate, and at
    evaluations the agreement with the given labels of the validation items), ``steps.arrow`` (predictions on validation and
    test items at every evaluation) and ``training.json`` (tokens, seconds, tokens per second, peak memory, items cut).
    """
    from w2s.finetune.training.loop import Trainer
    from w2s.finetune.training.run import Training, account, write_results

    folders = labels if isinstance(labels, tuple) else (labels,)
    training = Training(base, items, folders, part, shape, recipe, rows, max_length, seed, start, features, layer)
    if shards > 1:
        from w2s.finetune.training.sharded import train_sharded

        return train_sharded(training, shards, work.folder, work.scratch, work.note)
    trainer = training.trainer(Trainer, work.scratch, work.note)
    trainer.run()
    save(work.folder, trainer.weights, base, training.whole_shape)
    return write_results(work.folder, trainer, account(trainer))
