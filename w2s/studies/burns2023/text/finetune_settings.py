"""Settings of finetune runs, and which of them are compared: those that differ in method, chain or student alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.finetune.methods.text import Method, parse_method
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Comparison", "Means", "Setting", "along", "extremes", "named", "partner", "settings_of"]

Means = Mapping[str, float]
"""Means over seeds by metric."""

_METRICS = {
    "weak": "weak_error_01",
    "student": "student_error_01",
    "ceiling": "ceiling_error_01",
    "flip": "student_flip_error_01",
    "right": "agreement_right",
    "wrong": "agreement_wrong",
    "ceiling_wrong": "ceiling_agreement_wrong",
    "weak_calibration": "weak_calibration",
    "label_calibration": "label_calibration",
    "size": "student_parameters",
}
_APART = ("seed", "control", "task", "method")
"""Fields that are no part of a setting's own: the control trains one more student and changes no other."""


@dataclass(frozen=True)
class Setting:
    """Models, sizes and method of some cells: ``fields`` without task and method, ``seeds`` (n,), ``values`` (n, metrics)."""

    fields: Mapping[str, Any]
    method: Method
    seeds: tuple[int, ...]
    values: npt.NDArray[np.float64]

    @property
    def means(self) -> Means:
        """Mean of every metric over all seeds."""
        return named(self.values.mean(axis=0))

    @property
    def gap(self) -> float:
        """Weak model's error minus the ceiling's."""
        return self.means["weak"] - self.means["ceiling"]

    @property
    def is_weak_to_strong(self) -> bool:
        """Whether the student is another model than its teacher."""
        return bool(self.fields["weak_model"] != self.fields["student_model"])

    @property
    def is_naive(self) -> bool:
        """Whether the student is trained by plain cross-entropy on one weak model's labels, to the end, without a chain."""
        return self.method == Method() and self.fields.get("chain") is None


Comparison = tuple[Setting, ...]


def named(means: npt.NDArray[np.float64]) -> Means:
    """Return the means (metrics,) by the names of the metrics."""
    return dict(zip(_METRICS, means.tolist(), strict=True))


def settings_of(table: DataFrame) -> list[Setting]:
    """List the settings of one task's rows."""
    names = [name for name in columns.cell_fields(table) if name not in _APART]
    codes, keys = columns.group_codes(table, [*names, "method"])
    parts = [table.iloc[np.flatnonzero(codes == code)] for code in range(len(keys))]
    return [_setting(key, part) for key, part in zip(keys.to_dict("records"), parts, strict=True)]


def _setting(key: Mapping[Any, Any], rows: DataFrame) -> Setting:
    means = rows.groupby("seed")[[name for name in _METRICS.values() if name in rows]].mean()
    values = means.reindex(columns=list(_METRICS.values())).to_numpy(dtype=np.float64)
    fields = {str(name): None if value != value else value for name, value in key.items()}
    return Setting(fields, parse_method(str(fields.pop("method"))), tuple(means.index), values)


def partner(setting: Setting, settings: Sequence[Setting], method: Method, **changed: Any) -> Setting | None:
    """Find the setting with another method, or other values of some fields, and all else equal; None where there is none."""
    fields = {**setting.fields, **changed}
    return next((other for other in settings if other.method == method and other.fields == fields), None)


def along(settings: Sequence[Setting], *fields: str, least: int) -> list[Comparison]:
    """Group settings of one method that differ in these fields alone; groups of ``least`` settings or more are kept."""
    groups: dict[tuple[Any, ...], list[Setting]] = {}
    for setting in settings:
        others = (item for item in setting.fields.items() if item[0] not in fields)
        groups.setdefault((repr(setting.method), *others), []).append(setting)
    return [tuple(group) for group in groups.values() if len(group) >= least]


def extremes(settings: Sequence[Setting], apart: float) -> list[Comparison]:
    """Pair the strongest with the weakest student of the same weak labels where their ceilings are ``apart`` or more."""
    groups = along(settings, "student_model", least=1)
    ordered = [sorted(group, key=lambda setting: setting.means["ceiling"]) for group in groups]
    return [(group[0], group[-1]) for group in ordered if group[-1].means["ceiling"] - group[0].means["ceiling"] >= apart]
