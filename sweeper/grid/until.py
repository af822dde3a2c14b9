"""``seeds: {until: {...}}``: seeds until a metric is known well enough, read and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from w2s.contract.columns import metric_columns
from w2s.contract.study import Study
from w2s.errors import FieldError, nearest
from w2s.summary.columns import PGR, RATIOS
from w2s.summary.looks import Until

__all__ = ["MAX_SEEDS", "MAX_SETTINGS", "read_until", "written_until"]

MAX_SEEDS = 1_000_000
MAX_SETTINGS = 5_000_000
_KEYS = ("metric", "half_width", "max", "max_unresolved", "first")
_NEEDED = ("metric", "half_width", "max")
_FIRST = 32


def read_until(written: Any, study: type[Study]) -> Until:
    """Read the rule. Raises :class:`w2s.errors.FieldError` whose ``field`` is the key that is wrong.

    ``first`` is 32 and ``max_unresolved`` four times that, or ``max`` where that is less, unless they are given.
    """
    if not isinstance(written, Mapping):
        raise FieldError("until takes metric, half_width, max and max_unresolved", "until")
    for key in written:
        if key not in _KEYS:
            raise FieldError(f"unknown key {key!r}{nearest(key, _KEYS)}; allowed: {', '.join(_KEYS)}", str(key))
    if missing := [key for key in _NEEDED if key not in written]:
        raise FieldError(f"until needs {missing[0]}", "until")
    metric, known = written["metric"], _metrics(study)
    if metric not in known:
        raise FieldError(f"until: {metric!r} is not a metric of {study.name}{nearest(metric, known)}", "metric")
    width = written["half_width"]
    if isinstance(width, bool) or not isinstance(width, (int, float)) or not (0 < width < math.inf):
        raise FieldError(f"until: half_width must be a positive number, not {width!r}", "half_width")
    most = _count(written, "max", MAX_SEEDS)
    first = _count({"first": _FIRST, **written}, "first", max(most, _FIRST))
    unresolved = _count({"max_unresolved": min(4 * first, most), **written}, "max_unresolved", most)
    return Until(metric, float(width), most, unresolved, first)


def written_until(until: Until) -> dict[str, Any]:
    """Write the rule as a resolved grid has it."""
    return {"until": {key: getattr(until, key) for key in _KEYS}}


def _count(written: Mapping[str, Any], key: str, most: int) -> int:
    value = written[key]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 2 <= value <= most:
        raise FieldError(f"until: {key} must be a whole number in 2..{most}, not {value!r}", key)
    return value


def _metrics(study: type[Study]) -> list[str]:
    """List what can be averaged over seeds: columns of numbers, and ratios whose columns the table has."""
    columns = [name for name, kind in metric_columns(study).items() if kind in ("double", "int64")]
    ratios = {**PGR, **study.pgr}
    known = [name for name in ratios if ratios[name] in columns or name in columns]
    known += [name for name, ratio in RATIOS.items() if {*ratio.top, *ratio.bottom} <= set(columns)]
    return list(dict.fromkeys([*columns, *known]))
