"""Settings of probe runs: errors per seed and strength of regularisation, ready for statistics that resample seeds."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Setting", "is_nested", "named", "settings_of"]

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

_METRICS = {
    "weak": "weak_error_01",
    "student": "student_error_01",
    "strong": "strong_error_01",
    "ceiling": "ceiling_error_01",
    "flip": "student_flip_error_01",
    "right": "agreement_right",
    "wrong": "agreement_wrong",
}
_FIELDS = (
    *(
        "weak_model",
        "weak_layer",
        "weak_dims",
        "student_model",
        "student_layer",
        "student_dims",
        "head",
        "ridge_weak",
        "c_weak",
    ),
    *("labels", "method", "preprocess", "pooling", "n_labeled", "n_transfer", "n_test"),
)


@dataclass(frozen=True)
class Setting:
    """One teacher and one student on one task.

    Attributes
    ----------
    name : the fields that tell it from the other settings.
    seeds : seeds that have every strength.
    strengths : inverse regularisation, strongest regularisation first: (strengths,).
    values : (seeds, metrics, strengths).

    """

    name: str
    seeds: tuple[int, ...]
    strengths: Vector
    values: npt.NDArray[np.float64]

    @functools.cached_property
    def metrics(self) -> Mapping[str, Matrix]:
        """Values by metric: (seeds, strengths) each."""
        return named(self.values.swapaxes(0, 1))

    @functools.cached_property
    def gap(self) -> Vector:
        """Teacher's error minus the ceiling's, mean over seeds: (strengths,)."""
        return np.asarray((self.metrics["weak"] - self.metrics["ceiling"]).mean(axis=0))

    @functools.cached_property
    def chosen(self) -> int:
        """The strength at which the strong baseline is best: chosen with true labels of labelled items, not by the student."""
        return int(self.metrics["strong"].mean(axis=0).argmin())


def named(metrics: npt.NDArray[np.float64]) -> Mapping[str, npt.NDArray[np.float64]]:
    """Return the arrays along the leading axis of (metrics, ...) by the names of the metrics."""
    return dict(zip(_METRICS, metrics, strict=True))


def is_nested(table: DataFrame) -> npt.NDArray[np.bool_]:
    """Mark the rows in which the teacher sees a part of the student's features."""
    same = table["weak_model"] == table["student_model"]
    same &= (table["weak_layer"] == table["student_layer"]) | (table["weak_layer"].isna() & table["student_layer"].isna())
    inside = table["weak_dims"].notna() & ~(table["student_dims"] <= table["weak_dims"])
    return np.asarray(same & inside)


def settings_of(table: DataFrame) -> list[Setting]:
    """List the settings of some rows, on the seeds that have all of a setting's strengths."""
    fields = [name for name in _FIELDS if name in table and table[name].nunique(dropna=False) > 1]
    rows = table.assign(strength=table["c"].fillna(1.0 / table["ridge"]))
    groups = rows.groupby(fields, dropna=False, sort=True) if fields else [((), rows)]
    found = []
    for key, part in groups:
        wide = {
            name: part.pivot_table(index="seed", columns="strength", values=column, dropna=False)
            for name, column in _METRICS.items()
        }
        whole = wide["student"].dropna()
        if len(whole):
            values = np.stack([table.reindex(whole.index).to_numpy(dtype=np.float64) for table in wide.values()], axis=1)
            found.append(Setting(_text(fields, key), tuple(whole.index), whole.columns.to_numpy(dtype=np.float64), values))
    return found


def _text(fields: Sequence[str], key: Any) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(fields, key, strict=True))
