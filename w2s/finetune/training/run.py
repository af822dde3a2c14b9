"""A training from its arguments to its files, on one device or on several.

The trainer is given labels and never looks at the truth; items, labels and predictions are joined by item id.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from w2s.finetune.data.tables import probability_table, write_table
from w2s.finetune.inference.hidden_states import feature_width
from w2s.finetune.models.build import Shape, build, load_weights, with_dropout
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.objectives.base import Source, find_objective
from w2s.finetune.training.loop import Recipe, Trainer

__all__ = ["PEAK_FLOPS", "Training", "account", "operations_per_token", "utilisation", "write_curves", "write_results"]

PEAK_FLOPS: Mapping[str, float] = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12, "T4": 65e12}
"""Dense half-precision products per second by card, as their makers state them."""


AnyTrainer = TypeVar("AnyTrainer", bound=Trainer)


@dataclass(frozen=True)
class Training:
    """The arguments of :func:`w2s.finetune.training.train.train` that determine the model."""

    base: ModelFolder
    items: Path
    labels: tuple[Path, ...]
    part: str
    shape: Mapping[str, Any]
    recipe: Mapping[str, Any]
    rows: int
    max_length: int
    seed: int
    start: Path | None = None
    features: Path | None = None
    layer: int = 0

    @property
    def whole_shape(self) -> Shape:
        """How the classifier is made."""
        width = {} if self.features is None else {"width": feature_width(self.features, self.layer)}
        return Shape(**{**self.shape, "answers": tuple(self.shape.get("answers", ())), **width})

    def build(self) -> nn.Module:
        """Build the module before its first step. Raises :class:`w2s.errors.FieldError` for a start in another shape."""
        module, rate = build(self.base, self.whole_shape, self.seed), self.recipe.get("dropout")
        if self.start is not None:
            load_weights(module, self.start, self.base)
        return module if rate is None else with_dropout(module, rate)

    def trainer(self, kind: Callable[..., AnyTrainer], scratch: Path, note: Callable[[str], None]) -> AnyTrainer:
        """Make a trainer of the given kind, with the objective that the recipe names."""
        recipe = Recipe(**self.recipe)
        named = recipe.objective or {"name": "classification", "options": {}}
        source = Source(
            base=self.base,
            items=self.items,
            labels=self.labels,
            part=self.part,
            rows=self.rows,
            max_length=self.max_length,
            loss=recipe.loss,
            options=recipe.options,
            settings=named["options"],
            features=self.features,
            layer=self.layer,
        )
        objective = find_objective(named["name"]).read(source)
        return kind(self.build(), objective, recipe, self.seed, checkpoint=scratch, note=note)


def write_results(folder: Path, trainer: Trainer, said: Mapping[str, Any]) -> None:
    """Write ``curve.arrow``, ``steps.arrow`` and, with the account ``said``, ``training.json``."""
    write_curves(folder, trainer)
    (folder / "training.json").write_text(json.dumps(said, indent=1), encoding="utf-8")


def write_curves(folder: Path, trainer: Trainer) -> None:
    """Write ``curve.arrow``, a row for each step, and ``steps.arrow`` where something was predicted at evaluations."""
    names = ("loss", "learning_rate", "validation_agreement", "validation_loss")
    curve = {name: pa.array([row.get(name) for row in trainer.curve], pa.float64()) for name in names}
    if any("learned" in row for row in trainer.curve):
        curve["learned"] = pa.array([row.get("learned") for row in trainer.curve], pa.list_(pa.float64()))
    write_table(folder, "curve", pa.table({"step": pa.array([row["step"] for row in trainer.curve], pa.int64()), **curve}))
    if trainer.evaluations:
        kept = [trainer.objective.ids[k] for k in trainer.objective.kept]
        tables = []
        for step, values in trainer.evaluations:
            table = probability_table(kept, values)
            tables.append(table.add_column(0, "step", pa.array(np.full(len(kept), step), pa.int64())))
        write_table(folder, "steps", pa.concat_tables(tables))


def account(trainer: Trainer) -> dict[str, Any]:
    """Describe a training and its cost; ``held_weights`` are those on the device that holds most, between steps.

    ``learned`` is there where the objective learned something beside the model.
    """
    learned = trainer.objective.said()
    rate = trainer.tokens / max(trainer.seconds, 1e-9)
    return {
        "steps": trainer.steps,
        "tokens": trainer.tokens,
        "seconds": trainer.seconds,
        "tokens_per_second": rate,
        "mfu": utilisation(operations_per_token(trainer.module) * rate / trainer.devices, trainer.device),
        "micro_batch": trainer.micro,
        "stopped_at": trainer.best[1] if trainer.recipe.stop == "legal" and trainer.best else trainer.steps,
        "trained_weights": sum(weight.numel() for weight in trainer.weights.values()),
        "weights": sum(weight.numel() for weight in trainer.module.parameters()),
        "held_weights": trainer.held_weights(),
        "cut_items": trainer.objective.texts.cut,
        "devices": trainer.devices,
        "device": torch.cuda.get_device_name() if trainer.device.type == "cuda" else "cpu",
        "peak_bytes": _peak_bytes(trainer.device),
        **({"learned": learned} if learned else {}),
    }


def operations_per_token(module: nn.Module) -> float:
    """Count the nominal operations of a step per token: 2 a weight forward; backward 2 for activations, 2 for trained weights.

    A table that is only looked up costs none; one that also makes the logits does. Attention between tokens is left out, and
    so is the way back through a model of which the head alone is trained.
    """
    looked_up = {layer.weight for layer in module.modules() if isinstance(layer, nn.Embedding)}
    multiplied = {layer.weight for layer in module.modules() if isinstance(layer, nn.Linear)}
    weights = [weight for weight in module.parameters() if weight not in looked_up - multiplied]
    total = sum(weight.numel() for weight in weights)
    trained = sum(weight.numel() for weight in weights if weight.requires_grad)
    head = sum(weight.numel() for name, weight in module.named_parameters() if name.startswith("head."))
    return 2.0 * total + 2.0 * trained + 2.0 * (total if trained > head else head)


def utilisation(rate: float, device: torch.device) -> float | None:
    """Divide the model's FLOP/s by the card's peak; None where the peak is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name()
    return next((rate / peak for card, peak in PEAK_FLOPS.items() if card in name), None)


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
