"""The strong model's own answers before it has seen a weak label, and weak answers to items that the weak model has not seen.

An encoder has no answer without training. Its own answer is that of a linear probe on its frozen states, trained on the true
labels of the labelled items: of labelled items by folds, so that no answer was trained on its own truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from w2s.artifacts import Call
from w2s.finetune.choices.folds import fold_rows, held_out, without_fold
from w2s.finetune.choices.judge import judge
from w2s.finetune.inference.probe import probe, probe_by_folds
from w2s.finetune.kit import Kit

__all__ = ["OwnAnswers", "judged", "own_answers", "weak_answers"]


@dataclass(frozen=True)
class OwnAnswers:
    """Predictions by the strong model's own probe: of ``labelled`` items by folds, and of ``transfer`` items.

    ``states`` with their ``layer`` are the features that they rest on.
    """

    labelled: Call
    transfer: Call
    states: Call
    layer: int


def own_answers(kit: Kit, strength: float, folds: int) -> OwnAnswers:
    """Fit probes at scikit-learn's C ``strength`` to the labelled items; the method must declare ``truth:labeled``."""
    states, layer = kit.features(kit.student_model)
    truth = kit.truth("labeled")
    given: dict[str, Any] = {
        "features": states,
        "items": kit.items,
        "labels": truth,
        "layer": layer,
        "head": "logistic",
        "strength": strength,
        "preprocess": "standardise",
    }
    by_folds = probe_by_folds(**given, part="labeled", folds=folds, seed=kit.seed("own", "folds"))
    return OwnAnswers(by_folds, probe(**given, dims=None, parts=("transfer",)), states, layer)


def weak_answers(kit: Kit, folds: int) -> tuple[Call, ...]:
    """Predict the labelled items by weak models that have not seen them, one call for each weak model.

    Each is trained ``folds`` times on the others' folds, as its teacher is on all: what a weak model says of items that it was
    trained on tells nothing about its labels. The chain between weak model and student is left out.
    """
    truth, seed = kit.truth("labeled"), kit.seed("weak", "folds")
    plain = kit.changed(loss="xent", options={}, stop="end")
    found = []
    for model in kit.weak_models:
        each = []
        for fold in range(folds):
            labels = without_fold(labels=truth, folds=folds, fold=fold, seed=seed)
            rows = fold_rows(kit.setup.rows["labeled"], folds, fold)
            examples = type(kit.examples("labeled", labels))("labeled", labels, rows)
            trained = plain.train(model, examples, role=f"weak without fold {fold}")
            each.append(kit.predict(model, trained, ("labeled",)))
        found.append(held_out(labels=truth, predictions=tuple(each), seed=seed))
    return tuple(found)


def judged(
    kit: Kit,
    answers: tuple[Call, ...],
    asked: tuple[Call, str],
    *,
    sees: str,
    ridge: float,
    folds: int,
    rivals: tuple[Call, ...] = (),
    rule: str = "best",
) -> Call:
    """Judge answers to transfer items on the frozen states of the student's model: scores of them, and a threshold.

    ``answers`` are those to labelled items, ``asked`` those to transfer items and the name of their table.
    """
    states, layer = kit.features(kit.student_model)
    return judge(
        features=states,
        layer=layer,
        items=kit.items,
        truth=kit.truth("labeled"),
        answers=answers,
        asked=asked[0],
        asked_table=asked[1],
        part="transfer",
        sees=sees,
        ridge=ridge,
        folds=folds,
        seed=kit.seed("judge", "folds"),
        rivals=rivals,
        rule=rule,
    )
