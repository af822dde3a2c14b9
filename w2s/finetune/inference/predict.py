"""Class probabilities of a trained model on items: an artifact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from w2s.artifacts import Work, artifact
from w2s.finetune.data.tables import probability_table, write_table
from w2s.finetune.data.tokens import read_texts
from w2s.finetune.inference.cached.rows import read_cached_rows
from w2s.finetune.models.build import reload
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.weights import multiplied_weights

__all__ = ["predict", "predict_cost"]


def predict_cost(*, base: ModelFolder, max_length: int, **others: Any) -> float:
    """Count 2 operations per weight and token over some thousand items: nominal, for plans. A head has few weights."""
    return 2.0 * 2000.0 * (2e3 if others.get("features") is not None else multiplied_weights(base) * max_length / 4)


@artifact(version=1, name="w2s.predict", cost=predict_cost, gpus=1, later=("features", "layer"))
def predict(
    work: Work,
    *,
    model: Path,
    base: ModelFolder,
    items: Path,
    parts: Sequence[str],
    max_length: int,
    features: Path | None = None,
    layer: int = 0,
) -> None:
    """Write class probabilities of a trained model on some parts: ``predictions.arrow`` (item_id, p_0, ...).

    A head, or last layers, that were trained on ``features`` predict from the same ones.
    """
    from w2s.finetune.inference.forward import device_for, predict_rows

    texts: Any
    if features is None:
        ids, texts, where = read_texts(base, items, max_length)
    else:
        ids, texts, where = read_cached_rows(features, layer, items)
    rows = [k for k, name in enumerate(where) if name in set(parts)]
    values = predict_rows(reload(model, base).to(device_for()), texts, rows)
    write_table(work.folder, "predictions", probability_table([ids[k] for k in rows], values))
