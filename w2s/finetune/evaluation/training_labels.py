"""What a student was trained on, for items that its training did not have: the same treatment of its teachers' predictions.

Labels are calls (:mod:`w2s.finetune.data.labels`): predictions taken as labels, tempered, mixed. Each is applied anew to what
the same models predict for the items asked for. Labels that are known for the items of the training alone have no value
there: those of a method of one's own, those that a student gave itself item by item, and planted errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from w2s.artifacts import Call, Store
from w2s.finetune.choices.calibrated import read_temperature, temper_fit
from w2s.finetune.choices.kept import kept_best
from w2s.finetune.choices.known import own_where_known
from w2s.finetune.data.answers import as_answers
from w2s.finetune.data.labels import as_labels, harden, mix, own_where_confident, temper, tempered
from w2s.finetune.data.supervised import boosted_labels, read_boosted_weights, reliable_labels
from w2s.finetune.data.tables import join, probabilities, read_table

__all__ = ["UNKNOWN_LABELS", "training_answers", "training_labels"]

Matrix = npt.NDArray[np.float64]

UNKNOWN_LABELS = "misfit unknown: it is not known which label this method gives a test item"
"""Message of a row without a misfit."""


def training_labels(training: Call, account: Mapping[str, Any], ids: Sequence[str], store: Store) -> Matrix | None:
    """Compute the labels (n, K) of some items as a training took them, or None where nobody knows them.

    ``account`` is what the training says of itself: weights of supervisors, where it learned them.
    """
    given = training.arguments["labels"]
    if isinstance(given, Call):
        return _labels(given, ids, store)
    if training.arguments["recipe"].get("objective", {}).get("name") in ("dpo", "learned_dpo"):
        given = given[:-1]  # the last ones are the reference's log-probabilities
        if len(given) == 1:
            return _labels(given[0], ids, store)
    weights = account.get("learned", {}).get("weights")
    return None if weights is None else _mean([_labels(call, ids, store) for call in given], weights)


def training_answers(training: Call, ids: Sequence[str], store: Store) -> list[str] | None:
    """Read the answers to some prompts as a training took them, or None where nobody wrote any to these prompts."""
    given = training.arguments["labels"]
    if not isinstance(given, Call) or given.artifact.name != as_answers.name:
        return None
    table = read_table(store.get(given.arguments["generations"]), "generations")
    first = table.filter(pc.equal(table["sample"], 0))
    known = set(first["item_id"].to_pylist())
    return list(join(list(ids), first)["text"].to_pylist()) if known.issuperset(ids) else None


def _labels(call: Call, ids: Sequence[str], store: Store) -> Matrix | None:
    arguments, name = call.arguments, call.artifact.name
    if name == as_labels.name:
        values = _predicted(store.get(arguments["predictions"]), ids)
        return values if values is None or not arguments["hard"] else harden(values)
    if name == temper.name:
        inner = _labels(arguments["labels"], ids, store)
        return None if inner is None else tempered(inner, arguments["temperature"])
    if name == temper_fit.name:
        inner = _labels(arguments["labels"], ids, store)
        return None if inner is None else tempered(inner, read_temperature(store.get(call)))
    if name in (mix.name, reliable_labels.name, boosted_labels.name):
        return _mean([_labels(inner, ids, store) for inner in arguments["labels"]], _weights(call, store))
    if name == own_where_confident.name and arguments["threshold"] >= 1.0:  # no prediction is above it
        return _labels(arguments["labels"], ids, store)
    if name == kept_best.name or (name == own_where_known.name and _nothing_known(arguments)):
        return _labels(arguments["labels"], ids, store)
    return None


def _weights(call: Call, store: Store) -> Sequence[float]:
    """Return the weight of each of the labels that a call takes the mean of."""
    if call.artifact.name == boosted_labels.name:
        return read_boosted_weights(store.get(call))
    arguments = call.arguments
    return arguments["weights"] if call.artifact.name == mix.name else [1.0] * len(arguments["labels"])


def _nothing_known(arguments: Mapping[str, Any]) -> bool:
    """Tell whether labels are the given ones: no own answer can be selected, and nothing is smoothed."""
    selected = arguments["judged"] is not None and arguments["threshold"] != 1.0
    return not selected and arguments["features"] is None and not arguments["hard"]


def _predicted(folder: Path, ids: Sequence[str]) -> Matrix | None:
    table = read_table(folder, "predictions")
    known = set(table["item_id"].to_pylist())
    return probabilities(join(list(ids), table)) if known.issuperset(ids) else None


def _mean(parts: Sequence[Matrix | None], weights: Sequence[float]) -> Matrix | None:
    """Compute the weighted mean of labels; None where one of them is not known."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return np.asarray(sum(weight * part for weight, part in zip(weights, known, strict=True))) / sum(weights)
