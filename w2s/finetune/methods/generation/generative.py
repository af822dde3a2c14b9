"""Generative finetuning before reward modelling: the student first learns the texts of comparisons, without their labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.errors import FieldError
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.base import Unlabelled
from w2s.finetune.objectives.options import Number

__all__ = ["generative"]


@method("generative", epochs=Number(1, low=1, whole=True), rate=Number(0.0))
def generative(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train the student as a language model on both texts of every transfer pair, then as a reward model on weak labels.

    ``epochs`` passes at the peak rate ``rate``; 0: the cell's. Weak model, strong baseline and ceiling have no such pass; the
    adjusted ceiling has the same one, then the true labels (Burns et al. 2023, arXiv 2312.09390, Fig. 10). Raises
    :class:`FieldError` for a task without pairs, and for trainings that leave no whole model to start from.
    """
    setup = kit.setup
    if not setup.pairs:
        raise FieldError("it learns the texts of pairs of replies, which this task has not and hh_harmless has", "method")
    if setup.shape["tuning"] not in ("full", "frozen_embeddings"):
        raise FieldError(f"it trains a whole language model first, which tuning {setup.shape['tuning']} does not", "tuning")
    recipe: dict[str, Any] = {"epochs": int(options["epochs"]), "evaluate_every": None}
    recipe |= {"learning_rate": options["rate"]} if options["rate"] else {}
    texts = Unlabelled("transfer", kit.items)
    plain = kit.changed(loss="xent", options={}, stop="end")
    start = plain.train(kit.student_model, texts, "language", role="generative", **recipe)
    training = kit.train(kit.student_model, kit.labelled(kit.weak_labels()), start=start)
    adjusted = kit.predict(kit.student_model, kit.ceiling(start))
    return Student(training, kit.predict(kit.student_model, training), adjusted=adjusted)
