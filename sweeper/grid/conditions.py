"""Conditions between fields: the ``exclude`` list of a grid and the rules of a study, evaluated on whole sub-grids.

A condition looks only at the axes it names, so a grid of ten million cells is checked without being expanded. Conditions that
share no axis are counted apart; those that do may together look at :data:`MAX_LOOK` combinations of values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Axis, Block
from w2s.contract.study import Rule
from w2s.files.datafile import Content

__all__ = [
    "Condition",
    "condition_from_mapping",
    "excluded",
    "first_violation",
    "kept_cells",
    "representative",
    "restrict",
    "show",
]

Mask = npt.NDArray[np.bool_]

MAX_LOOK = 100_000_000
"""Combinations of values, times conditions, that may be looked at: a second or two."""
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Condition:
    """A test of some fields: ``test(block)`` is True for cells that meet it and broadcasts to the block's shape.

    ``written`` is the condition as the grid has it, with canonical values.
    """

    fields: tuple[str, ...]
    test: Callable[[Block], Mask]
    written: str | dict[str, list[Any]]


def condition_from_mapping(values: Mapping[str, list[Any]]) -> Condition:
    """Return the condition that every named field has one of the listed values (already canonical)."""

    def test(block: Block) -> Mask:
        mask = np.ones((1,) * len(block.axes), dtype=bool)
        for name, allowed in values.items():
            mask = mask & _is_one_of(block, name, allowed)
        return mask

    return Condition(tuple(values), test, dict(values))


def _is_one_of(block: Block, name: str, allowed: list[Any]) -> Mask:
    group = block.group(name)
    return np.array([level in allowed for level in group.values(name)], dtype=bool)[group.codes]


def restrict(block: Block, fields: Iterable[str]) -> Block:
    """Return the product of the axes that carry the named fields, with all other axes at their first value."""
    named = set(fields)
    fixed, axes = dict(block.fixed), []
    for axis in block.axes:
        if named & set(axis.names):
            axes.append(axis)
        else:
            fixed.update(zip(axis.names, axis.values[0], strict=True))
    return Block(fixed, tuple(axes))


def excluded(conditions: Iterable[Condition], block: Block) -> Mask | None:
    """Return which cells any condition leaves out, broadcast to the block's shape; None when there is no condition."""
    mask: Mask | None = None
    for condition in conditions:
        hit = np.broadcast_to(condition.test(block), block.shape)
        mask = hit if mask is None else mask | hit
    return mask


def kept_cells(conditions: Sequence[Condition], block: Block) -> int:
    """Count the cells of a block that no condition leaves out.

    Conditions that share no axis are counted apart, and the shares multiplied. Raises ValueError where those that do look at
    more than :data:`MAX_LOOK` combinations. Cost: one test of every condition per combination; memory for a few millions.
    """
    kept = block.size
    for group in _groups(conditions, block):
        part = _combinations(group, (), block)
        inside = 0
        for piece in _pieces(part):
            out = excluded(group, piece)
            inside += piece.size - (int(out.sum()) if out is not None else 0)
        kept = kept // part.size * inside
    return kept


def representative(block: Block) -> Block:
    """Return a small block with a value of every type, and the same fields: what cannot be compared shows there already."""
    axes = []
    for axis in block.axes:
        kinds: dict[tuple[type, ...], tuple[Any, ...]] = {}
        for value in axis.values:
            kinds.setdefault(tuple(map(type, value)), value)
        axes.append(Axis(axis.names, tuple(kinds.values())))
    return Block(block.fixed, tuple(axes))


def _groups(conditions: Iterable[Condition], block: Block) -> list[list[Condition]]:
    """Group conditions so that those of different groups share no axis."""
    groups: list[tuple[set[int], list[Condition]]] = []
    for condition in conditions:
        places, members = _places(condition.fields, block), [condition]
        for other in [group for group in groups if group[0] & places]:
            places |= other[0]
            members = other[1] + members
            groups.remove(other)
        groups.append((places, members))
    return [members for _, members in groups]


def _places(fields: Iterable[str], block: Block) -> set[int]:
    named = set(fields)
    return {k for k, axis in enumerate(block.axes) if named & set(axis.names)}


def _combinations(conditions: Sequence[Condition], fields: Iterable[str], block: Block) -> Block:
    """Return the product of the axes that conditions and fields name; raise ValueError where it is too large to look at."""
    named = {*fields, *(name for condition in conditions for name in condition.fields)}
    part = restrict(block, named)
    looks = part.size * max(1, len(conditions))
    if looks > MAX_LOOK:
        names = ", ".join(name for axis in part.axes for name in axis.names if name in named)
        raise ValueError(
            f"conditions look {looks:,} times at combinations of {names}, more than {MAX_LOOK:,}: name fewer fields, join "
            "conditions, or write several grids of fewer values"
        )
    return part


def _pieces(block: Block) -> Iterator[Block]:
    """Cut a block along its longest axis into pieces that are small enough to hold."""
    if block.size <= _CHUNK:
        yield block
        return
    longest = max(range(len(block.axes)), key=lambda k: len(block.axes[k]))
    step = max(1, len(block.axes[longest]) * _CHUNK // block.size)
    for start in range(0, len(block.axes[longest]), step):
        axes = (axis[start : start + step] if k == longest else axis for k, axis in enumerate(block.axes))
        yield Block(block.fixed, tuple(axes))


def first_violation(rule: Rule, block: Block, conditions: Sequence[Condition]) -> dict[str, Any] | None:
    """Return the field values of the first cell that breaks a rule and is not excluded; None when no cell does.

    A cell in which one of the rule's fields is inactive does not break the rule. Raises ValueError where rule and conditions
    look at more than :data:`MAX_LOOK` combinations.
    """
    whole = Condition(rule.fields, lambda some: _broken(rule, some), "")
    if not any(whole.test(piece).any() for piece in _pieces(_combinations((), rule.fields, block))):
        return None
    tied = next(group for group in _groups([*conditions, whole], block) if any(each is whole for each in group))
    some = [condition for condition in tied if condition is not whole]
    for piece in _pieces(_combinations(some, rule.fields, block)):
        broken = np.broadcast_to(whole.test(piece), piece.shape)
        out = excluded(some, piece)
        if out is not None:
            broken = broken & ~out
        if broken.any():
            index = np.unravel_index(int(np.argmax(broken)), piece.shape)
            return {name: np.broadcast_to(piece.column(name), piece.shape)[index] for name in rule.fields}
    return None


def _broken(rule: Rule, block: Block) -> Mask:
    columns = [block.column(name) for name in rule.fields]
    with np.errstate(all="ignore"):
        broken = ~np.asarray(rule.test(*columns), dtype=bool)
    for column in columns:
        broken = broken & (np.equal(column, column) if column.dtype.kind == "f" else column != np.array(None))
    return broken


def show(value: Any) -> str:
    """Write one value as a person writes it in a grid."""
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.12g}"
    return str(value.name if isinstance(value, Content) else value)
