"""Settings of runs: those in which the runs of a folder differ, and how an anchor's differ from what its student names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

__all__ = ["difference", "flat", "setting_array", "shown", "swept"]

Settings = Mapping[str, Any]
_NAMED = {
    *("ds_name", "model_size", "weak_ds_name", "weak_model_size", "loss", "seed", "n_test_docs", "weak_n_test_docs"),
    *("dataset", "weak_model_name", "strong_model_name", "loss_name", "n_test", "train_args.seed"),
}
"""Settings that have a column under another name."""
_PLACES = ("_dir", "_folder", "_subfolder", "_path", "run_name")
"""Endings of settings that say where a run is, not what it does."""


def flat(config: Settings, drop: Iterable[str] = (), prefix: str = "") -> dict[str, Any]:
    """Write nested settings on one level, ``{"train_args": {"lr": 1}}`` as ``train_args.lr``, without those of ``drop``."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if name in drop:
            continue
        if isinstance(value, Mapping):
            found |= flat(value, prefix=f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def swept(runs: Sequence[Settings]) -> list[str]:
    """List the settings that take several values among runs, sorted, without those that every table names, and without places.

    That a run lacks a setting is a value too; a run whose settings are not known has none. A setting of the weak model,
    ``weak_NAME``, is listed where some run's value is not that of its student's ``NAME``.
    """
    known = [run for run in runs if run]
    names = sorted({name for run in known for name in run if name not in _NAMED and not name.endswith(_PLACES)})
    varied = [name for name in names if len({shown(run.get(name)) for run in known}) > 1]
    return [name for name in varied if not _copies(name, known)]


def setting_array(values: Sequence[Any]) -> pa.Array:
    """Make a column of a setting: numbers, truth values or text where all are of one kind, else what they look like in JSON."""
    plain = [value for value in values if value is not None]
    for kind in (bool, int, (int, float), str):
        if all(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) for value in plain):
            try:
                return pa.array(values)
            except pa.ArrowException:  # a whole number beyond 64 bits
                break
    return pa.array([None if value is None else shown(value) for value in values], pa.string())


def shown(value: Any) -> str:
    """Write a value as JSON does, a text without quotation marks, and an absent one as ``none``."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def difference(role: str, name: str, found: Any, wanted: Any, whose: str) -> str:
    """Say that an anchor's setting is another than the one that belongs to its student: ``ceiling lr 0.1 (student 0.2)``."""
    return f"{role} {name} {shown(found)} ({whose} {shown(wanted)})"


def _copies(name: str, runs: Sequence[Settings]) -> bool:
    own = name.removeprefix("weak_")
    return own != name and all(own in run and shown(run[own]) == shown(run.get(name)) for run in runs)
