"""From what a grid writes to the axes of its blocks: generated values, zipped fields, fields that matter only sometimes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from w2s.contract.block import Axis
from w2s.contract.cells import FieldSpec, null_inactive
from w2s.errors import nearest

__all__ = ["expand_values", "join_conditional"]

GENERATORS = ("linspace", "geomspace", "logspace")
_MAX_VALUES = 1_000_000
_MAX_COMBINATIONS = 200_000


def expand_values(written: Any) -> list[Any]:
    """Return the values of an axis: a list, or ``{linspace|geomspace|logspace: [start, stop, num]}`` and ``round: true``.

    Generated numbers are rounded to 12 significant digits (or to whole numbers), and the rounded number is the value.
    Raises ValueError with the reason.
    """
    if isinstance(written, list):
        if not written:
            raise ValueError("an axis needs at least one value; the list is empty")
        return written
    if isinstance(written, Mapping):
        return _generate(written)
    raise ValueError(f"an axis is a list or a generator ({', '.join(GENERATORS)}), not {written!r}; one value goes under fixed")


def _generate(written: Mapping[str, Any]) -> list[Any]:
    kinds = [key for key in written if key in GENERATORS]
    if strangers := [key for key in written if key not in (*GENERATORS, "round")]:
        raise ValueError(
            f"unknown generator {strangers[0]!r}{nearest(strangers[0], GENERATORS)}; known: {', '.join(GENERATORS)}"
        )
    if len(kinds) != 1:
        raise ValueError(f"name exactly one generator of {', '.join(GENERATORS)}")
    rounded = written.get("round", False)
    if not isinstance(rounded, bool):
        raise ValueError(f"round is true or false, not {rounded!r}")
    start, stop, count = _arguments(kinds[0], written[kinds[0]])
    with np.errstate(all="ignore"):
        raw = getattr(np, kinds[0])(start, stop, count)
    if not np.isfinite(raw).all():
        raise ValueError(f"{kinds[0]} from {start} to {stop} leaves the range of numbers")
    return [round(float(v)) if rounded else float(f"{float(v):.12g}") for v in raw]


def _arguments(kind: str, arguments: Any) -> tuple[float, float, int]:
    if not isinstance(arguments, list) or len(arguments) != 3:
        raise ValueError(f"{kind} takes [start, stop, num], not {arguments!r}")
    for value in arguments:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
            raise ValueError(f"{kind} takes three finite numbers, not {value!r}")
    start, stop, count = arguments
    if isinstance(count, float):
        if not count.is_integer():
            raise ValueError(f"{kind}: num must be a whole number, not {count!r}")
        count = int(count)
    if not 1 <= count <= _MAX_VALUES:
        raise ValueError(f"{kind}: num must lie in 1..{_MAX_VALUES}, not {count}")
    if kind == "geomspace" and (start <= 0 or stop <= 0):
        raise ValueError(f"geomspace needs positive ends, not {start!r} and {stop!r}")
    return float(start), float(stop), count


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def join_conditional(
    axes: Sequence[Axis], fixed: Mapping[str, Any], fields: Mapping[str, FieldSpec]
) -> tuple[tuple[Axis, ...], dict[str, Any]]:
    """Merge every field that matters only for some values of another with that other's axis, and set inactive fields to null.

    The result is a product again: an axis ``(student_filter, ridge, time)`` holds each ridge once, with time null, and each
    time once, with ridge null. Returns the axes and the fields that are the same in all cells.
    """
    axes, fixed = list(axes), dict(fixed)
    for names in _components(axes, fields):
        joined = [axis for axis in axes if set(axis.names) & names]
        constants = {name: fixed.pop(name) for name in sorted(names & set(fixed), key=lambda n: fields[n].word)}
        values = _distinct(joined, constants, fields)
        merged = Axis((*(n for axis in joined for n in axis.names), *constants), values)
        axes[axes.index(joined[0])] = merged
        axes = [axis for axis in axes if axis is merged or axis not in joined]
    axes = _split_constant(axes, fixed)
    return tuple(axes), null_inactive(fixed, fields)


def _components(axes: Sequence[Axis], fields: Mapping[str, FieldSpec]) -> list[set[str]]:
    """Return the sets of fields that conditions tie together.

    A condition counts where the field that decides it varies; the sets are closed under zips and further conditions.
    """
    varying = _varying(axes, fields)
    sets: list[set[str]] = []
    for spec in fields.values():
        if not set(spec.when) & varying:
            continue
        tied = {spec.name, *spec.when}
        tied |= {name for axis in axes if set(axis.names) & tied for name in axis.names}
        for other in [s for s in sets if s & tied]:
            tied |= other
            sets.remove(other)
        sets.append(tied)
    return sets


def _varying(axes: Sequence[Axis], fields: Mapping[str, FieldSpec]) -> set[str]:
    """Return the fields that are not the same in all cells: those of the axes, and those that are null in some cells."""
    varying = {name for axis in axes for name in axis.names}
    while more := {spec.name for spec in fields.values() if set(spec.when) & varying} - varying:
        varying |= more
    return varying


def _distinct(
    joined: Sequence[Axis], constants: Mapping[str, Any], fields: Mapping[str, FieldSpec]
) -> tuple[tuple[Any, ...], ...]:
    """Return the distinct combinations after inactive fields are set to null, in the order of the product of the axes.

    Axes that decide are multiplied out first and duplicates are dropped at once. So ``student_filter`` with a hundred ridges,
    times and steps costs three hundred combinations, not three million.
    """
    names = [*(name for axis in joined for name in axis.names), *constants]
    found: dict[tuple[Any, ...], tuple[dict[str, Any], tuple[int, ...]]] = {(): (dict(constants), (0,) * len(joined))}
    for k in _deciding_first(joined, fields):
        longer: dict[tuple[Any, ...], tuple[dict[str, Any], tuple[int, ...]]] = {}
        for cell, place in found.values():
            matters = any(fields[name].is_active(cell) for name in joined[k].names)
            for i, value in enumerate(joined[k].values if matters else joined[k].values[:1]):
                more = null_inactive(cell | dict(zip(joined[k].names, value, strict=True)), fields)
                longer.setdefault(tuple(more.values()), (more, (*place[:k], i, *place[k + 1 :])))
            if len(longer) > _MAX_COMBINATIONS:
                raise ValueError(f"the axes {', '.join(names)} depend on each other and have too many combinations")
        found = longer
    ordered = sorted(found.values(), key=lambda item: item[1])
    return tuple(tuple(cell[name] for name in names) for cell, _ in ordered)


def _deciding_first(joined: Sequence[Axis], fields: Mapping[str, FieldSpec]) -> list[int]:
    """Return the positions of the axes in an order in which fields come before those that depend on them.

    Where the conditions form a circle there is no such order, and the axes that are left keep theirs.
    """
    waiting, order = list(range(len(joined))), list[int]()
    while waiting:
        open_names = {name for k in waiting for name in joined[k].names}
        free = [
            k
            for k in waiting
            if not {c for name in joined[k].names for c in _controllers(name, fields)} & (open_names - set(joined[k].names))
        ]
        order += free or waiting
        waiting = [k for k in waiting if k not in order]
    return order


def _controllers(name: str, fields: Mapping[str, FieldSpec]) -> set[str]:
    """Return the fields that decide, directly or through others, whether a field matters."""
    found = set(fields[name].when)
    while more := {c for controller in found for c in fields[controller].when} - found:
        found |= more
    return found


def _split_constant(axes: Sequence[Axis], fixed: dict[str, Any]) -> list[Axis]:
    """Move those fields of joined axes that take only one value (null included) to ``fixed``; return the other axes."""
    result = []
    for axis in axes:
        varying = [name for name in axis.names if len(axis.names) == 1 or len(set(axis.column(name))) > 1]
        varying = varying or [axis.names[0]]
        for name in axis.names:
            if name not in varying:
                fixed[name] = axis.column(name)[0]
        columns = [axis.column(name) for name in varying]
        result.append(Axis(tuple(varying), tuple(zip(*columns, strict=True))))
    return result
