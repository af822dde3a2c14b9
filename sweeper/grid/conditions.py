"""Conditions between fields: the ``exclude`` list of a grid and the rules of a study, evaluated on whole sub-grids.

A condition looks only at the axes it names, so a grid of ten million cells is checked without being expanded.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import FieldSpec
from w2s.contract.study import Rule
from w2s.errors import nearest
from w2s.files.datafile import Content

__all__ = ["Condition", "condition_from_mapping", "condition_from_text", "excluded", "first_violation", "restrict", "show"]

Mask = npt.NDArray[np.bool_]

_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


_MAX_DEPTH = 40
"""Nesting of a written condition: far above what a person writes, far below what recursion can stand."""


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


def condition_from_text(text: str, known: Iterable[str]) -> Condition:
    """Compile ``"d_weak > n_labeled and noise == 0"``: comparisons of fields, numbers and words, with + - * / and or not.

    The text is parsed, never evaluated as code. A comparison with a field that is inactive in a cell does not hold there.
    ``known`` are the field names, or their specifications, which then check the words. Raises ValueError with the reason.
    """
    tree = _parse(text)
    names = tuple(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r} is not a field{nearest(name, known)}")
    if not isinstance(tree, (ast.Compare, ast.BoolOp)) and not (isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not)):
        raise ValueError(f"{text!r} compares nothing; write for example 'd_weak > n_labeled'")
    if isinstance(known, Mapping):
        _check_words(tree, known)
    evaluate = _compile(tree, text)
    if not names:
        raise ValueError(f"{text!r} names no field")

    def test(block: Block) -> Mask:
        try:
            with np.errstate(all="ignore"):
                return np.asarray(evaluate(block), dtype=bool)
        except (TypeError, ArithmeticError):
            raise ValueError(f"{text!r} compares or combines what cannot be, such as words with numbers") from None

    return Condition(names, test, text)


def _parse(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{_short(text)} is not a condition such as 'd_weak > n_labeled'") from None
    level: list[ast.AST] = [tree]
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise ValueError(f"{_short(text)} is nested too deeply for a condition")
    return tree


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _compile(node: ast.expr, text: str) -> Callable[[Block], Any]:
    if isinstance(node, ast.Name):
        name = node.id
        return lambda block: _plain(block.column(name))
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
        value = node.value
        return lambda _block: value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        inner, apply = _compile(node.operand, text), operator.neg if isinstance(node.op, ast.USub) else np.logical_not
        return lambda block: apply(inner(block))
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right, combine = _compile(node.left, text), _compile(node.right, text), _ARITHMETIC[type(node.op)]
        return lambda block: combine(left(block), right(block))
    if isinstance(node, ast.BoolOp):
        if any(isinstance(part, (ast.Name, ast.Constant, ast.BinOp)) for part in node.values):
            raise ValueError(f"{text!r}: 'and' and 'or' join comparisons, such as 'd_weak > 10 and noise == 0'")
        parts = [_compile(part, text) for part in node.values]
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return lambda block: _fold(join, [part(block) for part in parts])
    if isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
        terms = [_compile(part, text) for part in (node.left, *node.comparators)]
        tests = [_COMPARE[type(op)] for op in node.ops]
        return lambda block: _chain(tests, [term(block) for term in terms])
    raise ValueError(f"{text!r}: only fields, numbers, words, comparisons, + - * / and, or, not are allowed")


def _plain(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return integers as floats, which do not overflow when multiplied, and files by the name that the grid gives them."""
    if column.dtype.kind in "iu":
        return column.astype(np.float64)
    if column.dtype.kind == "O":
        named = [value.name if isinstance(value, Content) else value for value in column.reshape(-1)]
        plain = np.empty(len(named), dtype=object)
        plain[:] = named
        return plain.reshape(column.shape)
    return column


def _chain(tests: list[Callable[[Any, Any], Any]], values: list[Any]) -> Any:
    """Evaluate a < b < c; a comparison with null (NaN among numbers, None among words) does not hold."""
    known = [np.equal(value, value) if np.asarray(value).dtype.kind == "f" else value != np.array(None) for value in values]
    parts = [test(a, b) for test, a, b in zip(tests, values, values[1:], strict=False)]
    return _fold(np.logical_and, [*parts, *known])


def _check_words(tree: ast.expr, fields: Mapping[str, FieldSpec]) -> None:
    """Refuse a word that a field with fixed choices can never have."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        terms = [node.left, *node.comparators]
        choices = [c for t in terms if isinstance(t, ast.Name) for c in fields[t.id].choices]
        for word in (t.value for t in terms if isinstance(t, ast.Constant)):
            if choices and word not in choices:
                raise ValueError(f"{word!r} is not one of: {', '.join(map(str, choices))}{nearest(word, choices)}")


def _fold(join: Callable[[Any, Any], Any], parts: list[Any]) -> Any:
    result = parts[0]
    for part in parts[1:]:
        result = join(result, part)
    return result


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


def first_violation(rule: Rule, block: Block, conditions: tuple[Condition, ...]) -> dict[str, Any] | None:
    """Return the field values of the first cell that breaks a rule and is not excluded; None when no cell does.

    A cell in which one of the rule's fields is inactive does not break the rule.
    """
    fields = {*rule.fields, *(name for condition in conditions for name in condition.fields)}
    part = restrict(block, fields)
    columns = [part.column(name) for name in rule.fields]
    with np.errstate(all="ignore"):
        broken = ~np.asarray(rule.test(*columns), dtype=bool)
    for column in columns:
        broken = broken & (np.equal(column, column) if column.dtype.kind == "f" else column != np.array(None))
    broken = np.broadcast_to(broken, part.shape)
    out = excluded(conditions, part)
    if out is not None:
        broken = broken & ~out
    if not broken.any():
        return None
    index = np.unravel_index(int(np.argmax(broken)), part.shape)
    return {name: np.broadcast_to(part.column(name), part.shape)[index] for name in rule.fields}


def show(value: Any) -> str:
    """Write one value as a person writes it in a grid."""
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.12g}"
    return str(value.name if isinstance(value, Content) else value)
