"""Labels at the temperature that suits the truth of held-out items, as an artifact."""

from __future__ import annotations

import json
from pathlib import Path

from w2s.artifacts import Work, artifact
from w2s.finetune.data.labels import tempered
from w2s.finetune.data.tables import join, probabilities, probability_table, read_table, write_columns, write_table
from w2s.labels.temperature import fitted_temperature

__all__ = ["read_temperature", "temper_fit"]

_COLUMN = "fitted_temperature"


@artifact(version=1, name="w2s.temper_fit")
def temper_fit(work: Work, *, labels: Path, truth: Path) -> None:
    """Write labels at the temperature with the least cross-entropy on the items of ``truth``, one-hot labels of a part.

    ``columns.json`` holds ``fitted_temperature`` (:func:`w2s.labels.temperature.fitted_temperature`).
    """
    table, known = read_table(labels, "labels"), read_table(truth, "labels")
    held_out = probabilities(join(known["item_id"].to_pylist(), table))
    temperature = fitted_temperature(held_out, probabilities(known).argmax(axis=1))
    write_table(work.folder, "labels", probability_table(table["item_id"], tempered(probabilities(table), temperature)))
    write_columns(work.folder, {_COLUMN: temperature})


def read_temperature(folder: Path) -> float:
    """Read the temperature that was fitted."""
    return float(json.loads((folder / "columns.json").read_text(encoding="utf-8"))[_COLUMN])
