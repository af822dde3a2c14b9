"""The artifacts of a finetune: a trained model, its predictions, features of a frozen model, a probe on them.

Everything is joined by item id. A training is given labels and never looks at the truth; a teacher is handed truth as labels.
"""

from __future__ import annotations

import json
import resource
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from w2s.artifacts import Work, artifact
from w2s.finetune.models import ModelFolder, Shape, build, load_tokenizer, reload, save
from w2s.finetune.tables import join, probabilities, probability_table, read_table, write_table

__all__ = ["classes_of", "parameter_count", "predict", "read_texts", "train"]


def parameter_count(base: ModelFolder) -> float:
    """Weights of a model, from the headers of its files; layers that are cut off count too."""
    total = 0.0
    for path in base.path.glob("*.safetensors"):
        with path.open("rb") as stream:
            header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
        total += sum(float(np.prod(item["shape"])) for name, item in header.items() if name != "__metadata__")
    return total


def training_cost(*, base: ModelFolder, recipe: Mapping[str, Any], rows: int, max_length: int, **_others: Any) -> float:
    """6 operations per weight and token, at a quarter of the longest length: nominal, for plans."""
    return 6.0 * parameter_count(base) * rows * int(recipe.get("epochs", 2)) * max_length / 4


@artifact(version=1, name="w2s.train", cost=training_cost, gpus=1)
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
) -> None:
    """Train a classifier on the labelled items of one part.

    Writes the model (``weights.safetensors``, ``model.json``), ``curve.arrow`` (one row per step: loss, learning rate, and at
    evaluations the agreement with the given labels of the validation items), ``steps.arrow`` (predictions on validation and
    test items at every evaluation) and ``training.json`` (tokens, seconds, tokens per second, peak memory, items cut).
    """
    from w2s.finetune.loop import Recipe, Trainer

    ids, texts, parts = read_texts(base, items, max_length)
    given = read_table(labels, "labels")
    named = set(given["item_id"].to_pylist())
    own = [k for k, name in enumerate(ids) if parts[k] == part and name in named]
    if len(own) != rows:
        raise ValueError(f"{rows} labelled items of part {part!r} were announced, the labels have {len(own)}")
    wanted = Shape(**{**shape, "answers": tuple(shape.get("answers", ()))})
    trainer = Trainer(
        build(base, wanted, seed),
        texts,
        own,
        _targets(given, ids, own),
        Recipe(**recipe),
        seed,
        validation=_validation(given, ids, parts, named),
        kept=[k for k, name in enumerate(parts) if name in ("validation", "test")],
        checkpoint=work.scratch,
        note=work.note,
    )
    trainer.run()
    save(work.folder, trainer.module, base, wanted)
    _write_curves(work.folder, trainer, ids)
    _write_account(work.folder, trainer, texts.cut)


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


def _targets(given: pa.Table, ids: Sequence[str], rows: Sequence[int]) -> Any:
    import torch

    return torch.as_tensor(probabilities(join([ids[k] for k in rows], given)), dtype=torch.float32)


def _validation(given: pa.Table, ids: Sequence[str], parts: Sequence[str], named: set[str]) -> tuple[list[int], Any] | None:
    rows = [k for k, name in enumerate(parts) if name == "validation" and ids[k] in named]
    return (rows, _targets(given, ids, rows)) if rows else None


def _write_curves(folder: Path, trainer: Any, ids: Sequence[str]) -> None:
    names = ("loss", "learning_rate", "validation_agreement", "validation_loss")
    curve = {name: pa.array([row.get(name) for row in trainer.curve], pa.float64()) for name in names}
    write_table(folder, "curve", pa.table({"step": pa.array([row["step"] for row in trainer.curve], pa.int64()), **curve}))
    if trainer.evaluations:
        kept = [ids[k] for k in trainer.kept]
        tables = []
        for step, values in trainer.evaluations:
            table = probability_table(kept, values)
            tables.append(table.add_column(0, "step", pa.array(np.full(len(kept), step), pa.int64())))
        write_table(folder, "steps", pa.concat_tables(tables))


def _write_account(folder: Path, trainer: Any, cut: int) -> None:
    import torch

    weights = sum(weight.numel() for weight in trainer.module.parameters())
    content = {
        "steps": trainer.steps,
        "tokens": trainer.tokens,
        "seconds": trainer.seconds,
        "tokens_per_second": trainer.tokens / max(trainer.seconds, 1e-9),
        "mfu": utilisation(6.0 * weights * trainer.tokens / max(trainer.seconds, 1e-9), trainer.device),
        "micro_batch": trainer.micro,
        "stopped_at": trainer.best[1] if trainer.recipe.stop == "legal" and trainer.best else trainer.steps,
        "trained_weights": sum(weight.numel() for weight in trainer.weights.values()),
        "weights": weights,
        "cut_items": cut,
        "device": torch.cuda.get_device_name() if trainer.device.type == "cuda" else "cpu",
        "peak_bytes": _peak_bytes(trainer.device),
    }
    (folder / "training.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


PEAK_FLOPS: Mapping[str, float] = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12, "T4": 65e12}
"""Dense half-precision products per second by card, as their makers state them."""


def utilisation(rate: float, device: Any) -> float | None:
    """Model FLOP/s over the card's peak; None where the peak is not known."""
    if device.type != "cuda":
        return None
    import torch

    name = torch.cuda.get_device_name()
    return next((rate / peak for card, peak in PEAK_FLOPS.items() if card in name), None)


def _peak_bytes(device: Any) -> int:
    if device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
