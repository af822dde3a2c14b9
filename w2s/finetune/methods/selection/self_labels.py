"""Self-labels: the student teaches itself where a probe on its frozen features is confident, and the weak model elsewhere.

Two stages, no truth. First a linear probe on the frozen student's hidden states learns the weak labels of the transfer items,
by folds, so that every item is predicted by a probe that has not seen its label. Then the student is finetuned on the probe's
probabilities where the largest is above ``threshold``, and on the weak labels elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.data.labels import own_where_confident
from w2s.finetune.inference.probe import probe_by_folds
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number

__all__ = ["self_labels"]


@method(
    "self_labels",
    threshold=Number(0.9, high=1),
    strength=Number(0.01, above=True),
    folds=Number(2, low=2, whole=True),
)
def self_labels(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on own labels where they are confident, strictly above ``threshold``: at 1 nowhere, which is ``naive``.

    Own labels come from a probe, a logistic regression at scikit-learn's C ``strength`` on standardised features of the last
    layer.
    """
    weak = kit.weak_labels()
    hidden, layer = kit.features(kit.student_model)
    predictions = probe_by_folds(
        features=hidden,
        items=kit.items,
        labels=weak,
        part="transfer",
        layer=layer,
        head="logistic",
        strength=options["strength"],
        preprocess="standardise",
        folds=int(options["folds"]),
        seed=kit.seed("self_labels", "folds"),
    )
    chosen = own_where_confident(
        labels=weak,
        predictions=predictions,
        items=kit.items,
        part="transfer",
        threshold=options["threshold"],
        hard=kit.setup.hard,
    )
    return kit.student(kit.train(kit.student_model, kit.labelled(chosen)), chosen)
