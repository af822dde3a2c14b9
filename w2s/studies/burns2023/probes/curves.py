"""Probe runs by setting: errors per seed and strength of regularisation, ready for statistics that resample seeds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import over_seeds

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Setting", "Values", "by_task", "is_nested", "median_over", "settings_of"]

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Values = Mapping[str, Vector]
Statistic = Callable[[Values], float]

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
    """One teacher and one student on one task: metrics (seeds, strengths), strongest regularisation first."""

    name: str
    seeds: tuple[int, ...]
    strengths: Vector
    metrics: Mapping[str, Matrix]

    @functools.cached_property
    def gap(self) -> Vector:
        """Teacher's error minus the ceiling's, mean over seeds: (strengths,)."""
        return np.asarray((self.metrics["weak"] - self.metrics["ceiling"]).mean(axis=0))

    @functools.cached_property
    def chosen(self) -> int:
        """The strength at which the strong baseline is best: chosen with true labels of labelled items, not by the student."""
        return int(self.metrics["strong"].mean(axis=0).argmin())


def is_nested(table: DataFrame) -> npt.NDArray[np.bool_]:
    """Rows in which the teacher sees a part of the student's features."""
    same = table["weak_model"] == table["student_model"]
    same &= (table["weak_layer"] == table["student_layer"]) | (table["weak_layer"].isna() & table["student_layer"].isna())
    inside = table["weak_dims"].notna() & ~(table["student_dims"] <= table["weak_dims"])
    return np.asarray(same & inside)


def settings_of(table: DataFrame) -> list[Setting]:
    """Settings of some rows, on the seeds that have all of a setting's strengths."""
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
            metrics = {name: values.reindex(whole.index).to_numpy(dtype=np.float64) for name, values in wide.items()}
            found.append(Setting(_named(fields, key), tuple(whole.index), whole.columns.to_numpy(dtype=np.float64), metrics))
    return found


def by_task(table: DataFrame) -> Iterator[tuple[str, list[Setting]]]:
    """Tasks with their settings."""
    for task, rows in table.groupby("task", sort=True):
        yield str(task), settings_of(rows)


def median_over(
    settings: Sequence[Setting], statistic: Callable[[Setting, npt.NDArray[np.int64]], float]
) -> tuple[float, tuple[float, float], int]:
    """Median over settings of ``statistic(setting, rows of its seeds)``, with an interval over seeds that all of them have."""
    import pandas as pd

    seeds = sorted(set.intersection(*(set(setting.seeds) for setting in settings)))
    places = [np.array([setting.seeds.index(seed) for seed in seeds]) for setting in settings]

    def value(frame: Any) -> float:
        drawn = frame["at"].to_numpy()
        return float(np.median([statistic(setting, at[drawn]) for setting, at in zip(settings, places, strict=True)]))

    return over_seeds(pd.DataFrame({"seed": seeds, "at": np.arange(len(seeds))}), value)


def _named(fields: Sequence[str], key: Any) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(fields, key, strict=True))
