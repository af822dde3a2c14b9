"""The artifacts of a finetune: a trained model, its predictions, features of a frozen model, a probe on them.

Everything is joined by item id. A training is given labels and never looks at the truth; a teacher is handed truth as labels.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from w2s.artifacts import Work, artifact
from w2s.cells import FieldError
from w2s.finetune.models import ModelFolder, load_tokenizer, reload, save
from w2s.finetune.tables import probability_table, read_table, write_table

__all__ = ["classes_of", "parameter_count", "predict", "read_texts", "train"]


def parameter_count(base: ModelFolder) -> float:
    """Weights of a model, from the headers of its files; layers that are cut off count too."""
    total = 0.0
    for path in base.path.glob("*.safetensors"):
        tensors = [item for name, item in _header(path, base.name).items() if name != "__metadata__"]
        total += sum(float(np.prod(item["shape"])) for item in tensors)
    return total


def _header(path: Path, name: str) -> dict[str, Any]:
    """The header of a safetensors file; :class:`FieldError` for one that is damaged or cut short."""
    try:
        with path.open("rb") as stream:
            size = struct.unpack("<Q", stream.read(8))[0]
            header: dict[str, Any] = json.loads(stream.read(size))
        end = max(item["data_offsets"][1] for key, item in header.items() if key != "__metadata__")
    except (struct.error, ValueError, KeyError, TypeError, OverflowError, MemoryError):
        raise FieldError(f"model {name}: {path} is no safetensors file, or is damaged") from None
    if path.stat().st_size != 8 + size + end:
        raise FieldError(f"model {name}: {path} is cut short: {path.stat().st_size:,} of {8 + size + end:,} bytes")
    return header


def check_model(base: ModelFolder) -> None:
    """Raise :class:`FieldError` for weights that are damaged, or for more layers than there are."""
    parameter_count(base)
    try:
        config = json.loads((base.path / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        raise FieldError(f"model {base.name}: {base.path / 'config.json'} is no JSON") from None
    depth = next((config[key] for key in ("num_hidden_layers", "n_layer", "num_layers") if key in config), None)
    if depth is not None and base.layers is not None and base.layers > depth:
        raise FieldError(f"model {base.name}: has {depth} layers, not {base.layers}")


def training_cost(*, base: ModelFolder, recipe: Mapping[str, Any], rows: int, max_length: int, **_others: Any) -> float:
    """6 operations per weight and token, at a quarter of the longest length: nominal, for plans."""
    return 6.0 * parameter_count(base) * rows * int(recipe.get("epochs", 2)) * max_length / 4


def devices(*, shards: int, **_others: Any) -> float:
    """A device for every shard."""
    return float(shards)


@artifact(version=1, name="w2s.train", cost=training_cost, cpus=devices, gpus=devices)
def train(
    work: Work,
    *,
    base: ModelFolder,
    items: Path,
    labels: Path,
    part: str,
    shape: Mapping[str, Any],
    recipe: Mapping[str, Any],
    rows: int,
    max_length: int,
    seed: int,
    shards: int = 1,
) -> None:
    """Train a classifier on the labelled items of one part, in ``shards`` pieces when it is too large for one device.

    Writes the model (``weights.safetensors``, ``model.json``), ``curve.arrow`` (one row per step: loss, learning rate, and at
    evaluations the agreement with the given labels of the validation items), ``steps.arrow`` (predictions on validation and
    test items at every evaluation) and ``training.json`` (tokens, seconds, tokens per second, peak memory, items cut).
    """
    from w2s.finetune.loop import Trainer
    from w2s.finetune.training import Training, account, write_results

    training = Training(base, items, labels, part, shape, recipe, rows, max_length, seed)
    if shards > 1:
        from w2s.finetune.sharded import train_sharded

        return train_sharded(training, shards, work.folder, work.scratch, work.note)
    trainer, ids, cut = training.trainer(Trainer, work.scratch, work.note)
    trainer.run()
    save(work.folder, trainer.module, base, training.whole_shape)
    return write_results(work.folder, trainer, ids, account(trainer, cut))


def predict_cost(*, base: ModelFolder, max_length: int, **_others: Any) -> float:
    """2 operations per weight and token over some thousand items: nominal, for plans."""
    return 2.0 * parameter_count(base) * 2000.0 * max_length / 4


@artifact(version=1, name="w2s.predict", cost=predict_cost, gpus=1)
def predict(work: Work, *, model: Path, base: ModelFolder, items: Path, parts: Sequence[str], max_length: int) -> None:
    """Class probabilities of a trained model on some parts: ``predictions.arrow`` (item_id, p_0, ...)."""
    from w2s.finetune.loop import device_for, predict_rows

    ids, texts, where = read_texts(base, items, max_length)
    rows = [k for k, name in enumerate(where) if name in set(parts)]
    values = predict_rows(reload(model, base).to(device_for()), texts, rows)
    write_table(work.folder, "predictions", probability_table([ids[k] for k in rows], values))


def read_texts(base: ModelFolder, items: Path, max_length: int) -> tuple[list[str], Any, list[str]]:
    """Item ids, token ids and parts of all items, in one order."""
    from w2s.finetune.tokens import encode

    table = read_table(items, "items")
    texts = encode(load_tokenizer(base), table["text"].to_pylist(), table["pair"].to_pylist(), max_length)
    return table["item_id"].to_pylist(), texts, table["part"].to_pylist()


def classes_of(items: Path) -> list[str]:
    """Class names of the task."""
    return list(json.loads((items / "counts.json").read_text(encoding="utf-8"))["classes"])
